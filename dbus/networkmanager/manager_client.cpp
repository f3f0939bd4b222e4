#include "dbus/networkmanager/manager_client.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "dbus/common/failure.hpp"
#include "dbus/common/name_owners.hpp"

namespace keysluice::networkmanager {
namespace {

constexpr const char* kName = "org.keysluice1";
constexpr const char* kManager = "org.keysluice1.Manager";
/// It reads its whole configuration, and looks up the peer's name, before it answers.
constexpr std::chrono::seconds kPatience{60};

Result<UniqueFd> sealed(const GivenSecret& secret) {
    UniqueFd file(memfd_create("keysluice-secret", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const Bytes key = secret.expose();
    if (!file || ::write(file.get(), key.data(), key.size()) != static_cast<ssize_t>(key.size()) ||
        fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        return fail("memory-file-failed", fmt::format("a memory file for the key: {}", std::strerror(errno)));
    }
    return file;
}

/// A CHILD SA that carries traffic, or whose successor is about to.
bool carries(const bus::ChildRow& child) {
    const std::string& state = std::get<1>(child);
    return state == "installed" || state == "inbound-only";
}

/// "192.0.2.1:500" and "[2001:db8::1]:4500" without the port.
std::string address_of(const std::string& endpoint) {
    const std::string host = endpoint.substr(0, endpoint.rfind(':'));
    return host.starts_with('[') ? host.substr(1, host.size() - 2) : host;
}

template <typename Value>
Value value_of(const bus::Dictionary& properties, const char* name) {
    const auto found = properties.find(name);
    return found == properties.end() ? Value{} : found->second.get<Value>();
}

Standing standing_of(const bus::SaRow& row) {
    using Texts = std::vector<std::string>;
    const bus::Dictionary& more = std::get<13>(row);
    return {.gateway = address_of(std::get<6>(row)),
            .interface = value_of<std::string>(more, "interface"),
            .addresses = value_of<Texts>(more, "virtual_addresses"),
            .dns = value_of<Texts>(more, "dns"),
            .domains = value_of<Texts>(more, "domains")};
}

}  // namespace

ManagerClient::ManagerClient(sdbus::IConnection& connection, OnEvent on_event)
    : connection_(connection),
      on_event_(std::move(on_event)),
      manager_(sdbus::createProxy(connection, bus::BusName{kName}, sdbus::ObjectPath{"/org/keysluice1"})) {
    owners_ = bus::watch_name_owners(connection_, fmt::format("arg0='{}'", kName),
                                     [this](const std::string&, const std::string& owner) { on_owner(owner); });
    manager_->uponSignal("Events").onInterface(kManager).call(
        [this](std::uint64_t first, const std::vector<bus::EventRow>& rows) { on_events(first, rows); });
    bus::finish_registration(*manager_);
}

Result<void> ManagerClient::use(Profile profile, GivenSecrets secrets) {
    profile_ = std::move(profile);
    private_key_ = std::move(secrets.private_key);
    const auto keep = [](bool taken, const GivenSecret& secret, UniqueFd& into) -> Result<void> {
        auto file = taken ? sealed(secret) : Result<UniqueFd>();
        if (!file) {
            return pass_on(std::move(file));
        }
        into = *std::move(file);
        return {};
    };
    auto kept = keep(profile_.takes_psk, secrets.psk, psk_);
    return kept ? keep(profile_.takes_password, secrets.password, password_) : kept;
}

void ManagerClient::on_owner(const std::string& owner) {
    const bool was_there = std::exchange(there_, !owner.empty());
    if (was_there) {
        ++absences_;
        on_event_(KeysluicedGone{});
    }
    if (there_) {
        on_event_(KeysluicedBack{});
    }
}

void ManagerClient::on_events(std::uint64_t first, const std::vector<bus::EventRow>& rows) {
    const bool missed = std::exchange(next_event_, first + rows.size()) != first;
    bool changed = missed;
    for (const bus::EventRow& row : rows) {
        if (std::get<2>(row) != profile_.name) {
            continue;
        }
        if (std::get<1>(row) == "failed") {
            const Error why = bus::from_bus_error(bus::make_error(
                "org.keysluice1.Error.Failed", fmt::format("{} ({})", std::get<9>(row), std::get<8>(row))));
            on_event_(Failed{why});
        } else {
            changed = true;
        }
    }
    if (changed) {
        on_event_(Changed{});
    }
}

/// The bus itself answers for who has gone; that he has gone it tells, too, before or after this.
bool ManagerClient::gone(bus::ReplyError error) const {
    return error && error->getName() == "org.freedesktop.DBus.Error.NoReply";
}

std::function<void(bus::ReplyError, std::uint32_t)> ManagerClient::answered(Reply reply) {
    return [this, absence = absences_, reply = std::move(reply)](bus::ReplyError error, std::uint32_t) {
        if (absence != absences_) {
            return;
        }
        if (gone(error)) {
            there_ = true;  // or it could not have been asked
            on_owner({});
            return;
        }
        there_ = there_ || !error;
        reply(error ? Result<void>(std::unexpected(bus::from_bus_error(*error))) : Result<void>());
    };
}

void ManagerClient::add() {
    bus::Dictionary options{{"owned", sdbus::Variant{true}}};
    if (psk_) {
        options.emplace("psk", sdbus::Variant{sdbus::UnixFd(psk_.get())});
    }
    if (password_) {
        options.emplace("eap_password", sdbus::Variant{sdbus::UnixFd(password_.get())});
    }
    if (private_key_) {
        options.emplace("private_key", sdbus::Variant{sdbus::UnixFd(private_key_.get())});
    }
    manager_->callMethodAsync("AddConnection")
        .onInterface(kManager)
        .withTimeout(kPatience)
        .withArguments(profile_.toml, options)
        .uponReplyInvoke(answered([this](const Result<void>& outcome) { on_event_(Added{outcome}); }));
}

void ManagerClient::begin() {
    manager_->callMethodAsync("Up")
        .onInterface(kManager)
        .withTimeout(kPatience)
        .withArguments(profile_.name, bus::Dictionary{})
        .uponReplyInvoke(answered([this](const Result<void>& outcome) { on_event_(Begun{outcome}); }));
}

void ManagerClient::look() {
    manager_->callMethodAsync("ListSas")
        .onInterface(kManager)
        .withTimeout(kPatience)
        .withArguments(bus::Dictionary{{"connection", sdbus::Variant{profile_.name}}}, std::string(), 0U)
        .uponReplyInvoke([this, absence = absences_](bus::ReplyError error, const std::vector<bus::SaRow>& rows,
                                                     const std::string&) {
            if (absence != absences_ || error) {  // who fails to say has gone, or says it with what comes next
                return;
            }
            const auto stands = std::ranges::find_if(
                rows, [](const bus::SaRow& row) { return std::ranges::any_of(std::get<12>(row), carries); });
            on_event_(Seen{stands == rows.end() ? std::nullopt : std::optional(standing_of(*stands))});
        });
}

void ManagerClient::remove() {
    close([](const Result<void>&) {});  // at once: the configuration may take a while
    manager_->callMethodAsync("RemoveConnection")
        .onInterface(kManager)
        .withTimeout(kPatience)
        .withArguments(profile_.name, bus::Dictionary{})
        .uponReplyInvoke(answered([this](const Result<void>& removed) {
            // Meanwhile a packet may have begun it anew.
            close([this, removed](const Result<void>&) { on_event_(Removed{removed}); });
        }));
}

void ManagerClient::close(Reply then) {
    manager_->callMethodAsync("Down")
        .onInterface(kManager)
        .withTimeout(kPatience)
        .withArguments(profile_.name, bus::Dictionary{})
        .uponReplyInvoke(answered(std::move(then)));
}

}  // namespace keysluice::networkmanager
