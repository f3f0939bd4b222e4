#include "daemon/engine/userspace_relay.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "daemon/shared/clock.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice {

namespace {

/// One read takes at most this much; it bounds what to_plain_ can hold.
constexpr std::size_t kChunk = 32UL * 1024;

/// Scratch space of the thread: no idle connection owns a buffer.
MutableBytes scratch() {
    static thread_local std::array<std::uint8_t, kChunk> buffer;
    return buffer;
}

MutableBytes plaintext_scratch() {
    static thread_local std::array<std::uint8_t, kChunk> buffer;
    return buffer;
}

bool try_again(int error) {
    return error == EAGAIN || error == EINTR;
}

Error broken(std::string_view reason, std::string_view side, int error) {
    return {reason, fmt::format("the {} side broke: {}", side, std::strerror(error))};
}

int take_error(int fd) {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

}  // namespace

UserspaceRelay::UserspaceRelay(Loop& loop, Owner& owner, Negotiated connection, Duration close_timeout,
                               std::vector<std::uint8_t> preface, RekeyAfter rekey_after, const Limits& limits)
    : loop_(loop),
      owner_(owner),
      tls_(*this),
      plain_(*this),
      session_(std::move(connection.session)),
      to_plain_(std::move(preface)),
      close_timer_(*this),
      close_timeout_(close_timeout),
      rekey_after_(rekey_after),
      rekey_timer_(*this),
      life_(limits, now(), now()),
      life_timer_(*this) {
    tls_.fd = std::move(connection.tls);
    plain_.fd = std::move(connection.plain);
}

UserspaceRelay::~UserspaceRelay() {
    loop_.disarm(close_timer_);
    loop_.disarm(rekey_timer_);
    loop_.disarm(life_timer_);
    for (const Side* side : {&tls_, &plain_}) {
        if (side->watched) {
            loop_.forget(*side);
        }
    }
}

void UserspaceRelay::start() {
    if (session_->version() == tls::Version::tls13) {
        key_limits_.sent = key_limits_.received = rekey_after_.volume_or(kMostOctetsOfKeys);
        arm_rekeying();
    }
    if (life_.limited()) {
        loop_.arm(life_timer_, life_.next());
    }
    reset_on_close(plain_.fd.get());
    set_interest(tls_, true, false);
    set_interest(plain_, true, false);
    // The first request often came together with the end of the handshake.
    if (write_plain({}) && read_tls()) {
        advance();
    }
}

void UserspaceRelay::CloseTimer::on_deadline() {
    owner.abort({"close-timeout", "one side has ended and the other neither sends nor ends"});
}

void UserspaceRelay::arm_rekeying() {
    if (rekey_after_.time.count() != 0) {
        loop_.arm(rekey_timer_, now() + rekey_after_.time);
    }
}

void UserspaceRelay::RekeyTimer::on_deadline() {
    owner.keys_too_old_ = true;
    owner.advance();
}

void UserspaceRelay::note_traffic(ssize_t moved) {
    if (moved > 0 && life_.counts_traffic()) {
        life_.note_traffic(now());
    }
}

void UserspaceRelay::LifeTimer::on_deadline() {
    owner.look_at_life();
}

void UserspaceRelay::look_at_life() {
    if (const auto over = life_.over(now())) {
        take_leave(*over);
    } else {
        loop_.arm(life_timer_, life_.next());
    }
}

void UserspaceRelay::take_leave(const Error& error) {
    // A proper end behind half of what was to come would make it look like the whole.
    const bool unread = (!tls_.ended && has_unread(tls_.fd.get())) || (!plain_.ended && has_unread(plain_.fd.get()));
    bool all_said = !unread && to_plain_.empty() && session_->output().empty() && !plain_.deaf;
    if (all_said && !plain_.ended) {
        if (!session_->close_notify()) {
            abort(error);
            return;
        }
        if (!write_tls()) {
            return;
        }
        all_said = session_->output().empty();
    }
    if (!all_said) {
        abort(error);
        return;
    }
    close_in_order(plain_.fd.get());
    part(&error);
}

void UserspaceRelay::on_events(Side& side, std::uint32_t events) {
    if (over_) {
        return;
    }
    side.hung_up = side.hung_up || (events & EPOLLHUP) != 0U;
    if ((events & EPOLLERR) != 0U && (side.wanted & EPOLLIN) == 0U) {
        // Nothing is read from it now, which would tell.
        const int error = take_error(side.fd.get());
        if (&side == &tls_) {
            abort(broken("tls-side-reset", "TLS", error));
            return;
        }
        plain_refuses(error);
    }
    if ((events & EPOLLOUT) != 0U) {
        side.writable = true;
        if (&side == &plain_ ? !write_plain({}) : !write_tls()) {
            return;
        }
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0U) {
        if (&side == &tls_ ? !read_tls() : !read_plain()) {
            return;
        }
    }
    advance();
}

bool UserspaceRelay::read_tls() {
    if (tls_.ended || !to_plain_.empty()) {
        return true;
    }
    const MutableBytes buffer = scratch();
    const ssize_t size = recv(tls_.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && try_again(errno)) {
        return true;
    }
    if (size < 0) {
        abort(broken("tls-side-reset", "TLS", errno));
        return false;
    }
    if (size == 0 && tls_.shut) {
        part(nullptr);  // both have said what they had to; many peers answer our close_notify with a bare FIN
        return false;
    }
    if (size == 0) {
        // RFC 8446 6.1: "Any data received after a closure alert has been received MUST be ignored"; a FIN without
        // the alert may be an attacker's, so that what came so far must not look complete.
        abort({"truncated", "the TLS side ended without close_notify"});
        return false;
    }
    note_traffic(size);
    session_->receive(Bytes(buffer).first(static_cast<std::size_t>(size)));
    return decrypt_all() && write_tls();
}

bool UserspaceRelay::decrypt_all() {
    while (true) {
        const MutableBytes room = plaintext_scratch();
        const auto outcome = session_->read(room);
        if (!outcome) {
            if (write_tls()) {  // OpenSSL's alert
                part(&outcome.error());
            }
            return false;
        }
        switch (outcome->what) {
            case tls::Read::data:
                if (!write_plain(Bytes(room).first(outcome->count))) {
                    return false;
                }
                break;
            case tls::Read::want_more:
                return true;
            case tls::Read::closed:
                tls_.ended = true;
                return true;
        }
    }
}

bool UserspaceRelay::write_plain(Bytes fresh) {
    if (plain_.deaf) {
        return true;  // as any reset makes the network do; a peer that can't send might never read
    }
    // What is left over from before goes first; `fresh` waits behind it.
    Bytes next = to_plain_.empty() ? fresh : Bytes(to_plain_);
    if (plain_.writable && !next.empty()) {
        const ssize_t size = send(plain_.fd.get(), next.data(), next.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && !try_again(errno)) {
            plain_refuses(errno);
            return true;
        }
        const auto taken = static_cast<std::size_t>(std::max<ssize_t>(size, 0));
        note_traffic(size);
        plain_.writable = taken == next.size();
        if (to_plain_.empty()) {
            fresh = fresh.subspan(taken);
        } else {
            to_plain_.erase(to_plain_.begin(), to_plain_.begin() + static_cast<std::ptrdiff_t>(taken));
        }
    }
    to_plain_.insert(to_plain_.end(), fresh.begin(), fresh.end());
    if (to_plain_.empty()) {
        to_plain_ = {};
    }
    return true;
}

void UserspaceRelay::plain_refuses(int error) {
    // What the backend said before is still on its way, and the peer must get to read it. After a FIN a reset is
    // EPIPE (net/ipv4/tcp_input.c, tcp_reset). After anything else the socket, once it has told its error, reads as
    // if a FIN had come.
    if (!std::exchange(plain_.deaf, true)) {
        plain_.cut_off = error != EPIPE && !plain_.ended;
        to_plain_ = {};
    }
}

bool UserspaceRelay::read_plain() {
    if (plain_.ended || !session_->output().empty()) {
        return true;
    }
    const MutableBytes buffer = scratch();
    const ssize_t size = recv(plain_.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && try_again(errno)) {
        return true;
    }
    if (size < 0) {
        abort(broken("plain-side-reset", "plaintext", errno));
        return false;
    }
    if (size == 0 && plain_.cut_off) {
        abort({"plain-side-reset", "the plaintext side broke before it ended"});
        return false;
    }
    note_traffic(size);
    plain_.ended = size == 0;
    const auto written =
        size == 0 ? session_->close_notify() : session_->write(Bytes(buffer).first(static_cast<std::size_t>(size)));
    if (!written) {
        abort(written.error());
        return false;
    }
    return write_tls();
}

bool UserspaceRelay::write_tls() {
    while (tls_.writable && !session_->output().empty()) {
        const Bytes output = session_->output();
        const ssize_t size = send(tls_.fd.get(), output.data(), output.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && !try_again(errno)) {
            abort(broken("tls-side-reset", "TLS", errno));
            return false;
        }
        session_->sent(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
        note_traffic(size);
        tls_.writable = static_cast<std::size_t>(size) == output.size();
    }
    return true;
}

bool UserspaceRelay::renew_keys() {
    const KeyUse& keys = session_->key_use();
    // Behind a close_notify nothing may be said; a peer that takes nothing gets no second KeyUpdate.
    if (!(keys_too_old_ || keys.used_up(key_limits_, !tls_.ended)) || plain_.ended || !session_->output().empty()) {
        return true;
    }
    if (auto changed = session_->change_keys(keys.asked == 0 && !tls_.ended); !changed) {
        abort(changed.error());
        return false;
    }
    keys_too_old_ = false;
    arm_rekeying();
    return write_tls();
}

void UserspaceRelay::advance() {
    if (over_ || !renew_keys()) {
        return;
    }
    if (tls_.ended && to_plain_.empty() && !std::exchange(plain_.shut, true)) {
        shutdown(plain_.fd.get(), SHUT_WR);
    }
    // RFC 8446 6.1: "Each party MUST send a "close_notify" alert before closing its write side of the connection".
    if (plain_.ended && session_->output().empty() && !std::exchange(tls_.shut, true)) {
        shutdown(tls_.fd.get(), SHUT_WR);
    }
    if (tls_.shut && plain_.deaf) {
        part(nullptr);
        return;
    }
    if (tls_.shut && plain_.shut) {
        close_in_order(plain_.fd.get());
        end(nullptr);
        return;
    }
    if (tls_.ended || plain_.ended || plain_.deaf) {
        loop_.arm(close_timer_, now() + close_timeout_);
    }
    set_interest(tls_, !tls_.ended && to_plain_.empty(), !session_->output().empty());
    set_interest(plain_, !plain_.ended && session_->output().empty(), !to_plain_.empty());
}

void UserspaceRelay::set_interest(Side& side, bool readable, bool writable) {
    const std::uint32_t wanted = (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
    if (wanted == 0 && side.hung_up) {
        unwatch(side);
    } else if (!side.watched) {
        loop_.add(side.fd.get(), wanted, side);
        side.watched = true;
    } else if (side.wanted != wanted) {
        loop_.modify(side.fd.get(), wanted, side);
    }
    side.wanted = wanted;
}

void UserspaceRelay::unwatch(Side& side) {
    if (std::exchange(side.watched, false)) {
        loop_.remove(side.fd.get(), side);
    }
}

void UserspaceRelay::abort(const Error& error) {
    reset_on_close(tls_.fd.get());
    end(&error);
}

void UserspaceRelay::part(const Error* error) {
    unwatch(tls_);
    end(error, std::move(tls_.fd));
}

void UserspaceRelay::end(const Error* error, UniqueFd farewell) {
    if (!std::exchange(over_, true)) {
        loop_.disarm(close_timer_);
        loop_.disarm(rekey_timer_);
        loop_.disarm(life_timer_);
        owner_.on_ended(*this, error, std::move(farewell));
    }
}

}  // namespace keysluice
