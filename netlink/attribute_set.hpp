#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.hpp"
#include "netlink/attribute.hpp"

namespace keysluice::netlink {

/// An attribute that somebody wants to read, and the least number of bytes that it must have (at least 1).
struct AttributeRule {
    std::uint16_t type;
    std::size_t minimum;
};

/// The attributes of one message, checked once against a table: reading them can't fail any more.
class AttributeSet {
   public:
    /// Fails with "netlink-malformed" where an attribute of the table is too short, or where a length lies.
    /// Attributes that the table does not name are passed over; of two of one type the later one counts, as it does
    /// for the kernel. `what` names the message in the sentence.
    [[nodiscard]] static Result<AttributeSet> parse(Bytes attributes, std::span<const AttributeRule> rules,
                                                    std::string_view what);

    /// Its payload, or nothing.
    [[nodiscard]] std::optional<Bytes> find(std::uint16_t type) const;
    /// The structure that it starts with. The table must have promised its size.
    template <typename Struct>
        requires std::is_trivially_copyable_v<Struct>
    [[nodiscard]] std::optional<Struct> get(std::uint16_t type) const {
        const auto payload = find(type);
        if (!payload || payload->size() < sizeof(Struct)) {
            return std::nullopt;
        }
        Struct value{};
        std::memcpy(&value, payload->data(), sizeof(value));
        return value;
    }

   private:
    std::vector<Attribute> attributes_;
};

}  // namespace keysluice::netlink
