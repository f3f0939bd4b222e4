#include "tls/hello.hpp"

#include <doctest/doctest.h>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::tls;
using testing::from_hex;

namespace {

std::vector<std::uint8_t> server_hello(std::string_view extensions, std::size_t session_id = 0) {
    Writer writer;
    writer.raw(from_hex("02000000 0303")).raw(std::vector<std::uint8_t>(32, 0xaa));
    writer.prefixed<std::uint8_t>(std::vector<std::uint8_t>(session_id, 0x17)).raw(from_hex("c02b 00"));
    writer.prefixed<std::uint16_t>(from_hex(extensions));
    return std::move(writer).release();
}

}  // namespace

TEST_CASE("a host name is taken out of the extension, whole or not at all") {
    CHECK(server_name_in(from_hex("0004 00 0001 61")) == "a");
    CHECK(server_name_in(from_hex("0007 00 0004 612e6263")) == "a.bc");
    for (const auto* bad : {"", "0000", "0004 01 0001 61", "0005 00 0001 61", "0004 00 0002 61", "0004 00 0001 61 00",
                            "0008 00 0001 61 00 0001 62", "0004 00 0000 61"}) {
        CAPTURE(bad);
        CHECK(server_name_in(from_hex(bad)).empty());
    }
}

TEST_CASE("TLS 1.3 is found anywhere in supported_versions") {
    CHECK(offers_tls13(from_hex("02 0304")));
    CHECK(offers_tls13(from_hex("06 1a1a 0304 0303")));
    CHECK(offers_tls13(from_hex("04 0303 0304")));
    CHECK(!offers_tls13(from_hex("02 0303")));
    CHECK(!offers_tls13(from_hex("04 0303 0302")));
}

TEST_CASE("a broken supported_versions offers nothing") {
    for (const std::string_view broken : {"", "00", "04 0304", "01 03", "03 030304", "02 03"}) {
        CAPTURE(broken);
        CHECK(!offers_tls13(from_hex(broken)));
    }
}

TEST_CASE("the extended master secret is found among other extensions") {
    CHECK(has_extended_master_secret(server_hello("0017 0000")));
    CHECK(has_extended_master_secret(server_hello("ff01 0001 00 0017 0000", 32)));
    CHECK(has_extended_master_secret(server_hello("0017 0000 000b 0002 0100")));
    CHECK(!has_extended_master_secret(server_hello("")));
    CHECK(!has_extended_master_secret(server_hello("ff01 0001 00 0023 0000", 32)));
    // 0017 as the contents of another extension does not count.
    CHECK(!has_extended_master_secret(server_hello("0010 0004 0017 0000")));
}

TEST_CASE("a ServerHello without extensions, or cut anywhere, carries nothing") {
    const auto whole = server_hello("0017 0000");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CAPTURE(size);
        CHECK(!has_extended_master_secret(Bytes{whole}.first(size)));
    }
    CHECK(!has_extended_master_secret(server_hello("0017 0004 00")));
}
