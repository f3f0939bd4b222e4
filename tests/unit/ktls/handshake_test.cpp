#include "ktls/handshake.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <vector>

using namespace keysluice;
using namespace keysluice::ktls;

namespace {

using Record = std::vector<std::uint8_t>;
using Messages = std::vector<HandshakeMessage>;

/// One handshake message: type, 24-bit length, body.
Record message(std::uint8_t type, const Record& body) {
    Writer writer;
    writer.be(type).be(static_cast<std::uint8_t>(body.size() >> 16U)).be(static_cast<std::uint16_t>(body.size()));
    return std::move(writer.raw(body)).release();
}

Record joined(std::initializer_list<Record> parts) {
    Record all;
    for (const Record& part : parts) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

Messages read_all(Version version, Bytes record) {
    HandshakeMessages messages{version, record};
    Messages seen;
    while (auto next = messages.next()) {
        seen.push_back(*std::move(next));
    }
    return seen;
}

/// The alert and the reason of a record whose last message breaks a rule.
struct Broken {
    AlertDescription alert;
    std::string_view reason;
    bool operator==(const Broken&) const = default;
};
Broken broken(Version version, Bytes record) {
    const Messages seen = read_all(version, record);
    REQUIRE_FALSE(seen.empty());
    const auto* violation = std::get_if<Violation>(&seen.back());
    REQUIRE(violation != nullptr);
    CHECK_FALSE(violation->sentence.empty());
    return {violation->alert, violation->reason};
}

const Record kTicket = message(4, Record(200, 0x55));
const Record kUpdate = message(24, {0});
const Record kUpdateRequested = message(24, {1});

}  // namespace

TEST_CASE("what a server or client may say after the handshake") {
    const auto one = [](Version version, const Record& record) {
        const Messages seen = read_all(version, record);
        REQUIRE(seen.size() == 1);
        return seen.front();
    };
    CHECK(one(Version::tls13, kTicket) == HandshakeMessage{NewSessionTicket{}});
    CHECK(one(Version::tls13, kUpdate) == HandshakeMessage{KeyUpdate{false}});
    CHECK(one(Version::tls13, kUpdateRequested) == HandshakeMessage{KeyUpdate{true}});
    CHECK(one(Version::tls13, message(13, {0, 0, 0})) == HandshakeMessage{CertificateRequest{}});
    CHECK(one(Version::tls12, message(0, {})) == HandshakeMessage{Renegotiation{}});
    CHECK(one(Version::tls12, message(1, Record(80))) == HandshakeMessage{Renegotiation{}});
    CHECK(one(Version::tls12, message(20, Record(12))) == HandshakeMessage{OtherMessage{20}});
    CHECK(one(Version::tls13, message(254, {})) == HandshakeMessage{OtherMessage{254}});
    // TLS 1.2 has no KeyUpdate, so that nobody may act on one.
    CHECK(one(Version::tls12, kUpdate) == HandshakeMessage{OtherMessage{24}});
}

TEST_CASE("all messages of a record are found: a KeyUpdate behind tickets too") {
    const Record record = joined({kTicket, kTicket, kUpdateRequested});
    CHECK(read_all(Version::tls13, record) == Messages{NewSessionTicket{}, NewSessionTicket{}, KeyUpdate{true}});
}

TEST_CASE("a message that goes on in the next record") {
    const Record whole = joined({kUpdate, kTicket});
    SUBCASE("is incomplete with what was seen, and complete with the rest") {
        const Record first(kTicket.begin(), kTicket.begin() + 50);
        HandshakeMessages messages{Version::tls13, first};
        CHECK(messages.next() == HandshakeMessage{Incomplete{4, kTicket.size() - 50}});
        CHECK(messages.rest().size() == 50);
        CHECK_FALSE(messages.next());
        CHECK(read_all(Version::tls13, kTicket) == Messages{NewSessionTicket{}});
    }
    SUBCASE("may be cut inside its header") {
        const Record first(kTicket.begin(), kTicket.begin() + 3);
        CHECK(read_all(Version::tls13, first) == Messages{Incomplete{4, 1}});
    }
    SUBCASE("comes behind whole ones") {
        const Record first = joined({kTicket, Record(kTicket.begin(), kTicket.end() - 1)});
        CHECK(read_all(Version::tls13, first) == Messages{NewSessionTicket{}, Incomplete{4, 1}});
    }
    SUBCASE("may announce 16 MiB, and nothing is kept for it") {
        CHECK(read_all(Version::tls13, Record{4, 0xff, 0xff, 0xff, 0x00}) == Messages{Incomplete{4, 0xfffffe}});
    }
}

TEST_CASE("broken rules get the alert that the RFC names") {
    CHECK(broken(Version::tls13, {}) == Broken{AlertDescription::unexpected_message, "empty-handshake-record"});
    CHECK(broken(Version::tls12, {}) == Broken{AlertDescription::unexpected_message, "empty-handshake-record"});
    CHECK(broken(Version::tls13, message(24, {2})) ==
          Broken{AlertDescription::illegal_parameter, "malformed-key-update"});
    CHECK(broken(Version::tls13, message(24, {})) == Broken{AlertDescription::decode_error, "malformed-key-update"});
    CHECK(broken(Version::tls13, message(24, {0, 0})) ==
          Broken{AlertDescription::decode_error, "malformed-key-update"});
    CHECK(broken(Version::tls12, message(0, {1})) ==
          Broken{AlertDescription::decode_error, "malformed-hello-request"});
    CHECK(broken(Version::tls13, joined({kUpdate, kTicket})) ==
          Broken{AlertDescription::unexpected_message, "message-after-key-update"});
    CHECK(broken(Version::tls13, joined({kUpdate, Record{4}})) ==
          Broken{AlertDescription::unexpected_message, "message-after-key-update"});
}

TEST_CASE("a violation ends the iteration") {
    const Record record = joined({message(24, {7}), kTicket});
    CHECK(read_all(Version::tls13, record).size() == 1);
}
