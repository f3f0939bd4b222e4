#include "eap/tls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

// What stands behind the type, RFC 5216 section 3.1:
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |L M S R R R R R|  TLS Message Length, where L is set …
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |  … of it      |  TLS Data …
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

namespace keysluice::eap {
namespace {

constexpr std::uint8_t kLength = 0x80;
constexpr std::uint8_t kMore = 0x40;
constexpr std::uint8_t kStart = 0x20;

// Of the records of TLS, RFC 8446 sections 5.1 and 6.
constexpr std::uint8_t kAlert = 21;
constexpr std::uint8_t kHandshake = 22;
constexpr std::uint16_t kVersion = 0x0303;
constexpr std::uint8_t kFatal = 2;

std::unexpected<Error> malformed(std::string_view what) {
    return fail("eap-malformed", fmt::format("EAP-TLS: {}", what));
}

/// The next packet of our turn.
Octets next_fragment(TlsTurns& turns, std::optional<std::uint32_t> total) {
    const std::size_t size = std::min(turns.outgoing.size(), kTlsFragment);
    const auto end = turns.outgoing.begin() + static_cast<std::ptrdiff_t>(size);
    TlsFrame frame{.total = total, .data = {turns.outgoing.begin(), end}};
    turns.outgoing.erase(turns.outgoing.begin(), end);
    frame.more = !turns.outgoing.empty();
    return emit_tls(frame);
}

Result<void> append(TlsTurns& turns, const TlsFrame& frame) {
    const std::size_t size = turns.incoming.size() + frame.data.size();
    if (frame.total && (*frame.total > kMostTlsOctets || turns.total.value_or(*frame.total) != *frame.total)) {
        return malformed(fmt::format("a message of {} octets, where {} are the most", *frame.total,
                                     turns.total.value_or(kMostTlsOctets)));
    }
    turns.total = frame.total ? frame.total : turns.total;
    if (size > turns.total.value_or(kMostTlsOctets)) {
        return malformed(
            fmt::format("a message of {} octets is longer than {}", size, turns.total ? "it said" : "what is taken"));
    }
    turns.incoming.insert(turns.incoming.end(), frame.data.begin(), frame.data.end());
    return {};
}

}  // namespace

Result<TlsFrame> parse_tls(Bytes octets) {
    Reader reader(octets);
    const auto flags = reader.be<std::uint8_t>();
    TlsFrame frame{.more = (flags & kMore) != 0, .start = (flags & kStart) != 0, .total = {}};
    if ((flags & kLength) != 0) {
        frame.total = reader.be<std::uint32_t>();
    }
    const Bytes data = reader.rest();
    if (!reader.ok()) {
        return malformed(fmt::format("a packet ends after {} octets of its flags and length", octets.size()));
    }
    frame.data.assign(data.begin(), data.end());
    return frame;
}

Octets emit_tls(const TlsFrame& frame) {
    Writer writer;
    writer.be(static_cast<std::uint8_t>((frame.total ? kLength : 0U) | (frame.more ? kMore : 0U) |
                                        (frame.start ? kStart : 0U)));
    if (frame.total) {
        writer.be(*frame.total);
    }
    writer.raw(frame.data);
    return std::move(writer).release();
}

Octets alert_to(Bytes turn, std::uint8_t alert) {
    Reader records(turn);
    while (!records.finished()) {
        const auto type = records.be<std::uint8_t>();
        const Bytes version = records.take(sizeof(kVersion));
        const Bytes said = records.prefixed<std::uint16_t>();
        // TLS 1.3 encrypts what comes behind its ServerHello, and all of that looks like data.
        if (type != kHandshake || version.empty() || said.empty()) {
            return {};
        }
    }
    Writer writer;
    writer.be(kAlert).be(kVersion).prefixed<std::uint16_t>(std::array{kFatal, alert});
    return std::move(writer).release();
}

Octets speak(TlsTurns& turns, Octets records) {
    turns.outgoing = std::move(records);
    // Section 3.1: "The L bit […] MUST be set for the first fragment of a fragmented TLS message or set of messages."
    const bool several = turns.outgoing.size() > kTlsFragment;
    return next_fragment(turns,
                         several ? std::optional(static_cast<std::uint32_t>(turns.outgoing.size())) : std::nullopt);
}

Result<Heard> hear(TlsTurns& turns, const TlsFrame& frame) {
    if (!turns.outgoing.empty()) {
        // Section 2.1.5: it "MUST respond with an EAP-Response with EAP-Type=EAP-TLS and no data", to each fragment.
        if (frame.more || !frame.data.empty()) {
            return malformed("it speaks before it has all of our message");
        }
        return Heard{.answer = next_fragment(turns, {})};
    }
    if (auto taken = append(turns, frame); !taken) {
        return pass_on(std::move(taken));
    }
    if (frame.more) {
        return frame.data.empty() ? Result<Heard>(malformed("a fragment has nothing in it"))
                                  : Heard{.answer = emit_tls({.total = {}})};
    }
    if (turns.total && *turns.total != turns.incoming.size()) {
        return malformed(
            fmt::format("a message of {} octets said that it has {}", turns.incoming.size(), *turns.total));
    }
    turns.total.reset();
    return Heard{.answer = {}, .turn = std::exchange(turns.incoming, {})};
}

}  // namespace keysluice::eap
