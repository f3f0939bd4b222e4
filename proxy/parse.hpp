#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "proxy/header.hpp"
#include "proxy/wire.hpp"

namespace keysluice::proxy {

/// "proxy-header-malformed", with what is wrong.
[[nodiscard]] std::unexpected<Error> malformed(std::string_view what);

/// A line of version 1 without its CRLF.
[[nodiscard]] Result<Ends> parse_line(std::string_view line);

/// What stands in front of every block of version 2.
struct FixedPart {
    Command command = Command::local;
    AddressFamily family = AddressFamily::unspecified;
    Transport transport = Transport::unspecified;
    std::size_t length = 0;  ///< of what follows
};
[[nodiscard]] Result<FixedPart> parse_fixed_part(std::span<const std::uint8_t, kFixedSize> octets);

/// A whole block of version 2, of which `fixed` is the beginning.
[[nodiscard]] Result<Header> parse_block(const FixedPart& fixed, Bytes block);

}  // namespace keysluice::proxy
