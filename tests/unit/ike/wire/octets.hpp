#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string_view>

#include "ike/wire/message.hpp"

namespace keysluice::ike::wire {

/// The octets of a hex dump; everything but hex digits is layout, and what stands behind a # is a comment.
inline Octets hex(std::string_view text) {
    Octets octets;
    bool comment = false;
    unsigned value = 0;
    unsigned digits = 0;
    for (const char c : text) {
        comment = (comment || c == '#') && c != '\n';
        const std::size_t digit = std::string_view("0123456789abcdef").find(c);
        if (comment || digit == std::string_view::npos) {
            continue;
        }
        value = value * 16 + static_cast<unsigned>(digit);
        if (++digits % 2 == 0) {
            octets.push_back(static_cast<std::uint8_t>(value));
            value = 0;
        }
    }
    REQUIRE(digits % 2 == 0);
    return octets;
}

inline Octets joined(std::initializer_list<Octets> parts) {
    Octets all;
    for (const Octets& part : parts) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

inline Octets big_endian(std::size_t value, std::size_t size) {
    Octets octets;
    while (size-- > 0) {
        octets.push_back(static_cast<std::uint8_t>(value >> (8 * size)));
    }
    return octets;
}

/// `body` as the only payload of a chain.
inline Result<std::vector<Payload>> parse_alone(PayloadType type, const Octets& body, std::uint8_t flags = 0) {
    return parse_payloads(type, joined({{0, flags}, big_endian(body.size() + 4, 2), body}));
}

template <typename P>
P parsed_alone(PayloadType type, const Octets& body) {
    const auto payloads = parse_alone(type, body);
    REQUIRE_MESSAGE(payloads, (payloads ? "" : payloads.error().sentence));
    REQUIRE(payloads->size() == 1);
    REQUIRE(std::holds_alternative<P>(payloads->front()));
    return std::get<P>(payloads->front());
}

/// The payload's body as it is emitted.
inline Octets emitted_alone(const Payload& payload) {
    const Octets chain = emit_payloads({payload}).bytes;
    REQUIRE(chain.size() >= 4);
    return {chain.begin() + 4, chain.end()};
}

/// Refused, with a sentence that says `why`.
inline void refused(PayloadType type, const Octets& body, std::string_view why) {
    const auto payloads = parse_alone(type, body);
    REQUIRE_FALSE_MESSAGE(payloads, std::string(why));
    CHECK(payloads.error().reason == "ike-malformed");
    CHECK_MESSAGE(payloads.error().sentence.contains(why), payloads.error().sentence);
}

}  // namespace keysluice::ike::wire
