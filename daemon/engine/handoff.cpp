#include "daemon/engine/handoff.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/engine/application.hpp"
#include "daemon/shared/clock.hpp"
#include "daemon/shared/enclosures.hpp"

namespace keysluice {

Handoff::Handoff(Loop& loop, const TlsService& service, std::size_t first, SecretBuffer description, int socket,
                 Done done)
    : loop_(loop),
      service_(service),
      first_(first),
      description_(std::move(description)),
      socket_(socket),
      done_(std::move(done)) {}

void Handoff::start() {
    until_ = now() + service_.connect_timeout;
    try_all();
}

void Handoff::try_all() {
    answers_.clear();
    bool busy = false;
    for (std::size_t i = 0; i < service_.connect.size(); ++i) {
        switch (attempt(service_.connect[(first_ + i) % service_.connect.size()])) {
            case Attempt::given:
                done_({});
                return;
            case Attempt::busy:
                busy = true;
                break;
            case Attempt::failed:
                break;
        }
    }
    if (busy && now() < until_) {
        loop_.arm(*this, now() + pause_);
        pause_ = std::min(2 * pause_, kLongestPause);
        return;
    }
    done_(fail(others_listen_ ? "application-not-permitted" : "application-unreachable",
               fmt::format("no application takes the connection: {}", answers_)));
}

Handoff::Attempt Handoff::attempt(const Endpoint& target) {
    const auto address = to_socket_address(target);
    const UniqueFd channel(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!address || !channel) {
        return note(target, std::strerror(address ? errno : EINVAL));
    }
    if (::connect(channel.get(), address->get(), address->length) != 0) {
        const bool busy = errno == EAGAIN;  // unix(7) has no connection that is under way
        static_cast<void>(note(target, std::strerror(errno)));
        return busy ? Attempt::busy : Attempt::failed;
    }
    if (const uid_t user = user_at_other_end(channel.get()); !is_among(service_.application_users, user)) {
        others_listen_ = true;
        return note(target, fmt::format("user {}, who is none of application_users, listens there", user));
    }
    if (!send_packet(channel.get(), description_, socket_)) {
        return note(target, std::strerror(errno));
    }
    return Attempt::given;
}

Handoff::Attempt Handoff::note(const Endpoint& target, std::string_view answer) {
    answers_ += fmt::format("{}{}: {}", answers_.empty() ? "" : ", ", to_string(target), answer);
    return Attempt::failed;
}

}  // namespace keysluice
