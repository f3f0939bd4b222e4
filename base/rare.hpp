#pragma once

#include <cassert>
#include <memory>
#include <utility>

namespace keysluice {

/// A std::optional for what most objects lack most of the time: it lives in memory of its own, and its absence costs
/// a pointer.
template <typename T>
class Rare {
   public:
    Rare() = default;
    Rare(T value) : value_(std::make_unique<T>(std::move(value))) {}

    [[nodiscard]] bool has_value() const { return value_ != nullptr; }
    explicit operator bool() const { return has_value(); }

    [[nodiscard]] T& operator*() & {
        assert(value_);
        return *value_;
    }
    [[nodiscard]] const T& operator*() const& {
        assert(value_);
        return *value_;
    }
    [[nodiscard]] T&& operator*() && {
        assert(value_);
        return std::move(*value_);
    }
    [[nodiscard]] T* operator->() {
        assert(value_);
        return value_.get();
    }
    [[nodiscard]] const T* operator->() const {
        assert(value_);
        return value_.get();
    }

    T& emplace() {
        value_ = std::make_unique<T>();
        return *value_;
    }
    void reset() { value_.reset(); }

   private:
    std::unique_ptr<T> value_;
};

}  // namespace keysluice
