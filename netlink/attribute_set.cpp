#include "netlink/attribute_set.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace keysluice::netlink {

Result<AttributeSet> AttributeSet::parse(Bytes attributes, std::span<const AttributeRule> rules,
                                         std::string_view what) {
    AttributeSet set;
    while (const auto attribute = next_attribute(attributes)) {
        const auto rule = std::ranges::find(rules, attribute->type, &AttributeRule::type);
        if (rule == rules.end()) {
            continue;
        }
        if (attribute->payload.size() < rule->minimum) {
            return fail("netlink-malformed",
                        fmt::format("attribute {} of {} has {} bytes, expected at least {}", attribute->type, what,
                                    attribute->payload.size(), rule->minimum));
        }
        set.attributes_.push_back(*attribute);
    }
    if (!attributes.empty()) {
        return fail("netlink-malformed",
                    fmt::format("{} ends with {} bytes that are no attribute", what, attributes.size()));
    }
    return set;
}

std::optional<Bytes> AttributeSet::find(std::uint16_t type) const {
    for (auto attribute = attributes_.rbegin(); attribute != attributes_.rend(); ++attribute) {
        if (attribute->type == type) {
            return attribute->payload;
        }
    }
    return std::nullopt;
}

}  // namespace keysluice::netlink
