#include "ike/proposal.hpp"

#include <cassert>

#include "ike/keys.hpp"
#include "ike/proposal_parts.hpp"
#include "ike/wire/message.hpp"
#include "ike/wire/text.hpp"
#include "ike/wire/transform.hpp"

namespace keysluice::ike {
namespace {

using wire::Transform;
using wire::TransformType;

template <typename Id>
Transform transform_of(TransformType type, Id id, std::uint16_t key_bits = 0) {
    return {.type = type, .id = static_cast<std::uint16_t>(id), .key_bits = key_bits};
}

Transforms without(Transforms transforms, TransformType type) {
    std::erase_if(transforms, [type](const Transform& transform) { return transform.type == type; });
    return transforms;
}

wire::SaPayload answer_with(std::uint8_t number, wire::Protocol protocol, const wire::Octets& spi,
                            const Transforms& transforms) {
    return {{wire::Proposal{.number = number, .protocol = protocol, .spi = spi, .transforms = transforms}}};
}

}  // namespace

wire::Octets octets_of(IkeSpi spi) {
    return std::move(Writer().be(spi.value)).release();
}

wire::Octets octets_of(EspSpi spi) {
    return std::move(Writer().be(spi.value)).release();
}

GroupId first_group(const wire::SaPayload& offered) {
    for (const wire::Proposal& proposal : offered.proposals) {
        const Transforms groups = of_type(proposal.transforms, TransformType::key_exchange);
        if (!groups.empty()) {
            return static_cast<GroupId>(groups.front().id);
        }
    }
    return GroupId::none;
}

bool offers_group(const wire::SaPayload& offered, GroupId group) {
    return std::ranges::any_of(offered.proposals, [&](const wire::Proposal& proposal) {
        return contains(proposal.transforms, transform_of(TransformType::key_exchange, group));
    });
}

bool is_combined_mode(const Transform& transform) {
    return is_aead(static_cast<EncryptionId>(transform.id));
}

std::vector<ProposalRule> variants_of(const ProposalRule& rule) {
    const Transforms ciphers = of_type(rule.transforms, TransformType::encryption);
    std::vector<ProposalRule> variants;
    if (ciphers.empty()) {
        return variants;
    }
    const bool first = is_combined_mode(ciphers.front());
    for (const bool combined : {first, !first}) {
        ProposalRule variant = rule;
        std::erase_if(variant.transforms, [combined](const Transform& transform) {
            return transform.type == TransformType::encryption && is_combined_mode(transform) != combined;
        });
        if (of_type(variant.transforms, TransformType::encryption).empty()) {
            continue;
        }
        if (combined) {
            variant.transforms = without(std::move(variant.transforms), TransformType::integrity);
        }
        variants.push_back(std::move(variant));
    }
    return variants;
}

Transforms transforms_of(const IkeSuite& suite) {
    Transforms transforms{transform_of(TransformType::encryption, suite.encryption.id, suite.encryption.key_bits)};
    if (suite.integrity != IntegrityId::none) {
        transforms.push_back(transform_of(TransformType::integrity, suite.integrity));
    }
    transforms.push_back(transform_of(TransformType::prf, suite.prf));
    transforms.push_back(transform_of(TransformType::key_exchange, suite.group));
    return transforms;
}

Transforms transforms_of(const EspSuite& suite) {
    Transforms transforms{transform_of(TransformType::encryption, suite.encryption.id, suite.encryption.key_bits)};
    if (suite.integrity != IntegrityId::none) {
        transforms.push_back(transform_of(TransformType::integrity, suite.integrity));
    }
    if (suite.group != GroupId::none) {
        transforms.push_back(transform_of(TransformType::key_exchange, suite.group));
    }
    transforms.push_back(transform_of(TransformType::esn, suite.esn ? 1 : 0));
    return transforms;
}

wire::SaPayload offer(const std::vector<ProposalRule>& rules, const wire::Octets& spi, bool with_group) {
    wire::SaPayload payload;
    for (const ProposalRule& rule : rules) {
        for (ProposalRule& variant : variants_of(rule)) {
            payload.proposals.push_back({
                .number = static_cast<std::uint8_t>(payload.proposals.size() + 1),
                .protocol = variant.protocol,
                .spi = spi,
                .transforms = with_group ? std::move(variant.transforms)
                                         : without(std::move(variant.transforms), TransformType::key_exchange),
            });
        }
    }
    if (payload.proposals.size() > wire::kMostPayloads) {
        payload.proposals.resize(wire::kMostPayloads);
    }
    return payload;
}

wire::SaPayload answer(const IkeChoice& choice, const wire::Octets& own_spi) {
    Transforms transforms = transforms_of(choice.suite);
    if (choice.says_no_integrity) {
        transforms.push_back(none_of(TransformType::integrity));
    }
    return answer_with(choice.proposal, wire::Protocol::ike, own_spi, transforms);
}

wire::SaPayload answer(const EspChoice& choice, EspSpi own_spi, bool with_group) {
    assert(with_group || choice.suite.group == GroupId::none);
    Transforms transforms = transforms_of(choice.suite);
    if (choice.says_no_integrity) {
        transforms.push_back(none_of(TransformType::integrity));
    }
    if (choice.says_no_group) {
        transforms.push_back(none_of(TransformType::key_exchange));
    }
    return answer_with(choice.proposal, wire::Protocol::esp, octets_of(own_spi), transforms);
}

std::string print(const IkeSuite& suite) {
    return wire::print(transforms_of(suite));
}

std::string print(const EspSuite& suite) {
    const Transforms transforms = transforms_of(suite);
    return wire::print(suite.esn ? transforms : without(transforms, TransformType::esn));
}

std::string print(const wire::Proposal& proposal) {
    return wire::print(proposal.transforms);
}

std::string print(const wire::SaPayload& offered) {
    return wire::some_of(offered.proposals.size(), [&offered](std::size_t i) { return print(offered.proposals[i]); });
}

std::string name_of(GroupId group) {
    return wire::name_of(transform_of(TransformType::key_exchange, group));
}

}  // namespace keysluice::ike
