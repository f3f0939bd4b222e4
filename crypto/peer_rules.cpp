#include "crypto/peer_rules.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include "base/address.hpp"
#include "crypto/certificate.hpp"

namespace keysluice::crypto {
namespace {

struct FreeNames {
    void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

std::unexpected<Error> malformed(std::string sentence) {
    return std::unexpected(Error{"peer-rule-malformed", std::move(sentence)});
}

/// Up to the first of `ends` that no backslash precedes; that is what stays in front of `text` then.
std::optional<std::string> take_until(std::string_view& text, std::string_view ends) {
    std::string taken;
    while (!text.empty() && !ends.contains(text.front())) {
        if (text.front() == '\\') {
            text.remove_prefix(1);
            if (text.empty()) {
                return std::nullopt;
            }
        }
        taken += text.front();
        text.remove_prefix(1);
    }
    return taken;
}

/// The value as UTF-8; nothing where it is no text, or one with a zero octet.
std::optional<std::string> text_of(const ASN1_STRING* value) {
    unsigned char* octets = nullptr;
    const int size = ASN1_STRING_to_UTF8(&octets, value);
    if (size < 0) {
        ERR_clear_error();
        return std::nullopt;
    }
    std::string text(reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size));
    OPENSSL_free(octets);
    return text.contains('\0') ? std::nullopt : std::optional(std::move(text));
}

bool has(const X509_NAME* subject, const SubjectRule::Attribute& wanted) {
    for (int place = X509_NAME_get_index_by_NID(subject, wanted.nid, -1); place >= 0;
         place = X509_NAME_get_index_by_NID(subject, wanted.nid, place)) {
        const auto value = text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)));
        if (value && wanted.value.matches(*value)) {
            return true;
        }
    }
    return false;
}

bool allows(const SubjectRule& rule, const X509_NAME* subject) {
    return std::ranges::all_of(rule.attributes, [&](const auto& each) { return has(subject, each); });
}

/// What the name says, by the kinds that rules know.
std::optional<std::pair<NameRule::Kind, std::string>> read(const GENERAL_NAME& name) {
    int type = 0;
    const auto* const value = static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(&name, &type));
    const auto as = [&](NameRule::Kind kind) {
        auto text = text_of(value);
        return text ? std::optional(std::pair(kind, *std::move(text))) : std::nullopt;
    };
    if (type == GEN_DNS) {
        return as(NameRule::Kind::dns);
    }
    if (type == GEN_EMAIL) {
        return as(NameRule::Kind::email);
    }
    if (type == GEN_URI) {
        return as(NameRule::Kind::uri);
    }
    if (type != GEN_IPADD) {
        return std::nullopt;
    }
    const auto address = IpAddress::from_octets(
        Bytes(ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value))));
    return address ? std::optional(std::pair(NameRule::Kind::ip, address->text())) : std::nullopt;
}

bool any_name_allowed(const std::vector<NameRule>& rules, const X509& certificate) {
    const std::unique_ptr<GENERAL_NAMES, FreeNames> names{
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr))};
    ERR_clear_error();
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const auto name = read(*sk_GENERAL_NAME_value(names.get(), i));
        if (name && std::ranges::any_of(rules, [&](const NameRule& rule) {
                return rule.kind == name->first && rule.pattern.matches(name->second);
            })) {
            return true;
        }
    }
    return false;
}

bool is_pinned(const std::vector<KeyPin>& pins, const X509& certificate) {
    const EVP_PKEY* const key = X509_get0_pubkey(&certificate);
    ERR_clear_error();
    return key != nullptr && std::ranges::find(pins, key_id(*key)) != pins.end();
}

}  // namespace

