#include "ike/wire/message.hpp"

#include <cassert>
#include <limits>

#include "ike/wire/codec.hpp"

// RFC 7296 section 3.2: what stands before each payload.
//
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Next Payload  |C|  RESERVED   |         Payload Length        |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// RFC 7383 section 2.5: an Encrypted Fragment payload has besides, before the initialization vector:
//
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |        Fragment Number        |        Total Fragments        |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

namespace keysluice::ike::wire {
namespace {

constexpr std::size_t kGenericHeader = 4;
constexpr std::size_t kFragmentHeader = 4;
constexpr std::uint8_t kCritical = 0x80;
constexpr std::size_t kLongestPayload = std::numeric_limits<std::uint16_t>::max();

bool is_encrypted(PayloadType type) {
    return type == PayloadType::encrypted || type == PayloadType::encrypted_fragment;
}

/// One payload of a chain: its type stands in the one before.
struct Link {
    PayloadType type = PayloadType::none;
    PayloadType next = PayloadType::none;
    bool critical = false;
    Bytes body;
};

Result<Link> take_link(PayloadType type, Reader& reader) {
    Link link;
    link.type = type;
    link.next = static_cast<PayloadType>(reader.be<std::uint8_t>());
    // RFC 7296 section 3.2: "RESERVED (7 bits) - MUST be sent as zero; MUST be ignored on receipt."
    link.critical = (reader.be<std::uint8_t>() & kCritical) != 0;
    const std::size_t length = reader.be<std::uint16_t>();
    // RFC 7296 section 3.2: "Payload Length […] Length in octets of the current payload, including the generic
    // payload header."
    if (!reader.ok() || length < kGenericHeader || length - kGenericHeader > reader.rest().size()) {
        return malformed(fmt::format("a length of {} octets does not fit into what is left of the message", length));
    }
    link.body = reader.take(length - kGenericHeader);
    return link;
}

template <typename P>
Result<Payload> with_selectors(Bytes body) {
    auto selectors = parse_selectors(body);
    return selectors ? Result<Payload>(P{std::move(*selectors)}) : pass_on(std::move(selectors));
}

/// RFC 7296 section 3.2, of the critical bit: it "MUST be ignored by the recipient if the recipient understands the
/// payload type code".
Result<Payload> parse_body(const Link& link) {
    switch (link.type) {
        case PayloadType::sa:
            return parse_sa(link.body);
        case PayloadType::ke:
            return parse_ke(link.body);
        case PayloadType::id_initiator:
            return parse_id_initiator(link.body);
        case PayloadType::id_responder:
            return parse_id_responder(link.body);
        case PayloadType::certificate:
            return parse_certificate(link.body);
        case PayloadType::certificate_request:
            return parse_certificate_request(link.body);
        case PayloadType::auth:
            return parse_auth(link.body);
        case PayloadType::nonce:
            return parse_nonce(link.body);
        case PayloadType::notify:
            return parse_notify(link.body);
        case PayloadType::del:
            return parse_delete(link.body);
        case PayloadType::vendor_id:
            return parse_vendor_id(link.body);
        case PayloadType::ts_initiator:
            return with_selectors<TsInitiatorPayload>(link.body);
        case PayloadType::ts_responder:
            return with_selectors<TsResponderPayload>(link.body);
        case PayloadType::configuration:
            return parse_configuration(link.body);
        case PayloadType::eap:
            return parse_eap(link.body);
        case PayloadType::encrypted:
        case PayloadType::encrypted_fragment:
            // RFC 7296 section 3.1: "an Encrypted payload MUST NOT contain another Encrypted payload."
            return malformed("it stands inside an encrypted payload");
        case PayloadType::none:
            break;
    }
    return parse_unknown(link.type, link.critical, link.body);
}

/// Reads the payloads of a chain, up to an encrypted one if `encrypted` has room for it.
class Chain {
   public:
    Chain(PayloadType first, Bytes whole, Reader reader) : type_(first), whole_(whole), reader_(reader) {}

    Result<std::vector<Payload>> read(std::optional<EncryptedPart>* encrypted) {
        std::vector<Payload> payloads;
        while (type_ != PayloadType::none) {
            if (payloads.size() == kMostPayloads) {
                return malformed(fmt::format("more than {} payloads", kMostPayloads));
            }
            const std::size_t offset = whole_.size() - reader_.rest().size();
            auto read = encrypted != nullptr && is_encrypted(type_) ? read_encrypted(*encrypted) : read_one(payloads);
            if (!read) {
                return malformed(fmt::format("payload {} ({}) at octet {}: {}", payloads.size() + 1, name_of(type_),
                                             offset, read.error().sentence));
            }
        }
        if (!reader_.finished()) {
            return malformed(fmt::format("{} behind the last payload", octets_text(reader_.rest().size())));
        }
        return payloads;
    }

