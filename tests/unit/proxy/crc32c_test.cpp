#include "proxy/crc32c.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

using namespace keysluice;
using keysluice::proxy::crc32c;

TEST_CASE("CRC32C of RFC 3720 B.4's examples") {
    std::vector<std::uint8_t> octets(32, 0);
    CHECK(crc32c(octets) == 0x8a9136aa);
    octets.assign(32, 0xff);
    CHECK(crc32c(octets) == 0x62a8ab43);
    std::iota(octets.begin(), octets.end(), std::uint8_t{0});
    CHECK(crc32c(octets) == 0x46dd794e);
    CHECK(crc32c(as_bytes("123456789")) == 0xe3069283);
    CHECK(crc32c({}) == 0);
}
