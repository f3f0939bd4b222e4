#include "tls/server_name.hpp"

#include <algorithm>

namespace keysluice::tls {

namespace {

constexpr std::size_t kLongestName = 253;
constexpr std::string_view kWildcard = "*.";

}  // namespace

bool is_dns_name(std::string_view name) {
    const auto belongs = [](char letter) {
        return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
               (letter >= '0' && letter <= '9') || letter == '-' || letter == '_' || letter == '.';
    };
    return !name.empty() && name.size() <= kLongestName && std::ranges::all_of(name, belongs) &&
           !name.starts_with('.') && !name.ends_with('.') && !name.contains("..");
}

bool is_name_pattern(std::string_view pattern) {
    return is_dns_name(pattern.starts_with(kWildcard) ? pattern.substr(kWildcard.size()) : pattern);
}

std::string lower_case(std::string_view name) {
    std::string lower(name);
    for (char& letter : lower) {
        letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + ('a' - 'A')) : letter;
    }
    return lower;
}

std::string wildcard_for(std::string_view name) {
    const std::size_t dot = name.find('.');
    return dot == std::string_view::npos || dot == 0 ? std::string() : "*" + std::string(name.substr(dot));
}

bool fits(std::string_view pattern, std::string_view name) {
    return pattern == name || (pattern.starts_with(kWildcard) && pattern == wildcard_for(name));
}

}  // namespace keysluice::tls