   private:
    Result<void> read_one(std::vector<Payload>& payloads) {
        auto link = take_link(type_, reader_);
        if (!link) {
            return pass_on(std::move(link));
        }
        auto payload = parse_body(*link);
        if (!payload) {
            return pass_on(std::move(payload));
        }
        payloads.push_back(std::move(*payload));
        type_ = link->next;
        return {};
    }

    Result<void> read_encrypted(std::optional<EncryptedPart>& encrypted) {
        const auto link = take_link(type_, reader_);
        if (!link) {
            return std::unexpected(link.error());
        }
        // RFC 7296 section 3.14: "The Encrypted payload, if present in a message, MUST be the last payload in the
        // message." RFC 7383 section 2.5 says the same of fragments.
        if (!reader_.rest().empty()) {
            return malformed(
                fmt::format("{} behind it, where it must be the last", octets_text(reader_.rest().size())));
        }
        EncryptedPart part;
        part.first_inner = link->next;
        part.body = link->body;
        if (type_ == PayloadType::encrypted_fragment) {
            if (auto fragment = read_fragment(part); !fragment) {
                return fragment;
            }
        }
        part.associated_data = whole_.first(whole_.size() - part.body.size());
        encrypted = part;
        type_ = PayloadType::none;
        return {};
    }

    static Result<void> read_fragment(EncryptedPart& part) {
        Reader reader(part.body);
        part.fragment_number = reader.be<std::uint16_t>();
        part.total_fragments = reader.be<std::uint16_t>();
        part.body = reader.rest();
        // RFC 7383 section 2.6: "check that the Fragment Number and the Total Fragments fields contain non-zero
        // values", and "that the value in the Fragment Number field is less than or equal to the value in the Total
        // Fragments field". A fragment that is cut short has zeros here.
        if (part.fragment_number == 0 || part.fragment_number > part.total_fragments) {
            return malformed(fmt::format("it is fragment {} of {}", part.fragment_number, part.total_fragments));
        }
        // RFC 7383 section 2.5: "In the rest of the Fragment messages (with Fragment Number greater than 1), this
        // field MUST be set to zero." What another one says there means nothing.
        if (part.fragment_number > 1) {
            part.first_inner = PayloadType::none;
        }
        return {};
    }

