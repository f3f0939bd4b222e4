// Messages of random payloads: what is emitted is read again as it was, and what is cut short or changed is refused
// or read as something that can be emitted again. The numbers are the same in every run.
#include <random>

#include "ike/wire/message.hpp"
#include "tests/unit/ike/wire/octets.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::wire;

namespace {

class Maker {
   public:
    explicit Maker(unsigned seed) : random_(seed) {}

    /// 0 to `limit` - 1.
    unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

    Octets octets(unsigned least, unsigned most) {
        Octets made(least + below(most - least + 1));
        std::ranges::generate(made, [this] { return static_cast<std::uint8_t>(below(256)); });
        return made;
    }

    std::vector<Payload> payloads() {
        std::vector<Payload> made;
        for (unsigned left = below(12); left > 0; --left) {
            made.push_back(payload());
        }
        return made;
    }

    Header header() {
        return {.initiator_spi = {1 + random_()},
                .responder_spi = {random_()},
                .exchange = static_cast<ExchangeType>(34 + below(5)),
                .from_initiator = below(2) == 0,
                .is_response = below(2) == 0,
                .message_id = {static_cast<std::uint32_t>(random_())}};
    }

   private:
    std::uint16_t number16() { return static_cast<std::uint16_t>(below(65536)); }

    Transform transform() {
        return {.type = static_cast<TransformType>(1 + below(6)),
                .id = number16(),
                .key_bits = static_cast<std::uint16_t>(below(2) == 0 ? 0 : number16()),
                .not_understood = below(5) == 0};
    }

    SaPayload sa() {
        SaPayload made;
        const unsigned count = 1 + below(5);
        for (unsigned number = 1; number <= count; ++number) {
            Proposal proposal{.number = static_cast<std::uint8_t>(number),
                              .protocol = static_cast<Protocol>(1 + below(4)),
                              .spi = octets(0, 8)};
            for (unsigned left = 1 + below(9); left > 0; --left) {
                proposal.transforms.push_back(transform());
            }
            made.proposals.push_back(std::move(proposal));
        }
        return made;
    }

    Identity identity() {
        switch (below(3)) {
            case 0:
                return {IdType::ipv4, octets(4, 4)};
            case 1:
                return {IdType::ipv6, octets(16, 16)};
            default:
                return {static_cast<IdType>(6 + below(20)), octets(0, 80)};
        }
    }

    std::vector<TrafficSelector> selectors() {
        std::vector<TrafficSelector> made;
        for (unsigned left = 1 + below(6); left > 0; --left) {
            const unsigned size = below(2) == 0 ? 4 : 16;
            const auto a = *IpAddress::from_octets(octets(size, size));
            const auto b = *IpAddress::from_octets(octets(size, size));
            const std::uint16_t port = number16();
            const std::uint16_t other = number16();
            const bool opaque = below(6) == 0;
            made.push_back({.protocol = static_cast<std::uint8_t>(below(256)),
                            .first_port = opaque ? std::uint16_t{65535} : std::min(port, other),
                            .last_port = opaque ? std::uint16_t{0} : std::max(port, other),
                            .first = std::min(a, b),
                            .last = std::max(a, b)});
        }
        return made;
    }

    NotifyPayload notify() {
        NotifyPayload made{.type = static_cast<NotifyType>(number16()), .spi = octets(0, 8), .data = octets(0, 40)};
        if (!made.spi.empty()) {
            made.protocol = static_cast<Protocol>(1 + below(3));
        }
        return made;
    }

    DeletePayload del() {
        if (below(3) == 0) {
            return {};
        }
        DeletePayload made{.protocol = below(2) == 0 ? Protocol::esp : Protocol::ah};
        for (unsigned left = below(8); left > 0; --left) {
            made.spis.push_back({static_cast<std::uint32_t>(random_())});
        }
        return made;
    }

    UnknownPayload unknown() {
        constexpr std::array<PayloadType, 3> kTypes{static_cast<PayloadType>(49), static_cast<PayloadType>(1),
                                                    static_cast<PayloadType>(255)};
        return {kTypes.at(below(3)), below(2) == 0, octets(0, 20)};
    }

