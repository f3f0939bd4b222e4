#include "dbus/resolver.hpp"

#include <fmt/format.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "daemon/shared/log.hpp"
#include "dbus/common/name_owners.hpp"

namespace keysluice::bus {
namespace {

constexpr std::chrono::seconds kPatience{10};
constexpr const char* kName = "org.freedesktop.resolve1";
constexpr const char* kInterface = "org.freedesktop.resolve1.Manager";

/// SetLinkDNS: address family and octets.
using Address = sdbus::Struct<std::int32_t, std::vector<std::uint8_t>>;
/// SetLinkDomains: a name, and whether it only says where questions go.
using Domain = sdbus::Struct<std::string, bool>;

std::vector<Address> addresses_of(const std::vector<IpAddress>& servers) {
    std::vector<Address> addresses;
    addresses.reserve(servers.size());
    for (const IpAddress& server : servers) {
        const Bytes octets = server.octets();
        addresses.emplace_back(server.family() == Family::ipv4 ? AF_INET : AF_INET6,
                               std::vector<std::uint8_t>(octets.begin(), octets.end()));
    }
    return addresses;
}

/// "~." stands for all names.
std::vector<Domain> domains_of(const std::vector<std::string>& names) {
    if (names.empty()) {
        return {Domain{".", true}};
    }
    std::vector<Domain> domains;
    domains.reserve(names.size());
    for (const std::string& name : names) {
        domains.emplace_back(name, true);
    }
    return domains;
}

template <typename Value>
void add_missing(std::vector<Value>& to, const std::vector<Value>& from) {
    std::ranges::copy_if(from, std::back_inserter(to),
                         [&to](const Value& each) { return std::ranges::find(to, each) == to.end(); });
}

}  // namespace

Resolver::Resolver(sdbus::IConnection& connection)
    : bus_(message_bus(connection)),
      resolved_(sdbus::createProxy(connection, BusName{kName}, sdbus::ObjectPath{"/org/freedesktop/resolve1"})) {
    owners_ = watch_name_owners(connection, fmt::format("arg0='{}'", kName),
                                [this](const std::string&, const std::string& owner) { on_owner(owner); });
    ask_name_owner(*bus_, kName, [this](const std::string& owner) { on_owner(owner); });
}

/// What the one before knew, this one may or may not.
void Resolver::on_owner(const std::string& owner) {
    there_ = !owner.empty();
    for (auto& [interface, told] : told_) {
        told = unknown();
    }
    tell_all();
}

void Resolver::put(const control::Setup& setup) {
    for (const control::ConnectionView& connection : setup.connections) {
        if (!settled_ && !connection.interface.empty()) {
            told_.try_emplace(connection.interface, unknown());
        }
    }
}

void Resolver::put(const control::IkeSaView& sa) {
    if (sa.interface.empty() || sa.given.dns.empty()) {
        return;
    }
    sas_[sa.own] = {.interface = sa.interface, .servers = {.dns = sa.given.dns, .domains = sa.given.domains}};
    tell(sa.interface);
}

void Resolver::remove(ike::IkeSpi spi) {
    if (const auto gone = sas_.extract(spi)) {
        tell(gone.mapped().interface);
    }
}

void Resolver::settle() {
    settled_ = true;
    tell_all();
}

void Resolver::tell_all() {
    for (const auto& [interface, servers] : std::map(told_)) {
        tell(interface);
    }
}

Resolver::Servers Resolver::wanted(const std::string& interface) const {
    Servers wanted;
    bool all = false;
    for (const auto& [spi, from] : sas_) {
        if (from.interface == interface) {
            add_missing(wanted.dns, from.servers.dns);
            add_missing(wanted.domains, from.servers.domains);
            all |= from.servers.domains.empty();
        }
    }
    if (all) {
        wanted.domains.clear();
    }
    return wanted;
}

void Resolver::tell(const std::string& interface) {
    Servers wanted = this->wanted(interface);
    Servers& told = told_[interface];
    if (!settled_ || !there_ || told == wanted) {
        return;
    }
    if (wanted.dns.empty()) {
        call("RevertLink", interface);
    } else {
        call("SetLinkDNS", interface, addresses_of(wanted.dns));
        call("SetLinkDomains", interface, domains_of(wanted.domains));
        call("SetLinkDefaultRoute", interface, wanted.domains.empty());
    }
    told = std::move(wanted);
}

template <typename... Arguments>
void Resolver::call(const char* method, const std::string& interface, const Arguments&... arguments) {
    const auto index = static_cast<std::int32_t>(if_nametoindex(interface.c_str()));
    if (index == 0) {
        return;  // it is gone, and all that was told about it
    }
    resolved_->callMethodAsync(method)
        .onInterface(kInterface)
        .withTimeout(kPatience)
        .withArguments(index, arguments...)
        .uponReplyInvoke([failure = failure_, method, interface](ReplyError error) {
            const std::string text = error ? error->getMessage() : "";
            if (!text.empty() && text != *failure) {
                const Error refused{
                    "resolver-refused",
                    fmt::format("systemd-resolved does not take the resolvers of interface {} ({}): {}", interface,
                                method, text)};
                log_warning("{} ({})", refused.sentence, refused.reason);
            }
            *failure = text;
        });
}

}  // namespace keysluice::bus
