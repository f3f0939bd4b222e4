#include <fmt/format.h>

#include <array>
#include <cassert>

#include "base/suggestion.hpp"
#include "ike/proposal.hpp"
#include "ike/proposal_parts.hpp"
#include "ike/wire/transform.hpp"

namespace keysluice::ike {
namespace {

using wire::Keyword;
using wire::Transform;
using wire::TransformType;

constexpr std::uint16_t kNull = static_cast<std::uint16_t>(EncryptionId::null);
constexpr std::uint16_t kNoGroup = static_cast<std::uint16_t>(GroupId::none);

/// The proposal that is being read, for the sentences about it.
struct Source {
    std::string_view text;
    wire::Protocol protocol = wire::Protocol::ike;
    const std::set<std::string>& allow_weak;

    [[nodiscard]] bool is_ike() const { return protocol == wire::Protocol::ike; }
    [[nodiscard]] std::unexpected<Error> failure(std::string_view reason, std::string_view why) const {
        return fail(reason, fmt::format("{} proposal \"{}\": {}", wire::name_of(protocol), text, why));
    }
};

bool belongs_to(const Keyword& keyword, bool ike) {
    switch (keyword.type) {
        case TransformType::encryption:
            return !ike || keyword.id != kNull;
        case TransformType::key_exchange:
            return !ike || keyword.id != kNoGroup;
        case TransformType::prf:
            return ike;
        case TransformType::esn:
            return !ike;
        case TransformType::integrity:
            return true;
    }
    return false;
}

std::string guess(std::string_view typed, bool ike) {
    std::vector<std::string_view> words;
    for (const Keyword& keyword : wire::keywords()) {
        if (belongs_to(keyword, ike)) {
            words.push_back(keyword.name);
        }
    }
    return did_you_mean(typed, words);
}

Result<Transform> read_keyword(const Source& source, std::string_view word) {
    const Keyword* keyword = wire::find_keyword(word);
    if (keyword == nullptr) {
        return source.failure("proposal-syntax",
                              fmt::format("unknown keyword \"{}\"{}", word, guess(word, source.is_ike())));
    }
    if (!belongs_to(*keyword, source.is_ike())) {
        return source.failure("proposal-syntax",
                              fmt::format("\"{}\" is for {} proposals only", word, source.is_ike() ? "ESP" : "IKE"));
    }
    const auto allowed = [&source](std::string_view name) { return source.allow_weak.contains(std::string(name)); };
    if (!keyword->weakness.empty() && !allowed(keyword->weakness) && !allowed(word)) {
        return source.failure(
            "proposal-weak",
            fmt::format("\"{}\" is weak; choose another one, or list \"{}\" in allow_weak", word, keyword->weakness));
    }
    return Transform{.type = keyword->type, .id = keyword->id, .key_bits = keyword->key_bits};
}

Result<Transforms> read_keywords(const Source& source) {
    Transforms transforms;
    std::string_view rest = source.text;
    for (bool more = true; more;) {
        const std::size_t dash = rest.find('-');
        const std::string_view word = rest.substr(0, dash);
        auto transform = read_keyword(source, word);
        if (!transform) {
            return pass_on(std::move(transform));
        }
        if (contains(transforms, *transform)) {
            return source.failure("proposal-syntax", fmt::format("\"{}\" stands in it twice", word));
        }
        transforms.push_back(*transform);
        more = dash != std::string_view::npos;
        rest.remove_prefix(more ? dash + 1 : rest.size());
    }
    return transforms;
}

PrfId prf_like(IntegrityId integrity) {
    switch (integrity) {
        case IntegrityId::hmac_md5_96:
            return PrfId::hmac_md5;
        case IntegrityId::hmac_sha1_96:
            return PrfId::hmac_sha1;
        case IntegrityId::aes_xcbc_96:
            return PrfId::aes128_xcbc;
        case IntegrityId::hmac_sha2_384_192:
            return PrfId::hmac_sha2_384;
        case IntegrityId::hmac_sha2_512_256:
            return PrfId::hmac_sha2_512;
        case IntegrityId::none:
        case IntegrityId::hmac_sha2_256_128:
            break;
    }
    return PrfId::hmac_sha2_256;
}

/// As strongSwan does: without a word about PRFs, those that go with the integrity algorithms.
void add_prfs(Transforms& transforms) {
    for (const Transform& integrity : of_type(transforms, TransformType::integrity)) {
        const PrfId prf = prf_like(static_cast<IntegrityId>(integrity.id));
        transforms.push_back({.type = TransformType::prf, .id = static_cast<std::uint16_t>(prf)});
    }
}

Result<void> check_complete(const Source& source, const Transforms& transforms) {
    const auto has = [&transforms](TransformType type) { return !of_type(transforms, type).empty(); };
    const Transforms ciphers = of_type(transforms, TransformType::encryption);
    if (ciphers.empty()) {
        return source.failure("proposal-incomplete", "it has no encryption; add one, such as aes256gcm16");
    }
    const auto classic = std::ranges::find_if_not(ciphers, is_combined_mode);
    if (classic != ciphers.end() && !has(TransformType::integrity)) {
        return source.failure("proposal-incomplete",
                              fmt::format("{} needs an integrity algorithm beside it; add one, such as sha256",
                                          wire::name_of(*classic)));
    }
    if (source.is_ike() && !has(TransformType::prf) && (classic == ciphers.end() || !has(TransformType::integrity))) {
        return source.failure(
            "proposal-incomplete",
            fmt::format("{} needs a PRF beside it; add one, such as prfsha256", wire::name_of(ciphers.front())));
    }
    // RFC 5282 section 8: "if all of the encryption algorithms in any proposal are authenticated encryption
    // algorithms, then the proposal MUST NOT propose any integrity transforms."
    if (classic == ciphers.end() && has(TransformType::integrity)) {
        const Transforms integrity = of_type(transforms, TransformType::integrity);
        return source.failure("proposal-syntax",
                              fmt::format("{} protects integrity itself; leave {} out",
                                          wire::name_of(ciphers.front()), wire::name_of(integrity.front())));
    }
    if (source.is_ike() && !has(TransformType::key_exchange)) {
        return source.failure("proposal-incomplete", "it has no key exchange group; add one, such as x25519");
    }
    return {};
}

Result<ProposalRule> read(const Source& source) {
    auto words = read_keywords(source);
    if (!words) {
        return pass_on(std::move(words));
    }
    if (auto complete = check_complete(source, *words); !complete) {
        return pass_on(std::move(complete));
    }
    Transforms transforms = std::move(*words);
    if (source.is_ike() && of_type(transforms, TransformType::prf).empty()) {
        add_prfs(transforms);
    }
    if (!source.is_ike() && of_type(transforms, TransformType::esn).empty()) {
        transforms.push_back(none_of(TransformType::esn));
    }
    ProposalRule rule{.protocol = source.protocol};
    for (const TransformType type : {TransformType::encryption, TransformType::integrity, TransformType::prf,
                                     TransformType::key_exchange, TransformType::esn}) {
        std::ranges::copy(of_type(transforms, type), std::back_inserter(rule.transforms));
    }
    return rule;
}

std::vector<ProposalRule> rules_of(wire::Protocol protocol, std::span<const std::string_view> texts) {
    std::vector<ProposalRule> rules;
    for (const std::string_view text : texts) {
        auto rule = read({text, protocol, {}});
        assert(rule);
        rules.push_back(std::move(*rule));
    }
    return rules;
}

}  // namespace

Result<ProposalRule> parse_ike_proposal(std::string_view text, const std::set<std::string>& allow_weak) {
    return read({text, wire::Protocol::ike, allow_weak});
}

Result<ProposalRule> parse_esp_proposal(std::string_view text, const std::set<std::string>& allow_weak) {
    return read({text, wire::Protocol::esp, allow_weak});
}

std::vector<std::string_view> weak_algorithms() {
    std::vector<std::string_view> names;
    for (const Keyword& keyword : wire::keywords()) {
        if (!keyword.weakness.empty() && !contains(names, keyword.weakness)) {
            names.push_back(keyword.weakness);
        }
    }
    return names;
}

// Windows, iOS and macOS choose from the second ones: their built-in clients offer CBC with HMAC-SHA2.
std::vector<ProposalRule> default_ike_proposals() {
    static constexpr std::array<std::string_view, 2> kTexts{
        "aes256gcm16-aes128gcm16-chacha20poly1305-prfsha384-prfsha256-prfsha512-"
        "x25519-ecp384-ecp256-x448-ecp521-modp3072-modp4096-modp2048",
        "aes256-aes128-sha384-sha256-sha512-prfsha384-prfsha256-prfsha512-"
        "x25519-ecp384-ecp256-x448-ecp521-modp3072-modp4096-modp2048",
    };
    return rules_of(wire::Protocol::ike, kTexts);
}

// "none" behind the groups: a peer that asks for no key exchange of its own for a CHILD SA gets none.
std::vector<ProposalRule> default_esp_proposals() {
    static constexpr std::array<std::string_view, 2> kTexts{
        "aes256gcm16-aes128gcm16-chacha20poly1305-x25519-ecp384-ecp256-modp3072-modp2048-none-esn-noesn",
        "aes256-aes128-sha384-sha256-sha512-x25519-ecp384-ecp256-modp3072-modp2048-none-esn-noesn",
    };
    return rules_of(wire::Protocol::esp, kTexts);
}

}  // namespace keysluice::ike
