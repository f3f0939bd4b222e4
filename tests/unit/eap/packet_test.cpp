#include "eap/packet.hpp"

#include <doctest/doctest.h>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::eap;
using keysluice::testing::from_hex;
using keysluice::testing::to_hex;

TEST_SUITE("eap: packets") {
    TEST_CASE("what is written is read back") {
        const Packet identity{Code::response, 7, Type::identity, {'a', 'b'}};
        CHECK(to_hex(emit(identity)) == "02070007016162");
        CHECK(parse(emit(identity)) == identity);
        const Packet success{Code::success, 9};
        CHECK(to_hex(emit(success)) == "03090004");
        CHECK(parse(emit(success)) == success);
        const Packet unknown{Code::request, 0, static_cast<Type>(200), {1, 2, 3}};
        CHECK(parse(emit(unknown)) == unknown);
        CHECK(name_of(unknown.type) == "type 200");
    }

    TEST_CASE("what is none is refused") {
        for (const char* octets : {"", "01", "010100", "01010004", "0101000601", "0101000401", "0001000501",
                                   "0501000501", "0301000500", "03010005", "020100050102"}) {
            CAPTURE(octets);
            const auto packet = parse(from_hex(octets));
            REQUIRE_FALSE(packet);
            CHECK(packet.error().reason == "eap-malformed");
        }
    }
}
