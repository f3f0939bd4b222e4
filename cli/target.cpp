#include "cli/target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "daemon/shared/quoted.hpp"

namespace keysluice::cli {
namespace {

constexpr std::size_t kIkeDigits = 16;
constexpr std::size_t kChildDigits = 8;
constexpr std::string_view kSocket = "sk:";

Result<void> count_all(Service& service, std::vector<TlsService>& services) {
    for (TlsService& each : services) {
        if (auto counted = service.count(each); !counted) {
            return counted;
        }
    }
    return {};
}

/// Those of a name among what is configured.
Target configured_as(const Configured& configured, const std::string& name) {
    Target target;
    for (const Connection& each : configured.connections) {
        if (each.name == name || std::ranges::find(each.groups, name) != each.groups.end()) {
            target.connections.push_back(each);
        }
    }
    for (const TlsService& each : configured.services) {
        if (each.name == name || std::ranges::find(each.groups, name) != each.groups.end()) {
            target.services.push_back(each);
        }
    }
    return target;
}

/// IKE SAs of a connection or group.
Result<std::vector<IkeSa>> sas_called(Service& service, const std::string& name) {
    auto sas = service.ike_sas({.connection = name, .group = {}});
    return sas && sas->empty() ? service.ike_sas({.connection = {}, .group = name}) : std::move(sas);
}

Result<std::vector<IkeSa>> sa_of(Service& service, SpiText spi) {
    auto all = service.ike_sas({});
    if (!all) {
        return all;
    }
    const IkeSa* found = find_by_spi(*all, spi);
    return found == nullptr ? std::vector<IkeSa>() : std::vector{*found};
}

Result<Target> look_up_session(Service& service, std::uint64_t id) {
    const auto sessions = service.tls_sessions({});
    if (!sessions) {
        return std::unexpected(sessions.error());
    }
    const auto found = std::ranges::find(*sessions, id, &TlsSession::id);
    if (found == sessions->end()) {
        return fail("not-found", fmt::format("there is no TLS session {}; keysluice list has those that there are",
                                             session_text(id)));
    }
    Target target;
    target.sessions.push_back(*found);
    return target;
}

}  // namespace

std::optional<SpiText> read_spi(std::string_view text) {
    if (text.starts_with("0x")) {
        text.remove_prefix(2);
    }
    SpiText spi{.value = 0, .of_child = text.size() == kChildDigits};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), spi.value, 16);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    return whole && (spi.of_child || text.size() == kIkeDigits) && spi.value != 0 ? std::optional(spi) : std::nullopt;
}

const IkeSa* find_by_spi(const std::vector<IkeSa>& sas, SpiText spi) {
    const auto found = std::ranges::find_if(sas, [spi](const IkeSa& sa) {
        if (!spi.of_child) {
            return sa.spi == spi.value || sa.peer_spi == spi.value;
        }
        return std::ranges::any_of(sa.children, [spi](const ChildSa& child) {
            return child.spi_in == spi.value || child.spi_out == spi.value;
        });
    });
    return found == sas.end() ? nullptr : &*found;
}

Result<void> count_all(Service& service, std::vector<IkeSa>& sas) {
    for (IkeSa& sa : sas) {
        if (auto counted = service.count(sa); !counted && counted.error().reason != "not-found") {
            return counted;
        }
    }
    return {};
}

std::string session_text(std::uint64_t id) {
    return fmt::format("sk:{:x}", id);
}

std::optional<std::uint64_t> read_session(std::string_view text) {
    if (!text.starts_with(kSocket)) {
        return std::nullopt;
    }
    text.remove_prefix(kSocket.size());
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
    return error == std::errc{} && end == text.data() + text.size() && id != 0 ? std::optional(id) : std::nullopt;
}

Result<Target> look_up(Service& service, const std::string& name) {
    if (const auto session = read_session(name)) {
        return look_up_session(service, *session);
    }
    auto configured = service.configured();
    if (!configured) {
        return pass_on(std::move(configured));
    }
    Target target = configured_as(*configured, name);
    if (auto counted = count_all(service, target.services); !counted) {
        return pass_on(std::move(counted));
    }
    auto sas = sas_called(service, name);
    if (const auto spi = read_spi(name);
        spi && sas && sas->empty() && target.connections.empty() && target.services.empty()) {
        sas = sa_of(service, *spi);
    }
    if (!sas) {
        return pass_on(std::move(sas));
    }
    target.sas = std::move(*sas);
    if (target.connections.empty() && target.services.empty() && target.sas.empty()) {
        return fail("not-found",
                    fmt::format("no connection, group, TLS service or SA is called {}; keysluice list has "
                                "those that there are",
                                in_quotes(name)));
    }
    return target;
}

Result<Target> look_up_all(Service& service) {
    auto configured = service.configured();
    if (!configured) {
        return pass_on(std::move(configured));
    }
    Target target{
        .connections = std::move(configured->connections), .services = std::move(configured->services), .sas = {}};
    if (auto counted = count_all(service, target.services); !counted) {
        return pass_on(std::move(counted));
    }
    auto sas = service.ike_sas({});
    if (!sas) {
        return pass_on(std::move(sas));
    }
    target.sas = std::move(*sas);
    return target;
}

}  // namespace keysluice::cli
