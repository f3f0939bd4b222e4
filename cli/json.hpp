#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace keysluice::cli {

/// A JSON value as its text. Objects keep the order in which their members are named:
///
///     Json::object({{"version", 1}, {"names", Json::array(names)}}).text()
class Json {
   public:
    struct Member;

    Json(std::nullptr_t) : text_("null") {}                 // NOLINT(google-explicit-constructor)
    Json(std::string_view text) : text_(quoted(text)) {}    // NOLINT(google-explicit-constructor)
    Json(const std::string& text) : text_(quoted(text)) {}  // NOLINT(google-explicit-constructor)
    Json(const char* text) : text_(quoted(text)) {}         // NOLINT(google-explicit-constructor)
    Json(bool value) : text_(value ? "true" : "false") {}   // NOLINT(google-explicit-constructor)
    template <std::integral T>
    Json(T value) : text_(std::to_string(value)) {}  // NOLINT(google-explicit-constructor)
    template <std::integral T>
    Json(const std::optional<T>& value)  // NOLINT(google-explicit-constructor)
        : text_(value ? std::to_string(*value) : "null") {}

    [[nodiscard]] static Json object(std::initializer_list<Member> members);
    [[nodiscard]] static Json object(std::span<const Member> members);
    [[nodiscard]] static Json array(const std::vector<Json>& values);
    template <typename Values, typename Function>
    [[nodiscard]] static Json array(const Values& values, Function to_json) {
        std::vector<Json> list;
        std::ranges::transform(values, std::back_inserter(list), to_json);
        return array(list);
    }
    [[nodiscard]] static Json array(const std::vector<std::string>& texts) {
        return array(texts, [](const std::string& text) { return Json(text); });
    }

    [[nodiscard]] const std::string& text() const { return text_; }

   private:
    Json() = default;
    static std::string quoted(std::string_view text);

    std::string text_;
};

struct Json::Member {
    std::string_view key;
    Json value;
};

/// A whole document of a command: `members`, with the schema's version in front of them, and a line feed.
[[nodiscard]] std::string document(std::initializer_list<Json::Member> members);

}  // namespace keysluice::cli
