#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace keysluice::netlink {

/// Where the next structure of a netlink message starts: a multiple of four (NLMSG_ALIGN, NLA_ALIGN).
[[nodiscard]] constexpr std::size_t aligned(std::size_t size) {
    return (size + 3U) & ~std::size_t{3};
}

/// What is left behind the first `size` bytes and the padding that aligns them, which the last one may lack.
[[nodiscard]] Bytes behind(Bytes bytes, std::size_t size);

struct Attribute {
    /// Without the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER.
    std::uint16_t type;
    /// Attributes again, where the attribute is a nest.
    Bytes payload;
};

/// Takes the next attribute off `rest`. Nothing at the end, and nothing where its length lies: then bytes are left.
[[nodiscard]] std::optional<Attribute> next_attribute(Bytes& rest);

}  // namespace keysluice::netlink
