#include "ike/wire/codec.hpp"
#include "ike/wire/transform.hpp"

// RFC 7296 section 3.11, behind the generic header:
//
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// | Protocol ID   |   SPI Size    |          Num of SPIs          |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// ~               Security Parameter Index(es) (SPI)              ~
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

namespace keysluice::ike::wire {
namespace {

constexpr std::size_t kSpiSize = 4;
constexpr std::size_t kMostSpis = 1024;

}  // namespace

Result<DeletePayload> parse_delete(Bytes body) {
    Reader reader(body);
    DeletePayload payload;
    payload.protocol = static_cast<Protocol>(reader.be<std::uint8_t>());
    const std::size_t spi_size = reader.be<std::uint8_t>();
    const std::size_t count = reader.be<std::uint16_t>();
    if (!reader.ok()) {
        return malformed(fmt::format("at least 4 octets expected, got {}", octets_text(body.size())));
    }
    // RFC 7296 section 3.11: "Protocol ID (1 octet) - Must be 1 for an IKE SA, 2 for AH, or 3 for ESP", and "SPI Size
    // […] MUST be zero for IKE (SPI is in message header) or four for AH and ESP."
    const bool child = payload.protocol == Protocol::esp || payload.protocol == Protocol::ah;
    if (!child && payload.protocol != Protocol::ike) {
        return malformed(fmt::format("IKE, AH or ESP expected, got {}", name_of(payload.protocol)));
    }
    if (spi_size != (child ? kSpiSize : 0)) {
        return malformed(fmt::format("SPIs of {} expected for {}, got {}", octets_text(child ? kSpiSize : 0),
                                     name_of(payload.protocol), octets_text(spi_size)));
    }
    // RFC 7296 section 3.11: "Deletion of the IKE SA is indicated by a protocol ID of 1 (IKE) but no SPIs."
    if (count > (child ? kMostSpis : 0) || count * spi_size != reader.rest().size()) {
        return malformed(fmt::format("{} SPIs of {} do not make {}", count, octets_text(spi_size),
                                     octets_text(reader.rest().size())));
    }
    payload.spis.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        payload.spis.push_back({reader.be<std::uint32_t>()});
    }
    return payload;
}

void emit_body(const DeletePayload& payload, Writer& writer) {
    const bool child = payload.protocol != Protocol::ike;
    writer.be(static_cast<std::uint8_t>(payload.protocol))
        .be(static_cast<std::uint8_t>(child ? kSpiSize : 0))
        .be(static_cast<std::uint16_t>(payload.spis.size()));
    for (const EspSpi spi : payload.spis) {
        writer.be(spi.value);
    }
}

std::string print_body(const DeletePayload& payload) {
    if (payload.spis.empty()) {
        return fmt::format("D({})", name_of(payload.protocol));
    }
    const auto text_of = [&payload](std::size_t i) { return fmt::format("{:08x}", payload.spis[i].value); };
    return fmt::format("D({} {})", name_of(payload.protocol), some_of(payload.spis.size(), text_of));
}

}  // namespace keysluice::ike::wire
