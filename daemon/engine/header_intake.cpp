#include "daemon/engine/header_intake.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "daemon/engine/negotiation.hpp"

namespace keysluice {

HeaderIntake::HeaderIntake(Loop& loop, int socket, proxy::Versions versions, Done done)
    : loop_(loop), socket_(socket), reader_(versions), done_(std::move(done)) {}

HeaderIntake::~HeaderIntake() {
    leave();
}

void HeaderIntake::start(Instant until) {
    loop_.arm(*this, until);
    loop_.add(socket_, EPOLLIN, *this);
    watched_ = true;
    // The header often came together with the connection: look before sleeping.
    on_events(EPOLLIN);
}

void HeaderIntake::on_events(std::uint32_t /*events*/) {
    std::array<std::uint8_t, proxy::kLongestHeader> buffer{};
    const ssize_t shown = recv(socket_, buffer.data(), buffer.size(), MSG_PEEK | MSG_DONTWAIT);
    if (shown < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (shown <= 0) {
        end(fail(kPeerClosed, shown == 0 ? "the peer closed the connection before its PROXY header was complete"
                                         : fmt::format("the connection broke: {}", std::strerror(errno))));
        return;
    }
    const auto taken = reader_.take(Bytes(buffer).first(static_cast<std::size_t>(shown)));
    if (!taken) {
        end(std::unexpected(taken.error()));
        return;
    }
    // What was shown is there; what belongs to the header leaves the socket, and nothing else.
    static_cast<void>(recv(socket_, buffer.data(), *taken, MSG_DONTWAIT));
    if (reader_.complete()) {
        end(reader_.header());
    }
}

void HeaderIntake::on_deadline() {
    end(fail("handshake-timeout", "no complete PROXY header came within handshake_timeout"));
}

void HeaderIntake::end(Result<proxy::Header> result) {
    leave();
    done_(std::move(result));
}

void HeaderIntake::leave() {
    loop_.disarm(*this);
    if (std::exchange(watched_, false)) {
        loop_.remove(socket_, *this);
    }
}

}  // namespace keysluice
