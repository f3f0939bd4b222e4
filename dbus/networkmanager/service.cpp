#include "dbus/networkmanager/service.hpp"

#include <fmt/format.h>

#include <array>
#include <sstream>
#include <utility>

#include "daemon/shared/clock.hpp"
#include "daemon/shared/log.hpp"
#include "dbus/common/name_owners.hpp"
#include "dbus/networkmanager/ip_config.hpp"
#include "dbus/networkmanager/private_files.hpp"

namespace keysluice::networkmanager {
namespace {

enum class Refusal : std::uint8_t {
    starting_in_progress,
    already_started,
    stopping_in_progress,
    already_stopped,
    wrong_state,
    bad_arguments,
    interactive_not_supported
};

/// NetworkManager's names of errors, in the order of the enumerators.
constexpr std::array kRefusals{"StartingInProgress", "AlreadyStarted", "StoppingInProgress",     "AlreadyStopped",
                               "WrongState",         "BadArguments",   "InteractiveNotSupported"};

[[noreturn]] void refuse(Refusal refusal, const std::string& sentence) {
    const std::string name =
        fmt::format("org.freedesktop.NetworkManager.VPN.Error.{}", kRefusals.at(static_cast<std::size_t>(refusal)));
    throw bus::make_error(name.c_str(), sentence);
}

[[noreturn]] void refuse(const Error& error) {
    log_error("{} ({})", error.sentence, error.reason);
    refuse(Refusal::bad_arguments, fmt::format("{} ({})", error.sentence, error.reason));
}

/// What is wrong with a configuration has several lines, each with its reason.
void log_note(const Note& note) {
    if (!note.sentence.contains('\n')) {
        log_warning("{} ({})", note.sentence, note.reason);
        return;
    }
    std::istringstream lines(note.sentence);
    for (std::string line; std::getline(lines, line);) {
        log_warning("{}", line);
    }
}

template <typename... Functions>
struct Overloaded : Functions... {
    using Functions::operator()...;
};

}  // namespace

Service::Service(Loop& loop, sdbus::IConnection& connection, std::function<void()> ended)
    : AdaptorInterfaces(connection, sdbus::ObjectPath{kPath}),
      loop_(loop),
      connection_(connection),
      ended_(std::move(ended)),
      bus_(bus::message_bus(connection)),
      manager_(connection, [this](const Event& event) { on(event); }),
      timer_(loop, [this] { on(TimeUp{}); }) {
    registerAdaptor();
    perform(Tunnel::begin());
}

Service::~Service() {
    unregisterAdaptor();
}

void Service::Connect(const Settings& connection) {
    using enum networkmanager::State;
    switch (tunnel_.state()) {
        case init:
            break;
        case starting:
            refuse(Refusal::starting_in_progress, "this tunnel is being started");
        case started:
            refuse(Refusal::already_started, "this tunnel stands");
        case stopping:
            refuse(Refusal::stopping_in_progress, "this tunnel is being stopped");
        case stopped:
            refuse(Refusal::wrong_state, "this process was for one tunnel, which is stopped");
    }
    auto request = read_request(connection);
    const auto complete = request ? read_private_files(*request) : std::unexpected(request.error());
    auto profile = complete ? read_profile(*request) : std::unexpected(complete.error());
    const auto used =
        profile ? manager_.use(*std::move(profile), std::move(request->secrets)) : pass_on(std::move(profile));
    if (!used) {
        stop();  // nobody calls again
        refuse(used.error());
    }
    follow_caller();
    log_info("{} is wanted", request->id);
    on(ConnectWanted{patience_for(*request), gateways_of(*request)});
}

void Service::follow_caller() {
    const std::string caller = bus::sender_of(getObject());
    const auto leave = [this](const std::string& owner) {
        if (owner.empty()) {
            log_warning("NetworkManager has left the bus");
            stop();
        }
    };
    caller_ = bus::watch_name_owners(connection_, fmt::format("arg0='{}'", caller),
                                     [leave](const std::string&, const std::string& owner) { leave(owner); });
    bus::ask_name_owner(*bus_, caller, leave);  // it may have left before
}

void Service::ConnectInteractive(const Settings& /*connection*/, const bus::Dictionary& /*details*/) {
    refuse(Refusal::interactive_not_supported, "all secrets are asked for before the tunnel is begun");
}

void Service::NewSecrets(const Settings& /*connection*/) {
    refuse(Refusal::interactive_not_supported, "all secrets are asked for before the tunnel is begun");
}

std::string Service::NeedSecrets(const Settings& settings) {
    const auto request = read_request(settings);
    if (!request) {
        refuse(request.error());
    }
    return lacks_secrets(*request) ? "vpn" : "";
}

void Service::Disconnect() {
    using enum networkmanager::State;
    switch (tunnel_.state()) {
        case stopped:
            refuse(Refusal::already_stopped, "there is no tunnel");
        case stopping:
            refuse(Refusal::stopping_in_progress, "this tunnel is being stopped");
        case init:  // no secrets were found
        case starting:
        case started:
            on(DisconnectWanted{});
    }
}

void Service::SetConfig(const bus::Dictionary& /*config*/) {
    refuse(Refusal::wrong_state, "keysluiced alone says what the tunnel is");
}

void Service::SetIp4Config(const bus::Dictionary& /*config*/) {
    refuse(Refusal::wrong_state, "keysluiced alone says what the tunnel is");
}

void Service::SetIp6Config(const bus::Dictionary& /*config*/) {
    refuse(Refusal::wrong_state, "keysluiced alone says what the tunnel is");
}

void Service::SetFailure(const std::string& /*reason*/) {
    refuse(Refusal::wrong_state, "keysluiced alone says what has failed");
}

void Service::on(const Event& event) {
    perform(tunnel_.on(event));
}

void Service::perform(const Actions& actions) {
    const Overloaded perform_one{
        [this](const Add&) { manager_.add(); },
        [this](const Begin&) { manager_.begin(); },
        [this](const Look&) { manager_.look(); },
        [this](const Remove&) { manager_.remove(); },
        [this](const ShowState& show) { emitStateChanged(static_cast<std::uint32_t>(show.state)); },
        [this](const ShowConfig& show) { show_config(show.tunnel); },
        [this](const ShowFailure& show) { emitFailure(static_cast<std::uint32_t>(show.failure)); },
        [](const Note& note) { log_note(note); },
        [this](const Arm& arm) { arm.after ? timer_.arm(now() + *arm.after) : timer_.disarm(); },
        [this](const End&) { loop_.defer(ended_); },
    };
    for (const Action& action : actions) {
        std::visit(perform_one, action);
    }
}

/// NetworkManager waits for each configuration that the first one announces.
void Service::show_config(const Standing& tunnel) {
    emitConfig(config_for(tunnel));
    if (const auto ipv4 = ip_config_for(tunnel, Family::ipv4)) {
        emitIp4Config(*ipv4);
    }
    if (const auto ipv6 = ip_config_for(tunnel, Family::ipv6)) {
        emitIp6Config(*ipv6);
    }
}

}  // namespace keysluice::networkmanager
