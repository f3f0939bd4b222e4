#include "daemon/engine/first_octet.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "daemon/engine/negotiation.hpp"

namespace keysluice {

void FirstOctet::start(Instant until) {
    loop_.arm(*this, until);
    loop_.add(socket_, EPOLLIN, *this);
    watched_ = true;
    // It often came together with the connection: look before sleeping.
    on_events(EPOLLIN);
}

void FirstOctet::on_events(std::uint32_t /*events*/) {
    // RFC 8446 5.1: a ClientHello is in a record of the type "handshake(22)".
    constexpr std::uint8_t kHandshake = 22;
    std::uint8_t octet = 0;
    const ssize_t shown = recv(socket_, &octet, sizeof(octet), MSG_PEEK | MSG_DONTWAIT);
    if (shown < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (shown <= 0) {
        end(fail(kPeerClosed, shown == 0 ? "the peer closed the connection before it said anything"
                                         : fmt::format("the connection broke: {}", std::strerror(errno))));
        return;
    }
    end(octet == kHandshake);
}

void FirstOctet::on_deadline() {
    end(fail("handshake-timeout",
             "the peer said nothing within handshake_timeout, so that it is not known whether it speaks TLS"));
}

void FirstOctet::end(Result<bool> result) {
    leave();
    done_(std::move(result));
}

void FirstOctet::leave() {
    loop_.disarm(*this);
    if (std::exchange(watched_, false)) {
        loop_.remove(socket_, *this);
    }
}

}  // namespace keysluice
