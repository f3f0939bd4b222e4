#include "daemon/engine/origin.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "crypto/digest.hpp"

namespace keysluice {

namespace {

/// RFC 6052 2.1: "the Well-Known Prefix", 64:ff9b::/96, behind which all IPv4 clients of a translator stand.
constexpr std::array<std::uint8_t, 12> kNat64{0x00, 0x64, 0xff, 0x9b};

std::uint64_t number_of(Bytes address) {
    const crypto::Sha256 digest = crypto::sha256(address);
    return std::max<std::uint64_t>(Reader(digest).be<std::uint64_t>(), 1);
}

}  // namespace

std::uint64_t origin_of(const SocketAddress& client) {
    constexpr std::size_t kNetwork = 8;
    constexpr std::size_t kMappedIpv4 = 12;
    if (client.family() == AF_INET) {
        const auto& address = reinterpret_cast<const sockaddr_in&>(client.storage).sin_addr;
        return number_of({reinterpret_cast<const std::uint8_t*>(&address), sizeof(address)});
    }
    if (client.family() == AF_INET6) {
        const in6_addr& address = reinterpret_cast<const sockaddr_in6&>(client.storage).sin6_addr;
        const Bytes octets(static_cast<const std::uint8_t*>(address.s6_addr), sizeof(address.s6_addr));
        const bool holds_ipv4 =
            IN6_IS_ADDR_V4MAPPED(&address) || std::ranges::equal(octets.first(kMappedIpv4), kNat64);
        return number_of(holds_ipv4 ? octets.subspan(kMappedIpv4) : octets.first(kNetwork));
    }
    return 0;
}

}  // namespace keysluice
