#include "daemon/control/named_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/hex.hpp"
#include "base/suggestion.hpp"
#include "crypto/scrypt.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::control {
namespace {

constexpr std::string_view kBeginning = "keysluice-key 1 ";
constexpr std::size_t kLongestName = 64;
constexpr unsigned int kFingerprintCost = 14;

/// In the order of KeyKind.
constexpr std::array<std::string_view, 7> kNames{"hmac-sha1", "hmac-sha-256", "hmac-sha-512", "aes-128",
                                                 "aes-256",   "aes-gcm-128",  "aes-gcm-256"};
constexpr std::array<std::size_t, kNames.size()> kOctets{20, 32, 64, 16, 32, 20, 36};

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

std::string_view name_of(KeyKind kind) {
    return kNames.at(static_cast<std::size_t>(kind));
}

std::optional<KeyKind> key_kind(std::string_view name) {
    const auto* const found = std::ranges::find(kNames, name);
    return found == kNames.end() ? std::nullopt : std::optional(static_cast<KeyKind>(found - kNames.begin()));
}

std::size_t octets_of(KeyKind kind) {
    return kOctets.at(static_cast<std::size_t>(kind));
}

std::span<const std::string_view> key_kind_names() {
    return kNames;
}

Result<void> check_key_name(std::string_view name) {
    const auto allowed = [](char c) { return is_letter_or_digit(c) || c == '_' || c == '.' || c == '-'; };
    if (name.empty() || name.size() > kLongestName || !is_letter_or_digit(name.front()) ||
        !std::ranges::all_of(name, allowed)) {
        return fail("bad-name", fmt::format("{} is no name of a key: expected 1 to {} letters, digits, \"_\", \".\" "
                                            "and \"-\", a letter or a digit first",
                                            in_quotes(name), kLongestName));
    }
    return {};
}

Result<KeyValue> key_of_digits(KeyKind kind, Bytes digits) {
    std::string_view text = as_text(digits);
    if (text.starts_with("0x") || text.starts_with("0X")) {
        text.remove_prefix(2);
    }
    if (!std::ranges::all_of(text, [](char each) { return hex_digit(each) < 16; })) {
        return fail("key-malformed", "expected a key in hexadecimal, got something with other characters in it");
    }
    const std::size_t expected = octets_of(kind);
    KeyValue value;
    if (!read_hex(text, value.writable(expected))) {
        return fail("key-size",
                    fmt::format("a key of the kind {} has {} octets, that is {} hexadecimal digits; {} digits came{}",
                                name_of(kind), expected, 2 * expected, text.size(),
                                text.size() % 2 == 0 ? fmt::format(" (octets: {})", text.size() / 2) : ""));
    }
    return value;
}

Result<KeyValue> key_of_text(KeyKind kind, Bytes text) {
    if (!std::ranges::all_of(text, [](std::uint8_t each) { return each >= ' ' && each <= '~'; })) {
        return fail("key-malformed",
                    "a key as text has printable ASCII characters alone, since others are other octets "
                    "elsewhere: define it in hexadecimal");
    }
    if (text.size() != octets_of(kind)) {
        return fail("key-size",
                    fmt::format("a key of the kind {0} has {1} octets, and as text exactly {1} characters; "
                                "{2} came",
                                name_of(kind), octets_of(kind), text.size()));
    }
    return KeyValue(text);
}

Result<NamedKey> parse_named_key(std::string_view name, Bytes text) {
    if (auto good = check_key_name(name); !good) {
        return pass_on(std::move(good));
    }
    std::string_view rest = as_text(text);
    const auto end = rest.find('\n');
    if (!rest.starts_with(kBeginning) || end == std::string_view::npos) {
        return fail("key-malformed",
                    "expected a line \"keysluice-key 1 KIND\" and below it the key in hexadecimal (what "
                    "stands there is not repeated here, it could be the key itself)");
    }
    const auto kind = key_kind(rest.substr(kBeginning.size(), end - kBeginning.size()));
    if (!kind) {
        return fail("key-kind", fmt::format("the first line names none of the kinds {}", alternatives(kNames)));
    }
    rest.remove_prefix(end + 1);
    if (rest.ends_with('\n')) {
        rest.remove_suffix(1);
    }
    auto value = key_of_digits(*kind, as_bytes(rest));
    if (!value) {
        return pass_on(std::move(value));
    }
    return NamedKey{std::string(name), *kind, std::move(*value)};
}

SecretBuffer write_named_key(const NamedKey& key) {
    SecretBuffer text;
    const auto append = [&text](std::string_view part) { text.insert(text.end(), part.begin(), part.end()); };
    append(kBeginning);
    append(name_of(key.kind));
    append("\n");
    append_hex(text, key.value.expose());
    append("\n");
    return text;
}

std::string fingerprint(const NamedKey& key) {
    const std::string salt = fmt::format("keysluice-key fingerprint 1 {}", name_of(key.kind));
    std::array<std::uint8_t, 4> digits{};
    if (!crypto::scrypt(key.value.expose(), as_bytes(salt), kFingerprintCost, digits)) {
        return {};
    }
    return fmt::format("{:08x}", Reader(digits).be<std::uint32_t>());
}

}  // namespace keysluice::control
