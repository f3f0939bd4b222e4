#pragma once

#include <doctest/doctest.h>

#include "ktls/loopback.hpp"

namespace keysluice::test {

/// A connected loopback TCP pair; without one the test case fails.
inline ktls::TcpPair tcp_pair() {
    auto pair = ktls::connect_loopback();
    REQUIRE_MESSAGE(pair, (pair ? "" : pair.error().sentence));
    return *std::move(pair);
}

}  // namespace keysluice::test
