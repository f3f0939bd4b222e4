#include "netlink/attribute.hpp"

#include <algorithm>
#include <cstring>

namespace keysluice::netlink {

Bytes behind(Bytes bytes, std::size_t size) {
    return bytes.subspan(std::min(aligned(size), bytes.size()));
}

std::optional<Attribute> next_attribute(Bytes& rest) {
    nlattr header{};
    if (rest.size() < sizeof(header)) {
        return std::nullopt;
    }
    std::memcpy(&header, rest.data(), sizeof(header));
    if (header.nla_len < sizeof(header) || header.nla_len > rest.size()) {
        return std::nullopt;
    }
    const auto type = static_cast<std::uint16_t>(header.nla_type & ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER));
    const Attribute attribute{type, rest.first(header.nla_len).subspan(sizeof(header))};
    rest = behind(rest, header.nla_len);
    return attribute;
}

}  // namespace keysluice::netlink
