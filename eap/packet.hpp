#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace keysluice::eap {

using Octets = std::vector<std::uint8_t>;

enum class Code : std::uint8_t { request = 1, response = 2, success = 3, failure = 4 };

/// What a request asks for, and a response answers with; may be a value without a name.
enum class Type : std::uint8_t {
    none = 0,  ///< of success and failure, which have none; in a Nak: no method at all
    identity = 1,
    notification = 2,
    nak = 3,
    tls = 13,
    mschapv2 = 26,
};

/// RFC 3748 section 4.
struct Packet {
    Code code = Code::request;
    std::uint8_t id = 0;  ///< a response has its request's
    Type type = Type::none;
    Octets data = {};  ///< behind the type

    bool operator==(const Packet&) const = default;
};

/// Fails with "eap-malformed".
[[nodiscard]] Result<Packet> parse(Bytes octets);
[[nodiscard]] Octets emit(const Packet& packet);

/// "MS-CHAP-V2", "type 4".
[[nodiscard]] std::string name_of(Type type);

}  // namespace keysluice::eap
