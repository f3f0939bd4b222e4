#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "ike/algorithms.hpp"
#include "ike/wire/payloads.hpp"

namespace keysluice::ike {

/// One proposal of the configuration in strongSwan's keyword notation ("aes256gcm16-prfsha384-x25519"): of each kind
/// of transform one or several, in order of preference.
struct ProposalRule {
    wire::Protocol protocol = wire::Protocol::ike;
    std::vector<wire::Transform> transforms = {};

    bool operator==(const ProposalRule&) const = default;
};

/// Reads the keywords of an IKE proposal. Fails with "proposal-syntax" (unknown keyword, with the nearest one that
/// exists), "proposal-incomplete" (no encryption, no integrity beside a cipher that needs it, no group …) or
/// "proposal-weak" (a keyword of the weak algorithms that `allow_weak` does not contain).
[[nodiscard]] Result<ProposalRule> parse_ike_proposal(std::string_view text, const std::set<std::string>& allow_weak);
/// The same for ESP: a group is optional, "esn" and "noesn" choose extended sequence numbers (left out: no ESN).
[[nodiscard]] Result<ProposalRule> parse_esp_proposal(std::string_view text, const std::set<std::string>& allow_weak);

/// The words that `allow_weak` may contain: "3des", "md5", "modp1024" …
[[nodiscard]] std::vector<std::string_view> weak_algorithms();

[[nodiscard]] std::vector<ProposalRule> default_ike_proposals();
[[nodiscard]] std::vector<ProposalRule> default_esp_proposals();

/// The rules as an SA payload: proposals numbered from 1, with `spi` (empty, 4 or 8 octets) in each. `with_group`
/// false leaves key exchange transforms out (RFC 7296 section 1.2: IKE_AUTH's CHILD SA has none). AEAD and classic
/// ciphers of one rule go into separate proposals (section 3.3: an AEAD must not be combined with an integrity
/// transform).
[[nodiscard]] wire::SaPayload offer(const std::vector<ProposalRule>& rules, const wire::Octets& spi, bool with_group);

/// An SPI as a proposal carries it.
[[nodiscard]] wire::Octets octets_of(IkeSpi spi);
[[nodiscard]] wire::Octets octets_of(EspSpi spi);

/// The group that the KE payload beside an offer is of: the offer's first; none where it has no groups.
[[nodiscard]] GroupId first_group(const wire::SaPayload& offered);
[[nodiscard]] bool offers_group(const wire::SaPayload& offered, GroupId group);

/// A choice among offered proposals.
struct IkeChoice {
    std::uint8_t proposal = 1;  ///< its number in the offer
    IkeSpi spi = {};            ///< the SPI in the payload that was read: the offering side's when choosing, the
                                ///< answering side's when accepting; zero in IKE_SA_INIT
    IkeSuite suite = {};
    bool says_no_integrity = false;  ///< the offer names NONE among its integrity transforms, and so must the answer
};
struct EspChoice {
    std::uint8_t proposal = 1;
    EspSpi spi = {};
    EspSuite suite = {};
    bool says_no_integrity = false;
    bool says_no_group = false;  ///< the same for key exchange
};

/// The best of what is offered: the first of our rules that any offered proposal satisfies, and in it the first
/// transform of each type. Fails with "no-proposal-chosen"; the sentence says what was offered, what is accepted, and
/// the closest match. Where several groups fit, `preferred` (that of the peer's KE payload) wins if it is among them.
[[nodiscard]] Result<IkeChoice> choose_ike(const wire::SaPayload& offered, const std::vector<ProposalRule>& rules,
                                           GroupId preferred);
[[nodiscard]] Result<EspChoice> choose_esp(const wire::SaPayload& offered, const std::vector<ProposalRule>& rules,
                                           bool with_group, GroupId preferred);

/// The single proposal that answers an offer.
[[nodiscard]] wire::SaPayload answer(const IkeChoice& choice, const wire::Octets& own_spi);
[[nodiscard]] wire::SaPayload answer(const EspChoice& choice, EspSpi own_spi, bool with_group);

/// Checks a peer's answer against what we offered (RFC 7296 section 3.3.6: the initiator must verify that the
/// accepted proposal is consistent with one of its own) and reads it. Fails with "answer-not-offered".
[[nodiscard]] Result<IkeChoice> accept_ike_answer(const wire::SaPayload& answered, const wire::SaPayload& offered);
[[nodiscard]] Result<EspChoice> accept_esp_answer(const wire::SaPayload& answered, const wire::SaPayload& offered);

/// "aes256gcm16-prfsha384-x25519".
[[nodiscard]] std::string print(const IkeSuite& suite);
[[nodiscard]] std::string print(const EspSuite& suite);
[[nodiscard]] std::string print(const wire::Proposal& proposal);
/// The first eight proposals, and how many more there are.
[[nodiscard]] std::string print(const wire::SaPayload& offered);
[[nodiscard]] std::string name_of(GroupId group);

}  // namespace keysluice::ike