bool Pattern::matches(std::string_view value) const {
    const auto same = [&](char a, char b) { return a == b || (ignore_case && lower(a) == lower(b)); };
    std::size_t at = 0;
    std::size_t in = 0;
    std::size_t star = std::string::npos;  // the last one that was passed, and where it ends by now
    std::size_t starred = 0;
    while (in < value.size()) {
        if (at < text.size() && text[at] == '*') {
            star = at++;
            starred = in;
        } else if (at < text.size() && same(text[at], value[in])) {
            ++at;
            ++in;
        } else if (star != std::string::npos && !never.contains(value[starred])) {
            at = star + 1;
            in = ++starred;
        } else {
            return false;
        }
    }
    return std::ranges::all_of(text.substr(at), [](char each) { return each == '*'; });
}

Result<SubjectRule> parse_subject_rule(std::string_view text) {
    SubjectRule rule;
    for (std::string_view rest = text; !rest.empty();) {
        const auto attribute = take_until(rest, "=,");
        if (!attribute || !rest.starts_with('=')) {
            return malformed("expected attributes with their values, as in \"CN=*,O=Shop\"");
        }
        rest.remove_prefix(1);
        const int nid = OBJ_txt2nid(attribute->c_str());
        auto value = take_until(rest, ",");
        ERR_clear_error();
        if (nid == NID_undef) {
            return malformed(
                fmt::format("there is no attribute \"{}\"; expected one as in \"CN=*,O=Shop\"", *attribute));
        }
        if (!value || value->empty() || rest == ",") {
            return malformed(fmt::format("{} has no value", *attribute));
        }
        rule.attributes.push_back({nid, {.text = *std::move(value)}});
        rest.remove_prefix(rest.empty() ? 0 : 1);
    }
    if (rule.attributes.empty()) {
        return malformed("expected attributes, as in \"CN=*,O=Shop\"");
    }
    return rule;
}

Result<NameRule> parse_name_rule(std::string_view text) {
    const std::size_t colon = text.find(':');
    const std::string_view kind = text.substr(0, colon);
    const std::string name(colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1));
    if (name.empty()) {
        return malformed("expected a kind and a name, as in \"dns:*.shop.example\"");
    }
    if (kind == "dns") {
        return NameRule{NameRule::Kind::dns, {.text = name, .never = ".", .ignore_case = true}};
    }
    if (kind == "email") {
        return NameRule{NameRule::Kind::email, {.text = name, .never = "@", .ignore_case = true}};
    }
    if (kind == "uri") {
        return NameRule{NameRule::Kind::uri, {.text = name}};
    }
    if (kind != "ip") {
        return malformed(fmt::format("\"{}:\" is no kind of name; expected dns:, email:, uri: or ip:", kind));
    }
    const auto address = IpAddress::parse(name);
    if (!address) {
        return malformed("expected an address, as in \"ip:192.0.2.7\"");
    }
    return NameRule{NameRule::Kind::ip, {.text = address->text()}};
}

Result<KeyPin> parse_key_pin(std::string_view text) {
    static constexpr std::string_view kPrefix = "sha256:";
    KeyPin pin{};
    const std::string_view digits = text.substr(std::min(text.size(), kPrefix.size()));
    bool good = text.starts_with(kPrefix) && digits.size() == 2 * pin.size();
    for (std::size_t i = 0; good && i < pin.size(); ++i) {
        const char* const end = digits.data() + 2 * i + 2;
        good = std::from_chars(end - 2, end, pin[i], 16).ptr == end;
    }
    if (!good) {
        return malformed("expected \"sha256:\" and 64 hexadecimal digits of a public key's hash");
    }
    return pin;
}

std::optional<std::string> objection(const PeerRules& rules, const X509& certificate) {
    const X509_NAME* const subject = X509_get_subject_name(&certificate);
    if (!rules.subjects.empty() &&
        std::ranges::none_of(rules.subjects, [&](const SubjectRule& rule) { return allows(rule, subject); })) {
        return "its subject is like none of peer_subjects";
    }
    if (!rules.names.empty() && !any_name_allowed(rules.names, certificate)) {
        return "none of its alternative names is like one of peer_names";
    }
    if (!rules.keys.empty() && !is_pinned(rules.keys, certificate)) {
        return "its public key is none of peer_keys";
    }
    return std::nullopt;
}

}  // namespace keysluice::crypto
