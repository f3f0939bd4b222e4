#include "eap/packet.hpp"

#include <fmt/format.h>

#include <cassert>
#include <limits>

// RFC 3748 section 4.1; a success or a failure ends behind its length.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |     Code      |  Identifier   |            Length             |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |     Type      |  Type-Data ...
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

namespace keysluice::eap {
namespace {

constexpr std::size_t kHeader = 4;

bool has_type(Code code) {
    return code == Code::request || code == Code::response;
}

}  // namespace

Result<Packet> parse(Bytes octets) {
    Reader reader(octets);
    Packet packet;
    packet.code = static_cast<Code>(reader.be<std::uint8_t>());
    packet.id = reader.be<std::uint8_t>();
    const auto length = reader.be<std::uint16_t>();
    if (packet.code < Code::request || packet.code > Code::failure) {
        return fail("eap-malformed",
                    fmt::format("an EAP packet has the unknown code {}", static_cast<unsigned>(packet.code)));
    }
    if (has_type(packet.code)) {
        packet.type = static_cast<Type>(reader.be<std::uint8_t>());
    }
    const Bytes data = reader.rest();
    // Section 4.2, of success and failure: "Length […] 4".
    if (!reader.ok() || length != octets.size() || (!has_type(packet.code) && !data.empty())) {
        return fail("eap-malformed", fmt::format("an EAP packet of {} octets with code {} says that it has {}",
                                                 octets.size(), static_cast<unsigned>(packet.code), length));
    }
    packet.data.assign(data.begin(), data.end());
    return packet;
}

Octets emit(const Packet& packet) {
    const bool typed = has_type(packet.code);
    const std::size_t length = kHeader + (typed ? 1 : 0) + packet.data.size();
    assert(length <= std::numeric_limits<std::uint16_t>::max());
    Writer writer;
    writer.be(static_cast<std::uint8_t>(packet.code)).be(packet.id).be(static_cast<std::uint16_t>(length));
    if (typed) {
        writer.be(static_cast<std::uint8_t>(packet.type)).raw(packet.data);
    }
    return std::move(writer).release();
}

std::string name_of(Type type) {
    switch (type) {
        case Type::none:
            return "nothing";
        case Type::identity:
            return "Identity";
        case Type::notification:
            return "Notification";
        case Type::nak:
            return "Nak";
        case Type::tls:
            return "TLS";
        case Type::mschapv2:
            return "MS-CHAP-V2";
    }
    return fmt::format("type {}", static_cast<unsigned>(type));
}

}  // namespace keysluice::eap
