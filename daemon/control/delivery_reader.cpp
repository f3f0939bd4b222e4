#include "daemon/control/delivery_reader.hpp"

#include <fmt/format.h>
#include <pwd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "daemon/shared/quoted.hpp"

namespace keysluice::control {
namespace {

constexpr std::string_view kConflict = "delivery-conflict";
constexpr std::string_view kEndsUnseen = "what an application does with its sockets is not seen";

bool is_submit(const Endpoint& endpoint) {
    return std::holds_alternative<SubmitEndpoint>(endpoint);
}

std::optional<uid_t> user_of(const std::string& text) {
    constexpr auto kNobody = static_cast<uid_t>(-1);
    uid_t number = kNobody;
    const char* const end = text.data() + text.size();
    if (const auto [stop, error] = std::from_chars(text.data(), end, number);
        error == std::errc{} && stop == end && number != kNobody) {
        return number;
    }
    passwd entry{};
    passwd* found = nullptr;
    std::array<char, 16UL * 1024> space{};
    const bool known = getpwnam_r(text.c_str(), &entry, space.data(), space.size(), &found) == 0 && found != nullptr;
    return known ? std::optional(found->pw_uid) : std::nullopt;
}

void read_users(Section& section, std::vector<std::string>& users) {
    for (const PlacedText& user : section.texts("application_users", kMostNames, "shop")) {
        if (const auto number = user_of(user.text)) {
            users.push_back(std::to_string(*number));
        } else {
            section.report(user.where, "no-such-user",
                           fmt::format("application_users: this host knows no user {}: expected a name or a number",
                                       in_quotes(user.text)));
        }
    }
}

/// What stands in `connect` is of the kind that `deliver` needs.
void check_targets(Section& section, const TlsService& service, const ServiceSource& source) {
    refuse_submissions(section, service.connect, source.connect);
    const bool handoff = service.mode == Mode::server && service.deliver == Deliver::handoff;
    for (std::size_t i = 0; i < service.connect.size(); ++i) {
        const Endpoint& target = service.connect[i];
        if (handoff && !is_submit(target) && !std::holds_alternative<UnixEndpoint>(target)) {
            section.report(source.connect[i], kConflict,
                           fmt::format("connect: {}: deliver = \"handoff\" gives sockets to applications of this "
                                       "host: expected \"unix:/PATH\", where one listens",
                                       to_string(target)));
        }
    }
}

struct Excluded {
    std::string_view key;
    bool set;
    std::string_view why;
};

/// Somebody may rely on a key that would have no effect.
void check_the_rest(Section& section, const TlsService& service) {
    const bool handoff = service.deliver == Deliver::handoff;
    const bool submitted = takes_submissions(service);
    const bool relays = !handoff && !only_submitted(service);
    const std::array excluded{
        Excluded{"offload", service.offload == Offload::off,
                 "only the kernel's connections can be given to an application: expected \"auto\" or \"require\""},
        Excluded{"rekey_after", service.rekey_after.set(),
                 "who has the socket changes its keys, which is the application then"},
        Excluded{"send_proxy", !relays && service.send_proxy != SendProxy::none,
                 "an application is told of the client beside the socket"},
        Excluded{"routes", !service.routes.empty(), "applications are those of connect, or submit"},
        Excluded{"max_connections", service.limits.connections != 0, kEndsUnseen},
        Excluded{"max_connections_per_address", service.limits.connections_per_address != 0, kEndsUnseen},
        Excluded{"idle_timeout", service.limits.idle.count() != 0, kEndsUnseen},
        Excluded{"connection_lifetime", service.limits.lifetime.count() != 0, kEndsUnseen}};
    for (const Excluded& each : excluded) {
        if ((handoff || submitted) && each.set) {
            section.report(section.position(each.key), kConflict,
                           fmt::format("{} can't stand beside {}: {}", each.key,
                                       handoff ? "deliver = \"handoff\"" : "\"submit:/PATH\" in listen", each.why));
        }
    }
    if (handoff || submitted) {
        section.require("application_users", handoff ? "deliver = \"handoff\"" : "\"submit:/PATH\" in listen");
    } else if (section.has("application_users")) {
        section.report(section.position("application_users"), kConflict,
                       "application_users is for deliver = \"handoff\" and for \"submit:/PATH\" in listen");
    }
}

void check_client(Section& section, const TlsService& service) {
    if (service.deliver == Deliver::handoff) {
        section.report(section.position("deliver"), "wrong-mode",
                       "deliver = \"handoff\" is for mode = \"server\": in client mode the application has a socket");
    }
    if (takes_submissions(service)) {
        section.report(section.position("listen"), "wrong-mode", "listen: \"submit:/PATH\" is for mode = \"server\"");
    }
}

}  // namespace

bool takes_submissions(const TlsService& service) {
    return std::ranges::any_of(service.listen, is_submit);
}

bool only_submitted(const TlsService& service) {
    return !service.listen.empty() && std::ranges::all_of(service.listen, is_submit);
}

void refuse_submissions(Section& section, const std::vector<Endpoint>& connect, const std::vector<Position>& places) {
    for (std::size_t i = 0; i < connect.size(); ++i) {
        if (is_submit(connect[i])) {
            section.report(places[i], "bad-endpoint",
                           fmt::format("connect: {}: \"submit:/PATH\" is for listen", to_string(connect[i])));
        }
    }
}

void read_delivery(Section& section, TlsService& service, const ServiceSource& source) {
    section.choice("deliver", kDeliverNames, service.deliver);
    read_users(section, service.application_users);
    switch (service.mode) {
        case Mode::server:
            check_targets(section, service, source);
            check_the_rest(section, service);
            return;
        case Mode::client:
            check_targets(section, service, source);
            check_client(section, service);
            return;
    }
}

}  // namespace keysluice::control
