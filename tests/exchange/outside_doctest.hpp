#pragma once

// doctest itself, for the one source file of a program that uses tests/exchange and is no run of doctest's.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>

namespace keysluice::ike::testing {

/// While there is one, a failed check prints itself and aborts.
class OutsideDoctest {
   public:
    OutsideDoctest() {
        context_.setAssertHandler([](const doctest::AssertData& failed) {
            std::fprintf(stderr, "%s:%d: %s\n", failed.m_file, failed.m_line, failed.m_expr);
            std::abort();
        });
        context_.setAsDefaultForAssertsOutOfTestCases();
    }

   private:
    doctest::Context context_;
};

}  // namespace keysluice::ike::testing
