#include "daemon/shared/failure_report.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/processes.hpp"

using namespace keysluice;
using namespace keysluice::test;

TEST_CASE("of many failures at once the first ones are told, and those of the next moment again") {
    Loop loop;
    std::vector<Failures> told;
    FailureReport report(loop, [&told](Failures failures) { told.push_back(std::move(failures)); });
    const auto fail_often = [&report](const std::string& peer) {
        for (std::size_t i = 0; i < 2 * kMostFailures; ++i) {
            report.add({.service = {1}, .peer = peer, .reason = "not-tls", .sentence = {}});
        }
    };
    fail_often("first");
    CHECK(told.empty());
    turn_until(loop, [&] { return told.size() == 1; });
    fail_often("second");
    turn_until(loop, [&] { return told.size() == 2; });
    CHECK(told[0].failures.size() == kMostFailures);
    CHECK(told[0].failures.back().peer == "first");
    CHECK(told[1].failures.front().peer == "second");
}
