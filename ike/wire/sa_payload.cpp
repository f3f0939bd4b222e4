#include "ike/wire/codec.hpp"
#include "ike/wire/message.hpp"
#include "ike/wire/transform.hpp"

// RFC 7296 section 3.3.1: a proposal; the payload is nothing but proposals.
//
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Last Substruc |   RESERVED    |         Proposal Length       |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Proposal Num  |  Protocol ID  |    SPI Size   |Num  Transforms|
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                        SPI (variable)                         ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                        <Transforms>                           ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 7296 section 3.3.2: a transform.
//
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Last Substruc |   RESERVED    |        Transform Length       |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |Transform Type |   RESERVED    |          Transform ID         |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~                      Transform Attributes                     ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 7296 section 3.3.5: an attribute.
//
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |A|       Attribute Type        |    AF=0  Attribute Length     |
// |F|                             |    AF=1  Attribute Value      |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                   AF=0  Attribute Value                       |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

namespace keysluice::ike::wire {
namespace {

constexpr std::uint8_t kMoreProposals = 2;
constexpr std::uint8_t kMoreTransforms = 3;
constexpr std::size_t kProposalHeader = 8;
constexpr std::size_t kTransformHeader = 8;
constexpr std::uint16_t kAttributeFormat = 0x8000;
constexpr std::uint16_t kKeyLength = 14;
/// Of RFC 7296's private range: what stands on the wire for an attribute that was not understood when it was read.
constexpr std::uint16_t kNotUnderstood = 0x7fff;

/// One structure of a list in which each says how long it is and whether another one follows.
struct Substructure {
    Bytes content;  ///< behind its first four octets
    bool last = false;
};

Result<Substructure> take_substructure(Reader& reader, std::uint8_t more, std::string_view what) {
    const auto mark = reader.be<std::uint8_t>();
    // RFC 7296 section 3.3.1: RESERVED "MUST be sent as zero; MUST be ignored on receipt".
    static_cast<void>(reader.be<std::uint8_t>());
    const auto length = reader.be<std::uint16_t>();
    const Bytes content = length < 4 ? Bytes() : reader.take(length - 4U);
    if (!reader.ok() || length < 4) {
        return malformed(fmt::format("a {}'s length of {} octets does not fit into what is around it", what, length));
    }
    if (mark != 0 && mark != more) {
        return malformed(fmt::format("a {} is marked as the last one (0) or not ({}), got {}", what, more, mark));
    }
    // RFC 7296 section 3.3: "When parsing an SA, an implementation MUST check that the total Payload Length is
    // consistent with the payload's internal lengths and counts."
    if ((mark == 0) != reader.rest().empty()) {
        return malformed(mark == 0 ? fmt::format("{} behind the last {}", octets_text(reader.rest().size()), what)
                                   : fmt::format("another {} is promised where none follows", what));
    }
    return Substructure{content, mark == 0};
}

/// RFC 7296 section 3.3.6: a transform "that contains a Transform Attribute it does not understand": it stays in the
/// list, marked, and is never chosen.
Result<void> parse_attributes(Reader reader, Transform& transform) {
    while (!reader.rest().empty()) {
        const auto type = reader.be<std::uint16_t>();
        const auto value = reader.be<std::uint16_t>();
        if ((type & kAttributeFormat) == 0) {
            static_cast<void>(reader.take(value));
        }
        if (!reader.ok()) {
            return malformed("an attribute ends behind its transform's end");
        }
        // RFC 7296 section 3.3: "A transform MUST NOT have multiple attributes of the same type." Section 3.3.5:
        // "Attributes described as fixed length MUST NOT be encoded using the variable-length encoding".
        if (type == (kKeyLength | kAttributeFormat) && value != 0 && transform.key_bits == 0) {
            transform.key_bits = value;
        } else {
            transform.not_understood = true;
        }
    }
    return {};
}

Result<Transform> parse_transform(Bytes content) {
    Reader reader(content);
    Transform transform;
    transform.type = static_cast<TransformType>(reader.be<std::uint8_t>());
    static_cast<void>(reader.be<std::uint8_t>());
    transform.id = reader.be<std::uint16_t>();
    if (!reader.ok()) {
        return malformed(
            fmt::format("a transform has at least {} octets, got {}", kTransformHeader, content.size() + 4));
    }
    if (auto attributes = parse_attributes(reader, transform); !attributes) {
        return pass_on(std::move(attributes));
    }
    return transform;
}

Result<std::vector<Transform>> parse_transforms(Bytes bytes, std::size_t expected) {
    std::vector<Transform> transforms;
    Reader reader(bytes);
    for (bool last = false; !last;) {
        auto structure = take_substructure(reader, kMoreTransforms, "transform");
        if (!structure) {
            return pass_on(std::move(structure));
        }
        auto transform = parse_transform(structure->content);
        if (!transform) {
            return pass_on(std::move(transform));
        }
        transforms.push_back(*transform);
        last = structure->last;
        if (transforms.size() > expected) {
            break;
        }
    }
    if (transforms.size() != expected) {
        return malformed(fmt::format("a proposal counts {} transforms and has {}", expected,
                                     transforms.size() > expected ? "more" : std::to_string(transforms.size())));
    }
    return transforms;
}

Result<Proposal> parse_proposal(Bytes content) {
    Reader reader(content);
    Proposal proposal;
    proposal.number = reader.be<std::uint8_t>();
    proposal.protocol = static_cast<Protocol>(reader.be<std::uint8_t>());
    const auto spi_size = reader.be<std::uint8_t>();
    const auto count = reader.be<std::uint8_t>();
    proposal.spi = octets_of(reader.take(spi_size));
    if (!reader.ok()) {
        return malformed(fmt::format("a proposal of {} octets has no room for its SPI", content.size() + 4));
    }
    // RFC 7296 section 3.3.1: "One or more transform substructures."
    if (count == 0 || count > kMostPayloads) {
        return malformed(fmt::format("a proposal has 1 to {} transforms, got {}", kMostPayloads, count));
    }
    auto transforms = parse_transforms(reader.rest(), count);
    if (!transforms) {
        return pass_on(std::move(transforms));
    }
    proposal.transforms = std::move(*transforms);
    return proposal;
}

Result<void> check_number(const Proposal& proposal, const std::vector<Proposal>& before, bool last) {
    // RFC 7296 section 3.3.1: "the first proposal in an SA payload MUST be 1, and subsequent proposals MUST be one
    // more than the previous proposal […]. When a proposal is accepted, the proposal number in the SA payload MUST
    // match the number on the proposal sent that was accepted." So a single one may have any number.
    const std::size_t expected = before.size() + 1;
    if (proposal.number != expected && !(before.empty() && last)) {
        return malformed(fmt::format("proposal number {} expected, got {}", expected, proposal.number));
    }
    return {};
}

void emit_transform(const Transform& transform, bool last, Writer& writer) {
    const std::size_t attributes = (transform.key_bits != 0 ? 1U : 0U) + (transform.not_understood ? 1U : 0U);
    writer.be(last ? std::uint8_t{0} : kMoreTransforms)
        .be(std::uint8_t{0})
        .be(static_cast<std::uint16_t>(kTransformHeader + 4 * attributes))
        .be(static_cast<std::uint8_t>(transform.type))
        .be(std::uint8_t{0})
        .be(transform.id);
    if (transform.key_bits != 0) {
        writer.be(static_cast<std::uint16_t>(kKeyLength | kAttributeFormat)).be(transform.key_bits);
    }
    if (transform.not_understood) {
        writer.be(static_cast<std::uint16_t>(kNotUnderstood | kAttributeFormat)).be(std::uint16_t{0});
    }
}

void emit_proposal(const Proposal& proposal, bool last, Writer& writer) {
    Writer transforms;
    for (const Transform& transform : proposal.transforms) {
        emit_transform(transform, &transform == &proposal.transforms.back(), transforms);
    }
    const std::size_t length = kProposalHeader + proposal.spi.size() + transforms.view().size();
    writer.be(last ? std::uint8_t{0} : kMoreProposals)
        .be(std::uint8_t{0})
        .be(static_cast<std::uint16_t>(length))
        .be(proposal.number)
        .be(static_cast<std::uint8_t>(proposal.protocol))
        .be(static_cast<std::uint8_t>(proposal.spi.size()))
        .be(static_cast<std::uint8_t>(proposal.transforms.size()))
        .raw(proposal.spi)
        .raw(transforms.view());
}

}  // namespace

Result<SaPayload> parse_sa(Bytes body) {
    SaPayload payload;
    Reader reader(body);
    for (bool last = false; !last;) {
        auto structure = take_substructure(reader, kMoreProposals, "proposal");
        if (!structure) {
            return pass_on(std::move(structure));
        }
        last = structure->last;
        auto proposal = parse_proposal(structure->content);
        if (!proposal) {
            return pass_on(std::move(proposal));
        }
        if (auto number = check_number(*proposal, payload.proposals, last); !number) {
            return pass_on(std::move(number));
        }
        payload.proposals.push_back(std::move(*proposal));
        if (payload.proposals.size() > kMostPayloads) {
            return malformed(fmt::format("more than {} proposals", kMostPayloads));
        }
    }
    return payload;
}

void emit_body(const SaPayload& payload, Writer& writer) {
    for (const Proposal& proposal : payload.proposals) {
        emit_proposal(proposal, &proposal == &payload.proposals.back(), writer);
    }
}

std::string print_body(const SaPayload& payload) {
    const auto text_of = [&payload](std::size_t i) {
        const Proposal& proposal = payload.proposals[i];
        return fmt::format("{}: {}", name_of(proposal.protocol), print(proposal.transforms));
    };
    return fmt::format("SA({})", some_of(payload.proposals.size(), text_of));
}

}  // namespace keysluice::ike::wire
