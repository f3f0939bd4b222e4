#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/instant.hpp"
#include "base/secret_buffer.hpp"
#include "base/strong_id.hpp"

namespace keysluice::ike {

// Writing plain values and reading them back with one description of each: `describe(archive, value)` names a type's
// members in the order of the format, and both archives call it.

template <typename T, typename Plain>
concept Like = std::same_as<std::remove_const_t<T>, Plain>;

/// std::optional or Rare.
template <typename T>
concept IsMaybe = requires(T maybe) {
    maybe.has_value();
    maybe.emplace();
};

/// Longest list or text in a snapshot.
inline constexpr std::size_t kMostItems = 1U << 16U;

class ArchiveWriter {
   public:
    /// Most IKE SAs take less: memory that grows is wiped each time.
    static constexpr std::size_t kUsual = 2048;

    ArchiveWriter() { out_.reserve(kUsual); }

    template <typename... Members>
    void operator()(const Members&... members) {
        (put(members), ...);
    }
    [[nodiscard]] SecretBuffer release() && { return std::move(out_); }

   private:
    void number(std::uint64_t value, std::size_t octets) {
        for (std::size_t each = octets; each > 0; --each) {
            out_.push_back(static_cast<std::uint8_t>(value >> (8 * (each - 1))));
        }
    }
    void octets(Bytes bytes) {
        number(bytes.size(), 4);
        out_.insert(out_.end(), bytes.begin(), bytes.end());
    }

    template <typename T>
        requires std::integral<T> || std::is_enum_v<T>
    void put(T value) {
        number(static_cast<std::uint64_t>(value), sizeof(T));
    }
    template <typename Tag, typename Value>
    void put(const StrongId<Tag, Value>& id) {
        put(id.value);
    }
    void put(Instant when) { number(static_cast<std::uint64_t>(when.time_since_epoch().count()), 8); }
    void put(Duration time) { number(static_cast<std::uint64_t>(time.count()), 8); }
    void put(const std::string& text) { octets(as_bytes(text)); }
    template <typename Allocator>
    void put(const std::vector<std::uint8_t, Allocator>& bytes) {
        octets(bytes);
    }
    void put(const IpAddress& address) { octets(address.octets()); }
    template <std::size_t Capacity>
    void put(const Secret<Capacity>& secret) {
        octets(secret.expose());
    }
    template <std::size_t Size>
    void put(const std::array<std::uint8_t, Size>& value) {
        out_.insert(out_.end(), value.begin(), value.end());
    }
    template <typename First, typename Second>
    void put(const std::pair<First, Second>& both) {
        put(both.first);
        put(both.second);
    }
    template <typename Maybe>
        requires IsMaybe<Maybe>
    void put(const Maybe& maybe) {
        put(maybe.has_value());
        if (maybe) {
            put(*maybe);
        }
    }
    template <typename T>
    void put(const std::unique_ptr<T>& maybe) {
        put(maybe != nullptr);
        if (maybe) {
            put(*maybe);
        }
    }
    template <typename List>
        requires requires(List list) { list.emplace_back(); }
    void put(const List& list) {
        number(list.size(), 4);
        for (const auto& each : list) {
            put(each);
        }
    }
    template <typename... Kinds>
    void put(const std::variant<Kinds...>& one) {
        number(one.index(), 1);
        std::visit([&](const auto& each) { put(each); }, one);
    }
    template <typename T>
        requires requires(ArchiveWriter& archive, const T& value) { describe(archive, value); }
    void put(const T& value) {
        describe(*this, value);
    }

    SecretBuffer out_;
};

/// Reads what ArchiveWriter wrote. Anything unexpected marks it as failed; what was read then is not to be believed.
class ArchiveReader {
   public:
    explicit ArchiveReader(Bytes octets) : reader_(octets) {}

    template <typename... Members>
    void operator()(Members&... members) {
        (get(members), ...);
    }
    [[nodiscard]] bool finished() const { return !failed_ && reader_.finished(); }

   private:
    [[nodiscard]] Bytes octets() {
        const auto size = reader_.be<std::uint32_t>();
        return reader_.take(size);
    }

    template <std::integral T>
    void get(T& value) {
        value = static_cast<T>(reader_.be<std::make_unsigned_t<T>>());
    }
    void get(bool& value) { value = reader_.be<std::uint8_t>() != 0; }
    template <typename T>
        requires std::is_enum_v<T>
    void get(T& value) {
        std::underlying_type_t<T> number{};
        get(number);
        value = static_cast<T>(number);
    }
    template <typename Tag, typename Value>
    void get(StrongId<Tag, Value>& id) {
        get(id.value);
    }
    void get(Instant& when) { when = Instant(Duration(static_cast<std::int64_t>(reader_.be<std::uint64_t>()))); }
    void get(Duration& time) { time = Duration(static_cast<std::int64_t>(reader_.be<std::uint64_t>())); }
    void get(std::string& text) { text = as_text(octets()); }
    template <typename Allocator>
    void get(std::vector<std::uint8_t, Allocator>& bytes) {
        const Bytes read = octets();
        failed_ |= read.size() > kMostItems;
        bytes.assign(read.begin(), read.end());
    }
    void get(IpAddress& address) {
        const auto read = IpAddress::from_octets(octets());
        failed_ |= !read;
        address = read.value_or(IpAddress{});
    }
    template <std::size_t Capacity>
    void get(Secret<Capacity>& secret) {
        const Bytes read = octets();
        failed_ |= read.size() > Capacity;
        secret = Secret<Capacity>(read);
    }
    template <std::size_t Size>
    void get(std::array<std::uint8_t, Size>& value) {
        std::ranges::copy(reader_.take(Size), value.begin());
    }
    template <typename First, typename Second>
    void get(std::pair<First, Second>& both) {
        get(both.first);
        get(both.second);
    }
    template <typename Maybe>
        requires IsMaybe<Maybe>
    void get(Maybe& maybe) {
        bool there = false;
        get(there);
        if (there) {
            get(maybe.emplace());
        }
    }
    template <typename T>
    void get(std::unique_ptr<T>& maybe) {
        bool there = false;
        get(there);
        if (there) {
            maybe = std::make_unique<T>();
            get(*maybe);
        }
    }
    template <typename List>
        requires requires(List list) { list.emplace_back(); }
    void get(List& list) {
        const auto size = reader_.be<std::uint32_t>();
        failed_ |= size > kMostItems;
        for (std::uint32_t each = 0; each < size && !failed_ && reader_.ok(); ++each) {
            get(list.emplace_back());
        }
    }
    template <typename... Kinds>
    void get(std::variant<Kinds...>& one) {
        const auto index = reader_.be<std::uint8_t>();
        failed_ |= index >= sizeof...(Kinds);
        std::size_t kind = 0;
        const auto read_if = [&]<typename Kind>(std::type_identity<Kind>) {
            if (kind++ == index) {
                get(one.template emplace<Kind>());
            }
        };
        (read_if(std::type_identity<Kinds>{}), ...);
    }
    template <typename T>
        requires requires(ArchiveReader& archive, T& value) { describe(archive, value); }
    void get(T& value) {
        describe(*this, value);
    }

    Reader reader_;
    bool failed_ = false;
};

}  // namespace keysluice::ike
