#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace keysluice {

/// A number that is not interchangeable with other numbers: `using SlotIndex = StrongId<struct SlotTag, uint32_t>`.
template <typename Tag, typename Value>
struct StrongId {
    Value value{};

    auto operator<=>(const StrongId&) const = default;
};

}  // namespace keysluice

template <typename Tag, typename Value>
struct std::hash<keysluice::StrongId<Tag, Value>> {
    std::size_t operator()(const keysluice::StrongId<Tag, Value>& id) const noexcept {
        return std::hash<Value>{}(id.value);
    }
};
