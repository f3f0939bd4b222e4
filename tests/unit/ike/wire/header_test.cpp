#include "ike/wire/header.hpp"

#include "tests/unit/ike/wire/octets.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::wire;

namespace {

const char* const kRequest =
    "0102030405060708 1112131415161718"
    "2e 20 24 08"  // SK, version 2.0, CREATE_CHILD_SA, from the initiator
    "01020304 0000001c";

}  // namespace

TEST_CASE("a header is read field by field") {
    const auto framed = parse_header(hex(kRequest));
    REQUIRE(framed);
    CHECK(framed->header.initiator_spi == IkeSpi{0x0102030405060708});
    CHECK(framed->header.responder_spi == IkeSpi{0x1112131415161718});
    CHECK(framed->first == PayloadType::encrypted);
    CHECK(framed->header.major_version == 2);
    CHECK(framed->header.exchange == ExchangeType::create_child_sa);
    CHECK(framed->header.from_initiator);
    CHECK_FALSE(framed->header.is_response);
    CHECK(framed->header.message_id == MessageId{0x01020304});
    CHECK(framed->length == 28);
}

TEST_CASE("each flag is in its place, and the others mean nothing") {
    for (unsigned flags = 0; flags < 256; ++flags) {
        Octets message = hex(kRequest);
        message[19] = static_cast<std::uint8_t>(flags);
        const auto framed = parse_header(message);
        REQUIRE(framed);
        CHECK(framed->header.from_initiator == ((flags & 0x08U) != 0));
        CHECK(framed->header.is_response == ((flags & 0x20U) != 0));
    }
}

TEST_CASE("the minor version is ignored, the major one is read") {
    for (unsigned version = 0; version < 256; ++version) {
        Octets message = hex(kRequest);
        message[17] = static_cast<std::uint8_t>(version);
        const auto framed = parse_header(message);
        REQUIRE(framed);
        CHECK(framed->header.major_version == version / 16);
    }
}

TEST_CASE("a header is emitted as it was read") {
    for (const char* flags : {"00", "08", "20", "28"}) {
        Octets message = hex(kRequest);
        message[19] = hex(flags).front();
        Writer writer;
        emit_header(*parse_header(message), writer);
        CHECK(std::ranges::equal(writer.view(), message));
    }
}

TEST_CASE("what is shorter than a header is none") {
    const Octets message = hex(kRequest);
    for (std::size_t size = 0; size < message.size(); ++size) {
        const auto framed = parse_header(Bytes(message).first(size));
        REQUIRE_FALSE(framed);
        CHECK(framed.error().reason == "ike-malformed");
        CHECK(framed.error().sentence.contains(std::to_string(size) + " octets"));
    }
    CHECK(parse_header(joined({message, {1, 2, 3}})));
}

TEST_CASE("exchanges and payloads have names, and numbers where they have none") {
    CHECK(name_of(ExchangeType::ike_sa_init) == "IKE_SA_INIT");
    CHECK(name_of(ExchangeType::ike_auth) == "IKE_AUTH");
    CHECK(name_of(ExchangeType::create_child_sa) == "CREATE_CHILD_SA");
    CHECK(name_of(ExchangeType::informational) == "INFORMATIONAL");
    CHECK(name_of(static_cast<ExchangeType>(43)) == "exchange 43");
    CHECK(name_of(PayloadType::id_responder) == "IDr");
    CHECK(name_of(PayloadType::encrypted_fragment) == "SKF");
    CHECK(name_of(static_cast<PayloadType>(200)) == "payload 200");
}
