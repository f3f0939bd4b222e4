#include "daemon/control/gateways_reader.hpp"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "daemon/shared/quoted.hpp"
#include "daemon/shared/service.hpp"

namespace keysluice::control {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kAny = "any";
constexpr std::array<std::string_view, 2> kOrderNames{"priority", "rotation"};
constexpr std::array<std::string_view, 3> kReturnNames{"never", "when-idle", "at-once"};
constexpr DurationRange kReturnRange{seconds(1), hours(24)};

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): `end` is the size
    const auto [stop, error] = std::from_chars(text.data(), end, port);
    return error == std::errc{} && stop == end && port != 0 ? std::optional(port) : std::nullopt;
}

/// "192.0.2.1", "2001:db8::1", "gw.example", each with a port behind it or without: "[2001:db8::1]:500".
std::optional<IkePeer> parse_peer(const PlacedText& item) {
    IkePeer peer{.host = item.text, .port = 0, .address = IpAddress::parse(item.text), .where = item.where};
    const bool bracketed = item.text.starts_with('[');
    const auto colon = item.text.rfind(bracketed ? "]:" : ":");
    if (!peer.address && colon != std::string::npos) {
        const auto port = parse_port(std::string_view(item.text).substr(colon + (bracketed ? 2 : 1)));
        if (!port) {
            return std::nullopt;
        }
        peer.port = *port;
        peer.host = bracketed ? item.text.substr(1, colon - 1) : item.text.substr(0, colon);
        peer.address = IpAddress::parse(peer.host);
        if (bracketed != (peer.address && peer.address->family() == Family::ipv6)) {
            return std::nullopt;
        }
    }
    if (item.text == kAny) {
        return std::nullopt;  // not one of several
    }
    const bool good = peer.address ? !peer.address->unspecified() : is_host_name(peer.host);
    return good ? std::optional(std::move(peer)) : std::nullopt;
}

void read_peer(Section& section, const PlacedText& item, IkeConnection& connection) {
    auto peer = parse_peer(item);
    const std::optional<IpAddress>& local = connection.rules->local;
    if (!peer) {
        section.report(item.where, "bad-address",
                       fmt::format("remote = {}: expected the peer's IPv4 or IPv6 address or its host name, with a "
                                   "port as in \"192.0.2.1:500\" or without, a list of them, or \"any\"",
                                   in_quotes(item.text)));
        return;
    }
    if (local && peer->address && local->family() != peer->address->family()) {
        section.report(item.where, "bad-address",
                       fmt::format("remote = {}: local = \"{}\" is an address of the other family",
                                   in_quotes(item.text), local->text()));
    }
    connection.peers.push_back(*std::move(peer));
}

void read_duration(Section& section, std::string_view key, Duration& into) {
    auto value = std::chrono::duration_cast<milliseconds>(into);
    section.duration(key, kReturnRange, value);
    into = value;
}

void read_choice(Section& section, ike::Gateways& gateways) {
    section.choice("remote_order", kOrderNames, gateways.order);
    section.choice("return", kReturnNames, gateways.back);
    read_duration(section, "return_check", gateways.check);
    read_duration(section, "return_idle", gateways.idle);
    if (gateways.order == ike::Gateways::Order::rotation && gateways.back != ike::Gateways::Return::never) {
        section.report(section.position("return"), "bad-return",
                       "return: with remote_order = \"rotation\" no gateway is better than another; expected "
                       "\"never\"");
    }
}

/// One string or several; whether they are any peer.
bool read_remote(Section& section, IkeConnection& connection) {
    const TomlValue* const value = section.value("remote");
    if (value == nullptr) {
        return true;
    }
    if (std::holds_alternative<TomlArray>(value->content)) {
        for (const PlacedText& item : section.texts("remote", kMostIkeItems, "gw1.example")) {
            read_peer(section, item, connection);
        }
        return false;
    }
    const std::string* const text = section.text("remote", "a string with an address, a host name or \"any\"");
    if (text == nullptr || *text == kAny) {
        return true;
    }
    read_peer(section, {*text, value->where}, connection);
    return false;
}

}  // namespace

bool read_gateways(Section& section, IkeConnection& connection) {
    connection.remote = section.position("remote");
    const bool anyone = read_remote(section, connection);
    if (!connection.peers.empty()) {
        connection.rules->remote = connection.peers.front().address;
    }
    read_choice(section, connection.rules->gateways);
    return anyone;
}

}  // namespace keysluice::control
