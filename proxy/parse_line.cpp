#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <optional>

#include "proxy/parse.hpp"

namespace keysluice::proxy {

namespace {

/// Up to the next space, which is taken too. Two in a row leave an empty word, which is nothing valid.
std::string_view take_word(std::string_view& line) {
    const std::size_t space = line.find(' ');
    const std::string_view word = line.substr(0, space);
    line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
    return word;
}

/// 2.1: "Heading zeroes are not permitted in front of numbers".
std::optional<std::uint16_t> parse_port(std::string_view digits) {
    std::uint16_t port = 0;
    const char* end = std::to_address(digits.end());
    const auto [rest, error] = std::from_chars(std::to_address(digits.begin()), end, port);
    const bool padded = digits.size() > 1 && digits.starts_with('0');
    return error == std::errc() && rest == end && !padded ? std::optional(port) : std::nullopt;
}

std::optional<IpAddress> parse_address(std::string_view text, Family family) {
    const auto address = IpAddress::parse(text);
    return address && address->family() == family ? address : std::nullopt;
}

}  // namespace

std::unexpected<Error> malformed(std::string_view what) {
    return fail("proxy-header-malformed", fmt::format("a PROXY header is not as its protocol says: {}", what));
}

Result<Ends> parse_line(std::string_view line) {
    line.remove_prefix(kVersion1.size());
    // 2.1: "For "UNKNOWN", […] the receiver must ignore anything presented before the CRLF is found."
    if (line == kUnknown || line.starts_with(fmt::format("{} ", kUnknown))) {
        return Ends();
    }
    const bool open_end = line.ends_with(' ');
    const std::string_view protocol = take_word(line);
    if (protocol != kTcp4 && protocol != kTcp6) {
        return malformed("its protocol is none of TCP4, TCP6 and UNKNOWN");
    }
    const Family family = protocol == kTcp4 ? Family::ipv4 : Family::ipv6;
    const auto source = parse_address(take_word(line), family);
    const auto destination = parse_address(take_word(line), family);
    const auto source_port = parse_port(take_word(line));
    const auto destination_port = parse_port(take_word(line));
    if (!source || !destination || !source_port || !destination_port || !line.empty() || open_end) {
        return malformed("two addresses and two ports are expected behind TCP4 or TCP6");
    }
    Result<Ends> ends;
    auto& tcp = ends->emplace<TcpEnds>();
    tcp.source = {*source, *source_port};
    tcp.destination = {*destination, *destination_port};
    return ends;
}

}  // namespace keysluice::proxy
