#include "daemon/control/demo_backend.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "daemon/control/client.hpp"
#include "daemon/control/listeners.hpp"
#include "daemon/control/status.hpp"
#include "daemon/shared/log.hpp"
#include "daemon/shared/signals.hpp"

namespace keysluice::control {

DemoBackend::DemoBackend(Loop& loop, UniqueFd listener, std::function<std::string()> page)
    : loop_(loop), listener_(std::move(listener)), page_(std::move(page)) {
    loop_.add(listener_.get(), EPOLLIN, *this);
}

DemoBackend::~DemoBackend() {
    loop_.remove(listener_.get(), *this);
    for (const Guest& guest : guests_) {
        loop_.forget(guest);
    }
}

void DemoBackend::on_events(std::uint32_t /*events*/) {
    UniqueFd accepted(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (accepted && guests_.size() < kMostConnections) {
        Guest& guest = guests_.emplace_back(*this, std::move(accepted));
        guest.self = std::prev(guests_.end());
        loop_.add(guest.fd.get(), EPOLLIN, guest);
    }
}

void DemoBackend::Guest::on_events(std::uint32_t /*events*/) {
    const bool alive = to_send.empty() ? read_some() && write_some() : write_some();
    if (!alive || (ended && to_send.empty())) {
        owner.loop_.forget(*this);
        owner.guests_.erase(self);
        return;
    }
    owner.loop_.modify(fd.get(), to_send.empty() ? EPOLLIN : EPOLLOUT, *this);
}

bool DemoBackend::Guest::read_some() {
    static thread_local std::array<char, kLargestEcho> chunk;
    const ssize_t size = recv(fd.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (size < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    const std::string_view text(chunk.data(), static_cast<std::size_t>(size));
    if (!std::exchange(greeted, true) && text.starts_with("GET ")) {
        const std::string body = owner.page_();
        to_send = fmt::format(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: "
            "close\r\n\r\n{}",
            body.size(), body);
        ended = true;
        return true;
    }
    ended = size == 0;
    to_send = text;
    return true;
}

bool DemoBackend::Guest::write_some() {
    if (to_send.empty()) {
        return true;
    }
    const ssize_t size = send(fd.get(), to_send.data(), to_send.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    to_send.erase(0, static_cast<std::size_t>(size));
    return true;
}

int run_demo_backend(const std::string& address, const Configuration& configuration) {
    open_log("demo backend", configuration.daemon.log_level);
    const auto endpoint = parse_endpoint(address);
    auto listener = endpoint ? bind_listener(*endpoint, false) : std::unexpected(endpoint.error());
    if (!listener) {
        log_error("{} ({})", listener.error().sentence, listener.error().reason);
        return 1;
    }
    Loop loop;
    const DemoBackend backend(loop, std::move(*listener), [&configuration] {
        const auto status = fetch_status(configuration.daemon.runtime_directory);
        const auto table = status ? to_table(*status) : std::unexpected(status.error());
        return "This page came through keysluice.\n\n" + (table ? *table : table.error().sentence + "\n");
    });
    const Signals signals(loop, {SIGTERM, SIGINT}, [&loop](int /*signal*/) { loop.stop(); });
    loop.run();
    return 0;
}

}  // namespace keysluice::control
