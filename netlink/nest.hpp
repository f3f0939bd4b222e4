#pragma once

#include <linux/netlink.h>

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "netlink/request.hpp"

namespace keysluice::netlink {

/// With its terminator, as nfnetlink has texts.
[[nodiscard]] inline Bytes text_of(const std::string& value) {
    return {reinterpret_cast<const std::uint8_t*>(value.c_str()), value.size() + 1};
}

/// Attributes for inside of an attribute. Numbers are in network byte order, as nfnetlink has them.
class Nest {
   public:
    Nest& put(std::uint16_t type, Bytes payload) {
        const nlattr header{.nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + payload.size()), .nla_type = type};
        const Bytes head = bytes_of(header);
        bytes_.insert(bytes_.end(), head.begin(), head.end());
        bytes_.insert(bytes_.end(), payload.begin(), payload.end());
        bytes_.resize(aligned(bytes_.size()));
        return *this;
    }
    Nest& put(std::uint16_t type, std::string_view value) { return put(type, text_of(std::string(value))); }
    Nest& put(std::uint16_t type, const Nest& nest) {
        return put(static_cast<std::uint16_t>(type | NLA_F_NESTED), nest.view());
    }
    template <std::unsigned_integral T>
    Nest& number(std::uint16_t type, T value) {
        return put(type, Writer().be(value).view());
    }
    [[nodiscard]] Bytes view() const { return bytes_; }

   private:
    std::vector<std::uint8_t> bytes_;
};

inline void put(Request& request, std::uint16_t type, const Nest& nest) {
    request.attribute(static_cast<std::uint16_t>(type | NLA_F_NESTED), nest.view());
}

inline void put(Request& request, std::uint16_t type, std::string_view value) {
    request.attribute(type, text_of(std::string(value)));
}

template <std::unsigned_integral T>
void put_number(Request& request, std::uint16_t type, T value) {
    request.attribute(type, Writer().be(value).view());
}

}  // namespace keysluice::netlink