    PayloadType type_;
    Bytes whole_;
    Reader reader_;
};

Result<void> check_header(const FramedHeader& framed, Bytes datagram) {
    const unsigned version = framed.header.major_version;
    if (version != 2) {
        return fail("ike-version", fmt::format("IKE version 2 expected, got {}{}", version,
                                               version < 2 ? ": this peer must be configured for IKEv2" : ""));
    }
    if (framed.length != datagram.size()) {
        return malformed(fmt::format("the header says {} octets, and {} arrived", framed.length, datagram.size()));
    }
    // RFC 7296 section 3.1: the initiator's SPI "MUST NOT be zero". Section 1.5 has an exception for INVALID_SPI in
    // an informational message outside of an IKE SA.
    if (framed.header.initiator_spi.value == 0 && framed.header.exchange != ExchangeType::informational) {
        return malformed(
            fmt::format("the initiator's SPI of an {} message is zero", name_of(framed.header.exchange)));
    }
    return {};
}

void emit_payload(const Payload& payload, PayloadType next, Writer& writer) {
    Writer body;
    std::visit([&body](const auto& one) { emit_body(one, body); }, payload);
    const std::size_t length = kGenericHeader + body.view().size();
    assert(length <= kLongestPayload);
    // RFC 7296 section 3.2, of the critical bit: "MUST be set to zero for payload types defined in this document."
    const auto* unknown = std::get_if<UnknownPayload>(&payload);
    writer.be(static_cast<std::uint8_t>(next))
        .be(unknown != nullptr && unknown->critical ? kCritical : std::uint8_t{0})
        .be(static_cast<std::uint16_t>(length))
        .raw(body.view());
}

/// RFC 7296 names nonces and public values after the side of the exchange that sent them.
std::string print_in(const Header& header, const Payload& payload) {
    const std::string_view side = header.is_response ? "r" : "i";
    if (std::holds_alternative<NoncePayload>(payload)) {
        return fmt::format("N{}", side);
    }
    const std::string text = print(payload);
    return std::holds_alternative<KePayload>(payload) ? fmt::format("KE{}{}", side, text.substr(2)) : text;
}

}  // namespace

PayloadType type_of(const Payload& payload) {
    struct Types {
        PayloadType operator()(const SaPayload&) const { return PayloadType::sa; }
        PayloadType operator()(const KePayload&) const { return PayloadType::ke; }
        PayloadType operator()(const IdInitiatorPayload&) const { return PayloadType::id_initiator; }
        PayloadType operator()(const IdResponderPayload&) const { return PayloadType::id_responder; }
        PayloadType operator()(const CertificatePayload&) const { return PayloadType::certificate; }
        PayloadType operator()(const CertificateRequestPayload&) const { return PayloadType::certificate_request; }
        PayloadType operator()(const AuthPayload&) const { return PayloadType::auth; }
        PayloadType operator()(const NoncePayload&) const { return PayloadType::nonce; }
        PayloadType operator()(const NotifyPayload&) const { return PayloadType::notify; }
        PayloadType operator()(const DeletePayload&) const { return PayloadType::del; }
        PayloadType operator()(const VendorIdPayload&) const { return PayloadType::vendor_id; }
        PayloadType operator()(const TsInitiatorPayload&) const { return PayloadType::ts_initiator; }
        PayloadType operator()(const TsResponderPayload&) const { return PayloadType::ts_responder; }
        PayloadType operator()(const ConfigurationPayload&) const { return PayloadType::configuration; }
        PayloadType operator()(const EapPayload&) const { return PayloadType::eap; }
        PayloadType operator()(const UnknownPayload& unknown) const { return unknown.type; }
    };
    return std::visit(Types{}, payload);
}

Result<Outer> parse(Bytes datagram) {
    auto framed = parse_header(datagram);
    if (!framed) {
        return pass_on(std::move(framed));
    }
    if (auto fits = check_header(*framed, datagram); !fits) {
        return pass_on(std::move(fits));
    }
    Outer outer;
    outer.header = framed->header;
    auto payloads = Chain(framed->first, datagram, Reader(datagram.subspan(kHeaderSize))).read(&outer.encrypted);
    if (!payloads) {
        return pass_on(std::move(payloads));
    }
    outer.payloads = std::move(*payloads);
    return outer;
}

Result<std::vector<Payload>> parse_payloads(PayloadType first, Bytes bytes) {
    return Chain(first, bytes, Reader(bytes)).read(nullptr);
}

EmittedPayloads emit_payloads(const std::vector<Payload>& payloads) {
    Writer writer;
    for (std::size_t i = 0; i < payloads.size(); ++i) {
        emit_payload(payloads[i], i + 1 < payloads.size() ? type_of(payloads[i + 1]) : PayloadType::none, writer);
    }
    return {payloads.empty() ? PayloadType::none : type_of(payloads.front()), std::move(writer).release()};
}

Octets emit(const Header& header, const std::vector<Payload>& payloads) {
    const EmittedPayloads chain = emit_payloads(payloads);
    Writer writer;
    emit_header({header, chain.first, static_cast<std::uint32_t>(kHeaderSize + chain.bytes.size())}, writer);
    writer.raw(chain.bytes);
    return std::move(writer).release();
}

Octets emit_encrypted_prefix(const Header& header, PayloadType first_inner, std::uint16_t fragment,
                             std::uint16_t total, std::size_t body_size) {
    const bool whole = fragment == 0;
    const std::size_t length = kGenericHeader + (whole ? 0 : kFragmentHeader) + body_size;
    assert(length <= kLongestPayload);
    assert(fragment <= total);
    Writer writer;
    emit_header({header, whole ? PayloadType::encrypted : PayloadType::encrypted_fragment,
                 static_cast<std::uint32_t>(kHeaderSize + length)},
                writer);
    writer.be(static_cast<std::uint8_t>(first_inner)).be(std::uint8_t{0}).be(static_cast<std::uint16_t>(length));
    if (!whole) {
        writer.be(fragment).be(total);
    }
    return std::move(writer).release();
}

std::string print(const Payload& payload) {
    return std::visit([](const auto& one) { return print_body(one); }, payload);
}

std::string print(const Header& header, const std::vector<Payload>& payloads) {
    std::string text;
    for (const Payload& payload : payloads) {
        text += fmt::format("{}{}", text.empty() ? "" : " ", print_in(header, payload));
    }
    return fmt::format("{} {} {} [{}]", name_of(header.exchange), header.is_response ? "response" : "request",
                       header.message_id.value, text);
}

}  // namespace keysluice::ike::wire
