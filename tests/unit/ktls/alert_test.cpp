#include "ktls/alert.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <set>
#include <vector>

using namespace keysluice;
using namespace keysluice::ktls;

namespace {

Result<Alert> parse(std::vector<std::uint8_t> record) {
    return parse_alert(record);
}

}  // namespace

TEST_CASE("an alert is two bytes") {
    CHECK(parse({1, 0}).value() == Alert{AlertLevel::warning, AlertDescription::close_notify});
    CHECK(parse({2, 20}).value() == Alert{AlertLevel::fatal, AlertDescription::bad_record_mac});
    CHECK(parse({2, 200}).value().description == AlertDescription{200});

    for (const auto& record : std::vector<std::vector<std::uint8_t>>{{}, {1}, {1, 0, 1}, {1, 0, 2, 20}}) {
        const auto refused = parse(record);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().reason == "malformed-alert");
    }
    for (const std::uint8_t level : std::vector<std::uint8_t>{0, 3, 255}) {
        REQUIRE_FALSE(parse({level, 0}));
        CHECK(parse({level, 0}).error().reason == "malformed-alert");
    }
    CHECK(parse({7, 0}).error().sentence == "the peer sent an alert of level 7, expected 1 or 2");
}

TEST_CASE("what an alert means depends on the version") {
    const auto meant = [](AlertLevel level, AlertDescription description, Version version) {
        return meaning({level, description}, version);
    };
    for (const Version version : kVersions) {
        CHECK(meant(AlertLevel::warning, AlertDescription::close_notify, version) == AlertMeaning::closed);
        CHECK(meant(AlertLevel::fatal, AlertDescription::close_notify, version) == AlertMeaning::closed);
        CHECK(meant(AlertLevel::fatal, AlertDescription::decode_error, version) == AlertMeaning::failed);
        CHECK(meant(AlertLevel::warning, AlertDescription::user_canceled, version) == AlertMeaning::ignored);
    }
    // A warning about anything else: TLS 1.2 goes on, for TLS 1.3 the level says nothing.
    for (const auto description :
         {AlertDescription::no_renegotiation, AlertDescription::unrecognized_name, AlertDescription{222}}) {
        CHECK(meant(AlertLevel::warning, description, Version::tls12) == AlertMeaning::ignored);
        CHECK(meant(AlertLevel::warning, description, Version::tls13) == AlertMeaning::failed);
        CHECK(meant(AlertLevel::fatal, description, Version::tls12) == AlertMeaning::failed);
    }
}

TEST_CASE("every alert of the RFCs has a name of its own") {
    // RFC 8446 6, RFC 5246 7.2, RFC 6066 9, RFC 7301 3.2, RFC 7507 4.
    const std::vector<std::uint8_t> assigned{0,   10,  20,  21,  22,  30,  40,  41,  42,  43, 44, 45,
                                             46,  47,  48,  49,  50,  51,  60,  70,  71,  80, 86, 90,
                                             100, 109, 110, 111, 112, 113, 114, 115, 116, 120};
    std::set<std::string_view> names;
    for (const std::uint8_t value : assigned) {
        names.insert(name(AlertDescription{value}));
    }
    CHECK(names.size() == assigned.size());
    CHECK_FALSE(names.contains("unknown"));
    CHECK(name(AlertDescription::bad_record_mac) == "bad_record_mac");
    CHECK(name(AlertDescription{120}) == "no_application_protocol");
    for (int value = 0; value < 256; ++value) {
        const bool known = std::ranges::find(assigned, value) != assigned.end();
        CHECK((name(AlertDescription{static_cast<std::uint8_t>(value)}) != "unknown") == known);
    }
}

TEST_CASE("an alert that is sent has the level of the RFCs, and is read back as what it was") {
    using Pair = std::array<std::uint8_t, 2>;
    CHECK(encode_alert(AlertDescription::close_notify) == Pair{1, 0});
    CHECK(encode_alert(AlertDescription::user_canceled) == Pair{1, 90});
    CHECK(encode_alert(AlertDescription::no_renegotiation) == Pair{1, 100});
    CHECK(encode_alert(AlertDescription::unexpected_message) == Pair{2, 10});
    CHECK(encode_alert(AlertDescription::record_overflow) == Pair{2, 22});
    const auto read_back = parse_alert(encode_alert(AlertDescription::illegal_parameter));
    REQUIRE(read_back);
    CHECK(*read_back == Alert{AlertLevel::fatal, AlertDescription::illegal_parameter});
}
