#include "cli/listing.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <utility>

#include "cli/algorithm_names.hpp"
#include "cli/printable.hpp"
#include "cli/target.hpp"

namespace keysluice::cli {
namespace {

/// Our words for states, and swanctl's.
constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kStates{{
    {"init-sent", "CONNECTING"},
    {"auth-sent", "CONNECTING"},
    {"signing", "CONNECTING"},
    {"verifying", "CONNECTING"},
    {"eap", "CONNECTING"},
    {"half-open", "CONNECTING"},
    {"replaced", "REKEYED"},
    {"closing", "DELETING"},
    {"inbound-only", "INSTALLING"},
    {"lingering", "REKEYED"},
}};

std::string upper(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](char letter) {
        return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
    });
    return result;
}

std::string state_of(std::string_view word, const Style& style) {
    const auto* const found = std::ranges::find(kStates, word, [](const auto& each) { return each.first; });
    const std::string state = found == kStates.end() ? upper(word) : std::string(found->second);
    return state == "ESTABLISHED" || state == "INSTALLED" ? style.good(state) : style.doubtful(state);
}

/// "192.0.2.1:500" as "192.0.2.1[500]", and an IPv6 address without its own brackets.
std::string end_of(std::string_view address) {
    const auto colon = address.rfind(':');
    if (colon == std::string_view::npos) {
        return std::string(address);
    }
    std::string_view host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    }
    return fmt::format("{}[{}]", host, address.substr(colon + 1));
}

std::int64_t seconds(Duration duration) {
    return std::max<std::int64_t>(0, std::chrono::floor<std::chrono::seconds>(duration).count());
}

/// ",   1234 bytes,    12 packets,     3s ago"
std::string counts_of(const Traffic& traffic, Instant now) {
    const std::string used =
        traffic.used == Instant::min() ? "" : fmt::format(", {:>5}s ago", seconds(now - traffic.used));
    return fmt::format(", {:>6} bytes, {:>5} packets{}", traffic.bytes, traffic.packets, used);
}

/// What the replay window and the integrity check have kept out, where they have.
std::string dropped(const ChildCounters& counters, const Style& style) {
    if (counters.outside_window == 0 && counters.replayed == 0 && counters.broken == 0) {
        return "";
    }
    const std::string text = fmt::format("dropped: {} outside the window, {} replayed, {} broken",
                                         counters.outside_window, counters.replayed, counters.broken);
    return fmt::format("    {}\n", style.doubtful(text));
}

std::string times_of(const ChildSa& child, Instant now) {
    std::string text;
    if (child.counters && child.counters->in.installed != Instant::min()) {
        text = fmt::format("installed {}s ago", seconds(now - child.counters->in.installed));
    }
    if (child.rekey_due != Instant::max()) {
        text += fmt::format("{}rekeying in {}s", text.empty() ? "" : ", ", seconds(child.rekey_due - now));
    }
    return text.empty() ? "" : fmt::format("    {}\n", text);
}

std::string lines_of(const ChildSa& child, Instant now, const Style& style) {
    std::string text =
        fmt::format("  {}: {}, {}, ESP:{}, offload: {}\n", style.strong(child.name), state_of(child.state, style),
                    upper(child.mode), swanctl_name(child.suite), offload_of(child));
    text += times_of(child, now);
    text += fmt::format("    in  {:08x}{}\n", child.spi_in, child.counters ? counts_of(child.counters->in, now) : "");
    text +=
        fmt::format("    out {:08x}{}\n", child.spi_out, child.counters ? counts_of(child.counters->out, now) : "");
    text += child.counters ? dropped(*child.counters, style) : "";
    text += fmt::format("    local  {}\n    remote {}\n", fmt::join(child.local_ts, " "),
                        fmt::join(child.remote_ts, " "));
    return text;
}

