#include "daemon/shared/service_manager.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "daemon/shared/clock.hpp"

namespace keysluice {

namespace {

constexpr std::size_t kMostOwed = 256;

std::string_view variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

}  // namespace

ManagerContact ManagerContact::from_environment() {
    ManagerContact contact{.socket = std::string(variable("NOTIFY_SOCKET")), .watchdog = {}};
    const auto silence = number(variable("WATCHDOG_USEC"));
    const auto pid = number(variable("WATCHDOG_PID"));
    // The process that the variables were made for may have started this one, and passed them on.
    if (silence && (!pid || *pid == static_cast<std::uint64_t>(getpid()))) {
        contact.watchdog = std::chrono::microseconds(*silence);
    }
    return contact;
}

ServiceManager::ServiceManager(Loop& loop, ManagerContact contact)
    : loop_(loop), contact_(std::move(contact)), address_(NotifyAddress::parse(contact_.socket)) {
    if (address_) {
        socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        loop_.arm(*this, now());
    }
}

ServiceManager::~ServiceManager() {
    loop_.disarm(*this);
}

void ServiceManager::reloading() {
    const auto at = std::chrono::floor<std::chrono::microseconds>(now().time_since_epoch());
    say(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", at.count()));
}

void ServiceManager::leave() {
    loop_.disarm(*this);
    socket_.reset();
}

void ServiceManager::say(std::string_view what) {
    if (socket_) {
        if (owed_.size() > kMostOwed) {
            owed_.clear();  // what is said now is newer than all of it
        }
        owed_ += fmt::format("{}\n", what);
        on_deadline();
    }
}

void ServiceManager::on_deadline() {
    std::string status = status_ ? status_() : "";
    std::string text = owed_;
    if (status != last_status_) {
        text += fmt::format("STATUS={}\n", status);
    }
    if (contact_.watchdog > Duration::zero()) {
        text += "WATCHDOG=1\n";
    }
    if (!text.empty() && !send(text)) {
        loop_.arm(*this, now() + kRetry);
        return;
    }
    owed_.clear();
    last_status_ = std::move(status);
    const Duration half = contact_.watchdog / 2;
    loop_.arm(*this, now() + (half > Duration::zero() ? std::min(half, kPause) : kPause));
}

bool ServiceManager::send(std::string_view text) const {
    assert(address_);
    return ::sendto(socket_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                    reinterpret_cast<const sockaddr*>(&address_->raw), address_->length) >= 0;
}

}  // namespace keysluice