    ConfigurationPayload configuration() {
        ConfigurationPayload made{.type = static_cast<ConfigurationType>(below(256))};
        for (unsigned left = below(8); left > 0; --left) {
            made.attributes.push_back({static_cast<ConfigurationAttributeType>(below(0x8000)), octets(0, 20)});
        }
        return made;
    }

    Payload payload() {
        switch (below(16)) {
            case 0:
                return sa();
            case 1:
                return KePayload{number16(), octets(1, 80)};
            case 2:
                return IdInitiatorPayload{identity()};
            case 3:
                return IdResponderPayload{identity()};
            case 4:
                return CertificatePayload{static_cast<std::uint8_t>(below(256)), octets(0, 300)};
            case 5:
                return CertificateRequestPayload{kX509Signature, Octets(20UL * below(4), 7)};
            case 6:
                return AuthPayload{static_cast<AuthMethod>(below(256)), octets(0, 300)};
            case 7:
                return NoncePayload{octets(16, 256)};
            case 8:
                return notify();
            case 9:
                return del();
            case 10:
                return VendorIdPayload{octets(0, 20)};
            case 11:
                return TsInitiatorPayload{selectors()};
            case 12:
                return TsResponderPayload{selectors()};
            case 13:
                return configuration();
            case 14:
                return EapPayload{octets(0, 40)};
            default:
                return unknown();
        }
    }

    std::mt19937_64 random_;
};

/// Without selectors, all of which were of unknown types, it can't be emitted again: an empty list is malformed.
bool can_be_emitted(const std::vector<Payload>& payloads) {
    return std::ranges::none_of(payloads, [](const Payload& payload) {
        const auto* initiator = std::get_if<TsInitiatorPayload>(&payload);
        const auto* responder = std::get_if<TsResponderPayload>(&payload);
        return (initiator != nullptr && initiator->selectors.empty()) ||
               (responder != nullptr && responder->selectors.empty());
    });
}

}  // namespace

TEST_CASE("random messages are read as they were emitted, and have a line of text without control characters") {
    Maker maker(7296);
    for (int round = 0; round < 2000; ++round) {
        const std::vector<Payload> payloads = maker.payloads();
        const Header header = maker.header();
        const Octets message = emit(header, payloads);
        const auto outer = parse(message);
        REQUIRE_MESSAGE(outer, (outer ? "" : outer.error().sentence));
        CHECK(outer->header == header);
        CHECK(outer->payloads == payloads);
        CHECK_FALSE(outer->encrypted);
        const std::string line = print(header, payloads);
        CHECK(std::ranges::all_of(line, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; }));
    }
}

TEST_CASE("random chains that are cut short at any octet are refused") {
    Maker maker(7383);
    for (int round = 0; round < 60; ++round) {
        const EmittedPayloads chain = emit_payloads(maker.payloads());
        REQUIRE(parse_payloads(chain.first, chain.bytes));
        for (std::size_t size = 0; size < chain.bytes.size(); ++size) {
            const auto cut = parse_payloads(chain.first, Bytes(chain.bytes).first(size));
            REQUIRE_FALSE(cut);
            CHECK(cut.error().reason == "ike-malformed");
        }
    }
}

TEST_CASE("random messages with a few changed octets are refused, or read as something that is a message") {
    Maker maker(9242);
    int read = 0;
    for (int round = 0; round < 5000; ++round) {
        Octets message = emit(maker.header(), maker.payloads());
        for (unsigned left = 1 + maker.below(4); left > 0; --left) {
            message.at(maker.below(static_cast<unsigned>(message.size()))) =
                static_cast<std::uint8_t>(maker.below(256));
        }
        const auto outer = parse(message);
        if (!outer) {
            CHECK((outer.error().reason == "ike-malformed" || outer.error().reason == "ike-version"));
            continue;
        }
        ++read;
        if (!outer->encrypted && can_be_emitted(outer->payloads)) {
            const Octets again = emit(outer->header, outer->payloads);
            const auto reread = parse(again);
            REQUIRE_MESSAGE(reread, (reread ? "" : reread.error().sentence));
            CHECK(reread->payloads == outer->payloads);
        }
    }
    CHECK(read > 1000);
}