std::string lines_of(const IkeSa& sa, Instant now, const Style& style) {
    std::string text =
        fmt::format("{}: {}, IKEv2, {:016x}_i{} {:016x}_r{}\n", style.strong(sa.connection),
                    state_of(sa.state, style), sa.initiator ? sa.spi : sa.peer_spi, sa.initiator ? "*" : "",
                    sa.initiator ? sa.peer_spi : sa.spi, sa.initiator ? "" : "*");
    text += fmt::format("  local  '{}' @ {}\n", sa.local_id, end_of(sa.local));
    text += fmt::format("  remote '{}' @ {}\n", sa.remote_id.empty() ? "%any" : sa.remote_id, end_of(sa.remote));
    if (!sa.suite.empty()) {
        text += fmt::format("  {}\n", swanctl_name(sa.suite));
    }
    if (sa.established != Instant::min()) {
        text += fmt::format(
            "  established {}s ago{}\n", seconds(now - sa.established),
            sa.rekey_due == Instant::max() ? "" : fmt::format(", rekeying in {}s", seconds(sa.rekey_due - now)));
    }
    const auto add = [&text](std::string_view title, const std::vector<std::string>& texts) {
        if (!texts.empty()) {
            text += fmt::format("  {} {}\n", title, fmt::join(texts, " "));
        }
    };
    add("virtual addresses, given to us:", sa.virtual_addresses);
    add("virtual addresses, given to the peer:", sa.assigned_addresses);
    add("resolvers:", sa.dns);
    add("domains of these resolvers:", sa.domains);
    if (!sa.interface.empty()) {
        text += fmt::format("  interface {}\n", sa.interface);
    }
    return text;
}

}  // namespace

std::string offload_of(const ChildSa& child) {
    const bool software = child.offload.empty() || child.offload == "none";
    std::string text = software ? "sw" : fmt::format("{}({})", child.offload, child.offload_device);
    if (!child.offload_reason.empty()) {
        text += fmt::format(" ({})", child.offload_reason);
    } else if (software && child.offload_requested == "off") {
        text += " (not asked for)";
    }
    return text;
}

std::string listing(const IkeSa& as_it_came, Instant now, const Style& style, Depth depth) {
    const IkeSa sa = printable(as_it_came);
    std::string text = depth == Depth::children_only ? "" : lines_of(sa, now, style);
    for (const ChildSa& child : sa.children) {
        if (depth != Depth::ike_only) {
            text += lines_of(child, now, style);
        }
    }
    return text;
}

std::uint64_t counter_of(const TlsService& service, const std::string& name) {
    const auto found = service.counters.find(name);
    return found == service.counters.end() ? 0 : found->second;
}

std::string listing(const TlsService& as_it_came, const Style& style) {
    const TlsService service = printable(as_it_came);
    std::string text = fmt::format("{}: TLS {}, at least {}, offload asked for: {}\n", style.strong(service.name),
                                   service.mode, service.min_version, service.offload_requested);
    text +=
        fmt::format("  listen  {}\n  connect {}\n", fmt::join(service.listen, " "), fmt::join(service.connect, " "));
    text += fmt::format("  connections: {} in the kernel, {} in userspace, {} negotiating, {} accepted so far\n",
                        counter_of(service, "active-kernel"), counter_of(service, "active-userspace"),
                        counter_of(service, "negotiating"), counter_of(service, "accepted"));
    if (service.verify_peer == "none") {
        text += fmt::format("  {}: any server is trusted (verify_peer = \"none\")\n", style.bad("not verified"));
    }
    if (!service.open) {
        text += fmt::format("  {}: it listens no more until keysluice up {}\n", style.bad("down"), service.name);
    }
    for (const auto& [name, value] : service.counters) {
        const std::size_t colon = name.find(':');
        if (value > 0 && colon != std::string::npos) {
            const bool failed = name.starts_with("failed:");
            text += fmt::format("  {}: {} × {}\n", failed ? style.bad("failed") : "in userspace", value,
                                name.substr(colon + 1));
        }
    }
    if (service.silent > 0) {
        text += style.doubtful(
            fmt::format("  {} of its processes did not answer: what they count is missing\n", service.silent));
    }
    return text;
}

std::string listing(const TlsSession& as_it_came, Instant now, const Style& style) {
    const TlsSession session = printable(as_it_came);
    const bool by_engine = session.offload == "none";
    std::string carrier = by_engine                ? "an engine"
                          : session.device.empty() ? session.offload
                                                   : fmt::format("{}({})", session.offload, session.device);
    if (!session.reason.empty()) {
        carrier += fmt::format(" ({})", session.reason);
    }
    std::string text = fmt::format("  {}: TLS {}{}{}, carried by: {}\n", style.strong(session_text(session.id)),
                                   session.version, session.suite.empty() ? "" : ", ", session.suite, carrier);
    text += fmt::format("    {} from {}{}{}\n", session.local, session.remote,
                        session.backend.empty() ? "" : ", plaintext side ", session.backend);
    if (session.established != Instant::min()) {
        text += fmt::format("    established {}s ago\n", seconds(now - session.established));
    }
    return text;
}

}  // namespace keysluice::cli
