#include <fmt/format.h>

#include <array>
#include <optional>

#include "ike/proposal.hpp"
#include "ike/proposal_parts.hpp"
#include "ike/wire/text.hpp"
#include "ike/wire/transform.hpp"

namespace keysluice::ike {
namespace {

using wire::Proposal;
using wire::Protocol;
using wire::SaPayload;
using wire::Transform;
using wire::TransformType;

/// RFC 7296 section 3.3.3, without AH; the order is that in which preferences count.
constexpr std::array kIkeTypes{TransformType::encryption, TransformType::integrity, TransformType::prf,
                               TransformType::key_exchange};
constexpr std::array kEspTypes{TransformType::encryption, TransformType::integrity, TransformType::key_exchange,
                               TransformType::esn};
constexpr std::size_t kTypes = 4;

const std::array<TransformType, kTypes>& types_of(Protocol protocol) {
    return protocol == Protocol::ike ? kIkeTypes : kEspTypes;
}

/// RFC 7296 section 3.3.3: "A proposal MAY omit the optional types if the only value for them it will accept is
/// NONE." An IKE SA's integrity is mandatory beside a classic cipher, and there no rule accepts NONE.
bool may_be_none(Protocol protocol, TransformType type) {
    return type == TransformType::integrity || (type == TransformType::key_exchange && protocol == Protocol::esp);
}

Transforms of_type_or_none(const Transforms& transforms, Protocol protocol, TransformType type) {
    Transforms found = of_type(transforms, type);
    if (found.empty() && may_be_none(protocol, type)) {
        found.push_back(none_of(type));
    }
    return found;
}

/// The SPI in a proposal, or nothing if it can't be one. RFC 7296 section 3.3.1: "For an initial IKE SA negotiation,
/// this field MUST be zero […]. During subsequent negotiations, it is equal to the size, in octets, of the SPI of the
/// corresponding protocol (8 for IKE, 4 for ESP and AH)."
std::optional<std::uint64_t> spi_of(const Proposal& proposal) {
    const std::size_t size = proposal.spi.size();
    if (proposal.protocol == Protocol::ike && size == 0) {
        return 0;
    }
    Reader reader(proposal.spi);
    const std::uint64_t spi = size == 8 ? reader.be<std::uint64_t>() : reader.be<std::uint32_t>();
    const bool right_size = reader.finished() && size == (proposal.protocol == Protocol::ike ? 8 : 4);
    return right_size && spi != 0 ? std::optional(spi) : std::nullopt;
}

/// One transform of each type, and how well it fits.
struct Match {
    const Proposal* proposal = nullptr;
    std::uint64_t spi = 0;
    std::array<Transform, kTypes> chosen = {};
    std::array<std::size_t, kTypes> ranks = {};

    [[nodiscard]] const Transform& of(TransformType type) const {
        return *std::ranges::find(chosen, type, &Transform::type);
    }
    /// NONE was chosen where the proposal names it: a choice like others, which the answer must show.
    [[nodiscard]] bool says_none(TransformType type) const {
        return contains(proposal->transforms, none_of(type)) && of(type) == none_of(type);
    }
};

/// What a choice is made by.
struct Wishes {
    Protocol protocol = Protocol::ike;
    bool with_group = true;
    GroupId preferred = GroupId::none;

