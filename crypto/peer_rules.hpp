#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "crypto/openssl.hpp"

namespace keysluice::crypto {

/// "*" stands for any number of characters but for one of `never`.
struct Pattern {
    std::string text;
    std::string_view never = {};  ///< a literal
    bool ignore_case = false;

    [[nodiscard]] bool matches(std::string_view value) const;
    bool operator==(const Pattern&) const = default;
};

/// "CN=*,O=Shop": what a subject must have, in any order and beside anything else. RFC 4514's backslash in front of a
/// comma, a backslash or "=" of a value. Values are compared as they stand in the certificate, letter by letter.
struct SubjectRule {
    struct Attribute {
        int nid = 0;  ///< of OpenSSL
        Pattern value;
        bool operator==(const Attribute&) const = default;
    };
    std::vector<Attribute> attributes;
    bool operator==(const SubjectRule&) const = default;
};

/// What one subjectAltName must be: "dns:*.shop.example" (a "*" is within one label), "email:*@shop.example" (within
/// the part before or behind the "@"), "uri:spiffe://shop.example/*", "ip:192.0.2.7".
struct NameRule {
    enum class Kind : std::uint8_t { dns, email, uri, ip };
    Kind kind = Kind::dns;
    Pattern pattern;
    bool operator==(const NameRule&) const = default;
};

/// SHA-256 of the Subject Public Key Info: "sha256:" and 64 hexadecimal digits.
using KeyPin = std::array<std::uint8_t, 32>;

/// Whose certificate is welcome, beyond being verified. Of each list that is not empty, it must be like one entry.
struct PeerRules {
    std::vector<SubjectRule> subjects;
    std::vector<NameRule> names;
    std::vector<KeyPin> keys;

    [[nodiscard]] bool empty() const { return subjects.empty() && names.empty() && keys.empty(); }
    bool operator==(const PeerRules&) const = default;
};

/// All three: "peer-rule-malformed".
[[nodiscard]] Result<SubjectRule> parse_subject_rule(std::string_view text);
[[nodiscard]] Result<NameRule> parse_name_rule(std::string_view text);
[[nodiscard]] Result<KeyPin> parse_key_pin(std::string_view text);

/// What the rules have against a certificate, as the rest of a sentence; nothing: it is welcome.
[[nodiscard]] std::optional<std::string> objection(const PeerRules& rules, const X509& certificate);

}  // namespace keysluice::crypto
