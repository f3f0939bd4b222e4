#include "dbus/rows.hpp"

#include <array>
#include <string_view>

#include "daemon/control/ike_configuration.hpp"
#include "dbus/errors.hpp"
#include "ike/proposal.hpp"

namespace keysluice::bus {
namespace {

// Names, signatures and padding of an object's properties and of a CHILD SA's members, with what states, addresses
// and suites may have at most, without the other texts.
constexpr std::size_t kFixedOfSa = 1800;
constexpr std::size_t kFixedOfChild = 480;
// A text beside its letters, and one with an address.
constexpr std::size_t kFixedOfText = 8;
constexpr std::size_t kLongestAddress = 39 + kFixedOfText;
// "192.168.100.100-192.168.200.200/255/10000-65535", and the same of IPv6, with length and padding.
constexpr std::size_t kLongestSelector4 = 47 + 8;
constexpr std::size_t kLongestSelector6 = 95 + 8;

std::string word(ike::Offload offload) {
    return std::string(control::kEspOffloadNames.at(static_cast<std::size_t>(offload)));
}

Dictionary addresses_of(const control::IkeSaView& sa) {
    Dictionary more;
    const auto add = [&](const char* key, const std::vector<std::string>& texts) {
        if (!texts.empty()) {
            more.emplace(key, sdbus::Variant{texts});
        }
    };
    add("virtual_addresses", control::texts(sa.given.addresses));
    add("assigned_addresses", control::texts(sa.assigned.addresses));
    add("dns", control::texts(sa.given.dns));
    add("domains", sa.given.domains);
    if (!sa.interface.empty()) {
        more.emplace("interface", sdbus::Variant{sa.interface});
    }
    return more;
}

HalfRow half(const xfrm::SaState& sa) {
    constexpr std::uint64_t kMicroseconds = 1'000'000;
    return HalfRow{sa.packets,
                   sa.bytes,
                   sa.soft.packets,
                   sa.soft.bytes,
                   sa.added_at * kMicroseconds,
                   sa.used_at * kMicroseconds};
}

}  // namespace

std::uint64_t microseconds(Instant moment) {
    if (moment == Instant::max()) {
        return 0;
    }
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(moment.time_since_epoch()).count());
}

std::uint64_t peer_spi(const control::IkeSaView& sa) {
    return sa.initiator ? sa.responder_spi : sa.initiator_spi;
}

CountersRows to_rows(const std::vector<control::ChildCounters>& children) {
    CountersRows rows;
    rows.reserve(children.size());
    for (const control::ChildCounters& child : children) {
        const xfrm::SaState in = child.in.value_or(xfrm::SaState{});
        rows.emplace_back(child.inbound.value, child.outbound.value, half(in),
                          half(child.out.value_or(xfrm::SaState{})), in.outside_window, in.replayed,
                          in.integrity_failed, Dictionary{});
    }
    return rows;
}

std::vector<RefusedRow> to_rows(const std::vector<control::RefusedChild>& refused) {
    std::vector<RefusedRow> rows;
    rows.reserve(refused.size());
    for (const control::RefusedChild& each : refused) {
        rows.emplace_back(each.child, std::string(each.why.reason), clean(each.why.sentence));
    }
    return rows;
}

ChildRows to_rows(const std::vector<control::ChildView>& children) {
    ChildRows rows;
    rows.reserve(children.size());
    for (const control::ChildView& child : children) {
        const control::OffloadState& offload = child.offload;
        rows.emplace_back(child.name, std::string(child.state), std::string(child.mode), child.inbound,
                          child.outbound, control::texts(child.local), control::texts(child.remote),
                          ike::print(child.suite), microseconds(child.rekey_at), word(offload.requested),
                          offload.in_force == ike::Offload::off ? "none" : word(offload.in_force), offload.device,
                          clean(offload.reason), Dictionary{});
    }
    return rows;
}

SaRow to_row(const control::IkeSaView& sa) {
    return SaRow{sa.own.value,
                 peer_spi(sa),
                 sa.connection,
                 sa.initiator,
                 std::string(sa.state),
                 sa.local.text(),
                 sa.remote.text(),
                 clean(sa.local_id),
                 clean(sa.remote_id),
                 control::suite_text(sa),
                 microseconds(sa.established_at),
                 microseconds(sa.rekey_at),
                 to_rows(sa.children),
                 addresses_of(sa)};
}

TlsSessionRow to_row(const control::TlsSessionView& session) {
    return TlsSessionRow{session.id.value,
                         session.service,
                         clean(session.local),
                         clean(session.remote),
                         clean(session.backend),
                         session.version,
                         clean(session.suite),
                         microseconds(session.since),
                         std::string(to_string(session.requested)),
                         session.in_force,
                         session.device,
                         clean(session.why),
                         Dictionary{}};
}

EventRow to_row(const control::Happening& happening) {
    const auto time = std::chrono::duration_cast<std::chrono::microseconds>(happening.time.time_since_epoch());
    Dictionary more;
    if (!happening.from.empty()) {
        more.emplace("from", sdbus::Variant{clean(happening.from)});
        more.emplace("to", sdbus::Variant{clean(happening.to)});
    }
    return EventRow{static_cast<std::uint64_t>(time.count()),
                    std::string(happening.kind),
                    happening.connection,
                    happening.child,
                    happening.sa.value,
                    happening.inbound.value,
                    happening.outbound.value,
                    clean(happening.peer),
                    clean(happening.reason),
                    clean(happening.sentence),
                    std::move(more)};
}

std::size_t size_on_bus(const control::IkeSaView& sa) {
    std::size_t size = kFixedOfSa + sa.connection.size() + sa.local_id.size() + sa.remote_id.size();
    const std::size_t addresses = sa.given.addresses.size() + sa.given.dns.size() + sa.assigned.addresses.size();
    size += sa.interface.size() + addresses * kLongestAddress;
    for (const std::string& domain : sa.given.domains) {
        size += kFixedOfText + domain.size();
    }
    for (const control::ChildView& child : sa.children) {
        size += kFixedOfChild + child.name.size() + child.offload.device.size() + child.offload.reason.size();
        for (const auto* selectors : {&child.local, &child.remote}) {
            for (const ike::wire::TrafficSelector& selector : *selectors) {
                size += selector.first.family() == Family::ipv4 ? kLongestSelector4 : kLongestSelector6;
            }
        }
    }
    return size;
}

}  // namespace keysluice::bus