    /// In order of preference. RFC 7296 section 1.2: "the SA payloads in the IKE_AUTH exchange cannot contain
    /// Transform Type 4 (Diffie-Hellman group) with any value other than NONE."
    [[nodiscard]] Transforms accepted(const ProposalRule& rule, TransformType type) const {
        if (type != TransformType::key_exchange) {
            return of_type_or_none(rule.transforms, protocol, type);
        }
        if (!with_group) {
            return {none_of(type)};
        }
        Transforms groups = of_type_or_none(rule.transforms, protocol, type);
        const auto wanted = std::ranges::find(groups, static_cast<std::uint16_t>(preferred), &Transform::id);
        if (wanted != groups.end()) {
            std::rotate(groups.begin(), wanted, wanted + 1);
        }
        return groups;
    }
};

/// Whatever keeps a proposal from being read as one of this protocol, or nothing.
std::string obstacle(const Proposal& proposal, Protocol protocol) {
    if (proposal.protocol != protocol) {
        return fmt::format("protocol (offered {}, accepted {})", wire::name_of(proposal.protocol),
                           wire::name_of(protocol));
    }
    if (!spi_of(proposal)) {
        return fmt::format("SPI (offered {:02x}: zero, or of the wrong size)", fmt::join(proposal.spi, ""));
    }
    // RFC 7296 section 3.3.6: "If the responder receives a proposal that contains a Transform Type it does not
    // understand, or a proposal that is missing a mandatory Transform Type, it MUST consider this proposal
    // unacceptable".
    for (const Transform& transform : proposal.transforms) {
        if (!contains(types_of(protocol), transform.type)) {
            return fmt::format("{} (offered {}, accepted nothing)", wire::name_of(transform.type),
                               wire::print(of_type(proposal.transforms, transform.type)));
        }
    }
    return {};
}

/// RFC 7296 section 3.3.6: "If the selected proposal has multiple transforms with the same type, the responder MUST
/// choose a single one." Nothing if none will do. Equal means with the same key length: section 3.3.5 forbids the
/// attribute beside keys of a fixed length, and demands it for AES. What was not understood equals no rule's
/// transform.
std::optional<std::size_t> first_common(const Transforms& accepted, const Transforms& offered) {
    const auto common = std::ranges::find_first_of(accepted, offered);
    return common == accepted.end() ? std::nullopt
                                    : std::optional(static_cast<std::size_t>(common - accepted.begin()));
}

std::optional<Match> match(const ProposalRule& variant, const Proposal& proposal, const Wishes& wishes) {
    if (!obstacle(proposal, wishes.protocol).empty()) {
        return std::nullopt;
    }
    Match match{.proposal = &proposal, .spi = spi_of(proposal).value_or(0)};
    for (std::size_t i = 0; i < kTypes; ++i) {
        const TransformType type = types_of(wishes.protocol).at(i);
        const Transforms accepted = wishes.accepted(variant, type);
        const auto rank = first_common(accepted, of_type_or_none(proposal.transforms, wishes.protocol, type));
        if (!rank) {
            return std::nullopt;
        }
        match.ranks.at(i) = *rank;
        match.chosen.at(i) = accepted[*rank];
    }
    return match;
}

std::optional<Match> best_match(const SaPayload& offered, const std::vector<ProposalRule>& rules,
                                const Wishes& wishes) {
    for (const ProposalRule& rule : rules) {
        for (const ProposalRule& variant : variants_of(rule)) {
            std::optional<Match> best;
            for (const Proposal& proposal : offered.proposals) {
                const auto other = match(variant, proposal, wishes);
                best = other && (!best || other->ranks < best->ranks) ? other : best;
            }
            if (best) {
                return best;
            }
        }
    }
    return std::nullopt;
}

// ---- why nothing fits

std::string print_or_nothing(const Transforms& transforms) {
    return transforms.empty() ? "nothing" : wire::print(transforms);
}

std::vector<std::string> differences(const ProposalRule& variant, const Proposal& proposal, const Wishes& wishes) {
    std::vector<std::string> found;
    if (std::string unreadable = obstacle(proposal, wishes.protocol); !unreadable.empty()) {
        found.push_back(std::move(unreadable));
    }
    for (const TransformType type : types_of(wishes.protocol)) {
        const Transforms accepted = wishes.accepted(variant, type);
        const Transforms offered = of_type_or_none(proposal.transforms, wishes.protocol, type);
        if (!first_common(accepted, offered)) {
            found.push_back(fmt::format("{} (offered {}, accepted {})", wire::name_of(type),
                                        print_or_nothing(offered), print_or_nothing(accepted)));
        }
    }
    return found;
}

std::unexpected<Error> nothing_fits(const SaPayload& offered, const std::vector<ProposalRule>& rules,
                                    const Wishes& wishes) {
    std::vector<ProposalRule> variants;
    for (const ProposalRule& rule : rules) {
        std::ranges::copy(variants_of(rule), std::back_inserter(variants));
    }
    std::optional<std::vector<std::string>> nearest;
    for (const ProposalRule& variant : variants) {
        for (const Proposal& proposal : offered.proposals) {
            auto other = differences(variant, proposal, wishes);
            if (!nearest || other.size() < nearest->size()) {
                nearest = std::move(other);
            }
        }
    }
    const auto variant_text = [&variants](std::size_t i) { return wire::print(variants[i].transforms); };
    return fail("no-proposal-chosen",
                fmt::format("peer offers {}, this connection accepts {}; the nearest differs in {}", print(offered),
                            wire::some_of(variants.size(), variant_text),
                            nearest ? fmt::format("{}", fmt::join(*nearest, ", ")) : "everything"));
}

// ---- what was chosen

Encryption encryption_of(const Match& match) {
    const Transform& cipher = match.of(TransformType::encryption);
    return {static_cast<EncryptionId>(cipher.id), cipher.key_bits};
}

template <typename Id>
Id id_of(const Match& match, TransformType type) {
    return static_cast<Id>(match.of(type).id);
}

IkeChoice ike_choice(const Match& match) {
    return {.proposal = match.proposal->number,
            .spi = {match.spi},
            .suite = {.encryption = encryption_of(match),
                      .integrity = id_of<IntegrityId>(match, TransformType::integrity),
                      .prf = id_of<PrfId>(match, TransformType::prf),
                      .group = id_of<GroupId>(match, TransformType::key_exchange)},
            .says_no_integrity = match.says_none(TransformType::integrity)};
}

EspChoice esp_choice(const Match& match) {
    return {.proposal = match.proposal->number,
            .spi = {static_cast<std::uint32_t>(match.spi)},
            .suite = {.encryption = encryption_of(match),
                      .integrity = id_of<IntegrityId>(match, TransformType::integrity),
                      .group = id_of<GroupId>(match, TransformType::key_exchange),
                      .esn = match.of(TransformType::esn).id != 0},
            .says_no_integrity = match.says_none(TransformType::integrity),
            .says_no_group = match.says_none(TransformType::key_exchange)};
}

// ---- the initiator's check of an answer

/// The one transform of a type in an answer to an offer, or nothing.
std::optional<Transform> answered_transform(const Proposal& answered, const Proposal& offered, Protocol protocol,
                                            TransformType type) {
    const Transforms answer = of_type_or_none(answered.transforms, protocol, type);
    // RFC 7296 section 3.3.6: "Any attributes of a selected transform MUST be returned unmodified."
    const Transforms choices = of_type_or_none(offered.transforms, protocol, type);
    return answer.size() == 1 && contains(choices, answer.front()) ? std::optional(answer.front()) : std::nullopt;
}

std::string answer_fault(const Proposal& answered, const Proposal& offered, Protocol protocol, Match& match) {
    if (answered.spi.size() != offered.spi.size() || !obstacle(answered, protocol).empty()) {
        return "its protocol, SPI or types of transforms are others";
    }
    for (std::size_t i = 0; i < kTypes; ++i) {
        const TransformType type = types_of(protocol).at(i);
        const auto transform = answered_transform(answered, offered, protocol, type);
        if (!transform) {
            return fmt::format("one {} of {} expected, got {}", wire::name_of(type),
                               print_or_nothing(of_type(offered.transforms, type)),
                               print_or_nothing(of_type(answered.transforms, type)));
        }
        match.chosen.at(i) = *transform;
    }
    // RFC 5282 section 8: "when an authenticated encryption algorithm is selected as the encryption algorithm for any
    // SA (IKE or ESP), an integrity algorithm MUST NOT be selected for that SA."
    const bool integrity = match.of(TransformType::integrity) != none_of(TransformType::integrity);
    if (integrity == is_combined_mode(match.of(TransformType::encryption))) {
        return "its integrity does not go with its encryption";
    }
    return {};
}

/// RFC 7296 section 3.3.6: "The initiator of an exchange MUST check that the accepted offer is consistent with one of
/// its proposals, and if not MUST terminate the exchange."
Result<Match> check_answer(const SaPayload& answered, const SaPayload& offered, Protocol protocol) {
    if (answered.proposals.size() != 1) {
        return fail("answer-not-offered",
                    fmt::format("one proposal expected in the peer's answer, got {}", answered.proposals.size()));
    }
    const Proposal& answer = answered.proposals.front();
    // RFC 7296 section 3.3.1: "When a proposal is accepted, the proposal number in the SA payload MUST match the
    // number on the proposal sent that was accepted."
    const auto sent = std::ranges::find(offered.proposals, answer.number, &Proposal::number);
    if (sent == offered.proposals.end()) {
        return fail("answer-not-offered",
                    fmt::format("the peer accepts proposal {} of {}", answer.number, offered.proposals.size()));
    }
    Match match{.proposal = &answer, .spi = spi_of(answer).value_or(0)};
    if (const std::string fault = answer_fault(answer, *sent, protocol, match); !fault.empty()) {
        return fail("answer-not-offered", fmt::format("the peer answers {} to proposal {}, {}: {}", print(answer),
                                                      answer.number, print(*sent), fault));
    }
    return match;
}

}  // namespace

Result<IkeChoice> choose_ike(const SaPayload& offered, const std::vector<ProposalRule>& rules, GroupId preferred) {
    const Wishes wishes{.protocol = Protocol::ike, .preferred = preferred};
    const auto match = best_match(offered, rules, wishes);
    return match ? Result<IkeChoice>(ike_choice(*match)) : nothing_fits(offered, rules, wishes);
}

Result<EspChoice> choose_esp(const SaPayload& offered, const std::vector<ProposalRule>& rules, bool with_group,
                             GroupId preferred) {
    const Wishes wishes{.protocol = Protocol::esp, .with_group = with_group, .preferred = preferred};
    const auto match = best_match(offered, rules, wishes);
    return match ? Result<EspChoice>(esp_choice(*match)) : nothing_fits(offered, rules, wishes);
}

Result<IkeChoice> accept_ike_answer(const SaPayload& answered, const SaPayload& offered) {
    auto match = check_answer(answered, offered, Protocol::ike);
    return match ? Result<IkeChoice>(ike_choice(*match)) : pass_on(std::move(match));
}

Result<EspChoice> accept_esp_answer(const SaPayload& answered, const SaPayload& offered) {
    auto match = check_answer(answered, offered, Protocol::esp);
    return match ? Result<EspChoice>(esp_choice(*match)) : pass_on(std::move(match));
}

}  // namespace keysluice::ike
