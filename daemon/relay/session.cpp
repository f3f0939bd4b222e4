#include "daemon/relay/session.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "daemon/shared/clock.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice {

namespace {

/// So much is collected before the other side gets it.
constexpr std::size_t kMostInPipe = 64UL * 1024;
/// How often one side may go on before the other connections get their turn.
constexpr int kStepsPerTurn = 16;

ssize_t splice_some(int from, int to, std::size_t most) {
    return splice(from, nullptr, to, nullptr, most, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
}

/// Has a third of the send buffer be room for several records with all that the kernel adds, whatever the system's
/// settings are. The price is that the kernel adapts the buffer no more: only for a connection that is about to end.
void widen_send_buffer(int fd) {
    constexpr int kWanted = 212'992;  // what an unprivileged process gets by default; the kernel doubles it
    int size = 0;
    socklen_t length = sizeof(size);
    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0 && size < 2 * kWanted) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kWanted, sizeof(kWanted));
    }
    constexpr int kUnlimited = INT_MAX;
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnlimited, sizeof(kUnlimited));
}

Error broken(std::string_view reason, std::string_view side, int error) {
    return {reason, fmt::format("the {} side broke: {}", side, std::strerror(error))};
}

}  // namespace

Session::Session(Host& host, Place place, ktls::Version version, UniqueFd tls, UniqueFd plain, Duration close_timeout,
                 RekeyAfter rekey_after, const Limits& limits)
    : host_(host),
      entry_(place.entry),
      slot_(place.slot),
      version_(version),
      tls_(*this, std::move(tls)),
      plain_(*this, std::move(plain)),
      rekeying_(tls_.fd.get(), place.secrets),
      rekey_after_(rekey_after),
      rekey_timer_(*this),
      to_plain_{.noted_pipe = &place.entry.pipe_to_plain},
      to_tls_{.noted_pipe = &place.entry.pipe_to_tls},
      close_timer_(*this),
      close_timeout_(close_timeout),
      life_(limits, place.entry.since, now()),
      life_timer_(*this) {}

Session::~Session() {
    host_.loop().disarm(close_timer_);
    host_.loop().disarm(rekey_timer_);
    host_.loop().disarm(life_timer_);
    unwatch();
}

void Session::start() {
    adopt_pipe(to_plain_);
    adopt_pipe(to_tls_);
    constexpr std::uint32_t kEdges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    reset_on_close(plain_.fd.get());
    if (plaintext()) {
        reset_on_close(tls_.fd.get());
    }
    host_.loop().add(tls_.fd.get(), kEdges, tls_);
    host_.loop().add(plain_.fd.get(), kEdges, plain_);
    watched_ = true;
    if (life_.limited()) {
        host_.loop().arm(life_timer_, life_.next());
    }
    if (auto taken_up = rekeying_.take_up(); !taken_up) {
        static_cast<void>(refuse(ktls::AlertDescription::internal_error, taken_up.error()));
        return;
    }
    if (version_ == ktls::Version::tls13) {
        limit_keys();
    }
    advance();
}

void Session::Side::on_events(std::uint32_t events) {
    // Errors and hang-ups are learnt from the next splice, which tells which one it is.
    readable = readable || (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0U;
    writable = writable || (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0U;
    owner.on_events(*this, events);
}

void Session::on_events(const Side& side, std::uint32_t events) {
    if (over_) {
        return;
    }
    // Behind a close_notify nothing is read any more, which would tell of a reset: nobody hears the other side now.
    if (&side == &tls_ && (events & EPOLLHUP) != 0U && has(TableEntry::kTlsEnded) && !tls_.shut) {
        static_cast<void>(abort({"tls-side-reset", "the peer is gone before the plaintext side has ended"}));
        return;
    }
    // Closed in both directions, of which we have not ended ours: it broke, maybe before a predecessor's eyes. A
    // write that failed would use up the error that reading has to see.
    plain_.deaf = plain_.deaf || (&side == &plain_ && (events & EPOLLHUP) != 0U && !plain_.shut);
    advance();
}

void Session::advance() {
    for (int step = 0; step < kStepsPerTurn; ++step) {
        const Step up = move_to_plain();
        if (up == Step::over) {
            return;
        }
        const Step down = move_to_tls();
        if (down == Step::over || pass_ends_on() == Step::over) {
            return;
        }
        if (up == Step::stuck && down == Step::stuck) {
            return;
        }
    }
    // More to do, but the others first. Edges do not repeat themselves, so we come back on our own.
    host_.come_back(*this);
}

Session::Step Session::move_to_plain() {
    if (to_plain_.in_pipe == 0) {
        // RFC 8446 6.1: "Any data received after a closure alert has been received MUST be ignored."
        if (has(TableEntry::kTlsEnded) || !tls_.readable || !plain_.writable) {
            return Step::stuck;
        }
        if (const Step filled = fill_from_tls(); filled != Step::moved || to_plain_.in_pipe == 0) {
            return filled;
        }
    }
    return drain(to_plain_, plain_);
}

Session::Step Session::move_to_tls() {
    if (change_due()) {
        if (const Step changed = change_keys(); changed != Step::moved) {
            return changed;
        }
    }
    if (to_tls_.in_pipe == 0) {
        if (has(TableEntry::kPlainEnded) || !plain_.readable || !tls_.writable) {
            return Step::stuck;
        }
        if (const Step filled = fill_from_plain(); filled != Step::moved || to_tls_.in_pipe == 0) {
            return filled;
        }
    }
    return drain(to_tls_, tls_);
}

Session::Step Session::fill_from_tls() {
    if (!borrow_pipe(to_plain_)) {
        return out_of_pipes();
    }
    // The kernel gives at most one record a call: collect what fits, so that the other side is called once.
    for (std::size_t fills = 0; to_plain_.in_pipe < kMostInPipe; ++fills) {
        const ssize_t size =
            splice_some(tls_.fd.get(), to_plain_.pipe->write_end.get(), kMostInPipe - to_plain_.in_pipe);
        if (size > 0) {
            to_plain_.in_pipe += static_cast<std::size_t>(size);
            note_traffic(size);
            idle_records_ = 0;
            flood_.data(static_cast<std::size_t>(size));
            entry_.keys.receive(static_cast<std::size_t>(size));
            continue;
        }
        const int error = errno;
        if (size < 0 && error == EINTR) {
            continue;
        }
        // Of TLS, each fill is one record and of known size; of plain TCP, one takes many small segments, of which
        // each has a slot.
        const bool room_was_left = !plaintext() && fills <= to_plain_.pipe->certain_fills;
        if (to_plain_.in_pipe == 0) {
            return_pipe(to_plain_);
        }
        if (size < 0 && error == EAGAIN) {
            // EAGAIN may mean that the pipe's slots are full: then what the socket has is still there when the pipe
            // is empty.
            tls_.readable = to_plain_.in_pipe > 0 && !room_was_left;
            return to_plain_.in_pipe > 0 ? Step::moved : Step::stuck;
        }
        return no_more_of_tls(size == 0 ? 0 : error);
    }
    return Step::moved;
}

Session::Step Session::no_more_of_tls(int error) {
    if (plaintext()) {
        return error == 0 ? end_of_client() : abort(broken("tls-side-reset", "client's", error));
    }
    // The answer has used up what would tell the reasons apart later: look now. EMSGSIZE is the EINVAL of a header
    // that announces too much (net/tls/tls_sw.c, tls_rx_msg_size).
    if (error == 0) {
        return look_closer(ktls::Splice::returned_zero);
    }
    if (error == EINVAL || error == EMSGSIZE) {
        return look_closer(ktls::Splice::said_einval);
    }
    return look_closer(ktls::Splice::none);
}

Session::Step Session::end_of_client() {
    entry_.flags |= TableEntry::kTlsEnded;
    return Step::moved;
}

Session::Step Session::fill_from_plain() {
    if (!borrow_pipe(to_tls_)) {
        return out_of_pipes();
    }
    const ssize_t size = splice_some(plain_.fd.get(), to_tls_.pipe->write_end.get(), kMostInPipe);
    if (size > 0) {
        to_tls_.in_pipe = static_cast<std::size_t>(size);
        note_traffic(size);
        return Step::moved;
    }
    const int error = errno;
    return_pipe(to_tls_);
    if (size == 0) {
        entry_.flags |= TableEntry::kPlainEnded;
        return Step::moved;
    }
    if (error == EAGAIN || error == EINTR) {
        plain_.readable = false;
        return Step::stuck;
    }
    return abort(broken("plain-side-reset", "plaintext", error));
}

Session::Step Session::drain(Flow& flow, Side& to) {
    if (to.deaf) {
        return_pipe(flow);  // as any reset makes the network do; a peer that can't send might never read
        return Step::moved;
    }
    if (!to.writable) {
        return Step::stuck;
    }
    const ssize_t size = splice_some(flow.pipe->read_end.get(), to.fd.get(), flow.in_pipe);
    if (size > 0) {
        flow.in_pipe -= static_cast<std::size_t>(size);
        note_traffic(size);
        if (&to == &tls_) {
            flood_.data(static_cast<std::size_t>(size));
            entry_.keys.send(static_cast<std::size_t>(size));
        }
        if (flow.in_pipe == 0) {
            return_pipe(flow);
        }
        return Step::moved;
    }
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        to.writable = false;
        return Step::stuck;
    }
    if (&to == &tls_) {
        return tls_refuses(errno);
    }
    return plain_refuses(errno);
}

Session::Step Session::plain_refuses(int error) {
    // After a FIN a reset is EPIPE (net/ipv4/tcp_input.c, tcp_reset). After anything else the socket, once it has
    // told its error, reads as if a FIN had come.
    if (error != EPIPE && !has(TableEntry::kPlainEnded)) {
        entry_.flags |= TableEntry::kPlainCutOff;
    }
    plain_.deaf = true;
    return Step::moved;
}

Session::Step Session::tls_refuses(int error) {
    // What the peer sent stops the kernel's sending too (sk_err in net/tls/tls_sw.c, tls_sw_sendmsg). Then only
    // reading knows the reason, and an alert may still be due.
    if (!plaintext() && !has(TableEntry::kTlsEnded) && look_closer(ktls::Splice::none) == Step::over) {
        return Step::over;
    }
    return abort(broken("tls-side-reset", "TLS", error));
}

Session::Step Session::pass_ends_on() {
    if (has(TableEntry::kTlsEnded) && to_plain_.in_pipe == 0 && !plain_.shut) {
        shutdown(plain_.fd.get(), SHUT_WR);
        plain_.shut = true;
    }
    if (has(TableEntry::kPlainEnded) && to_tls_.in_pipe == 0 && !tls_.shut) {
        if (has(TableEntry::kPlainCutOff)) {
            return abort({"plain-side-reset", "the plaintext side broke before it ended"});
        }
        if (const Step said = say_close_notify(); said == Step::over) {
            return said;
        }
    }
    if (tls_.shut && plain_.deaf) {
        return part();
    }
    if (tls_.shut && plain_.shut) {
        close_in_order(plain_.fd.get());
        release_client();
        return end(nullptr);
    }
    if (has(TableEntry::kTlsEnded | TableEntry::kPlainEnded) || plain_.deaf) {
        host_.loop().arm(close_timer_, now() + close_timeout_);
    }
    return Step::stuck;
}

Session::Step Session::say_close_notify() {
    if (!plaintext() && !has(TableEntry::kNotifySent)) {
        // The kernel takes a record and keeps what the send buffer has no room for (net/tls/tls_main.c, tls_push_sg);
        // a FIN would overtake that part. A third of the buffer free, which is what POLLOUT says, is room for all of
        // it, if the buffer is not a small one.
        widen_send_buffer(tls_.fd.get());
        pollfd room{.fd = tls_.fd.get(), .events = POLLOUT, .revents = 0};
        if (!tls_.writable || poll(&room, 1, 0) != 1) {
            tls_.writable = false;
            return Step::stuck;
        }
        // RFC 8446 6.1: "Each party MUST send a "close_notify" alert before closing its write side of the connection,
        // unless it has already sent some error alert."
        const auto alert = ktls::encode_alert(ktls::AlertDescription::close_notify);
        const auto sent = ktls::send_control(tls_.fd.get(), ktls::ContentType::alert, alert);
        if (!sent) {
            return abort(sent.error());
        }
        if (*sent == ktls::Sent::would_block) {
            tls_.writable = false;
            return Step::stuck;
        }
        entry_.flags |= TableEntry::kNotifySent;
    }
    shutdown(tls_.fd.get(), SHUT_WR);
    tls_.shut = true;
    return Step::moved;
}

void Session::CloseTimer::on_deadline() {
    static_cast<void>(owner.abort({"close-timeout", "one side has ended and the other neither sends nor ends"}));
}

bool Session::borrow_pipe(Flow& flow) {
    if (flow.pipe == nullptr) {
        flow.pipe = host_.pipes().borrow();
        if (flow.pipe == nullptr) {
            return false;
        }
        *flow.noted_pipe = static_cast<std::uint16_t>(flow.pipe->id.value + 1);
    }
    return true;
}

void Session::return_pipe(Flow& flow) {
    *flow.noted_pipe = 0;
    if (flow.in_pipe == 0) {
        host_.pipes().give_back(flow.pipe);
    } else {
        host_.pipes().empty_and_give_back(flow.pipe);
    }
    flow.pipe = nullptr;
    flow.in_pipe = 0;
}

void Session::adopt_pipe(Flow& flow) {
    if (*flow.noted_pipe == 0) {
        return;
    }
    flow.pipe = host_.pipes().find({static_cast<std::uint16_t>(*flow.noted_pipe - 1)});
    int left = 0;
    if (flow.pipe == nullptr || ioctl(flow.pipe->read_end.get(), FIONREAD, &left) != 0) {
        *flow.noted_pipe = 0;
        flow.pipe = nullptr;
        return;
    }
    flow.in_pipe = static_cast<std::size_t>(left);
    if (flow.in_pipe == 0) {
        return_pipe(flow);
    }
}

Session::Step Session::out_of_pipes() {
    return abort({"descriptors-exhausted", "no descriptor is left for a pipe; raise LimitNOFILE"});
}

Session::Step Session::end(const Error* error, UniqueFd farewell) {
    over_ = true;
    host_.loop().disarm(close_timer_);
    host_.loop().disarm(rekey_timer_);
    host_.loop().disarm(life_timer_);
    for (Flow* flow : {&to_plain_, &to_tls_}) {
        if (flow->pipe != nullptr) {
            return_pipe(*flow);
        }
    }
    unwatch();
    host_.on_ended(*this, error, std::move(farewell));
    return Step::over;
}

Session::Step Session::abort(const Error& error) {
    reset_on_close(tls_.fd.get());
    return end(&error);
}

Session::Step Session::refuse(ktls::AlertDescription alert, const Error& error) {
    // Best effort: behind a bad MAC the kernel refuses to send (net/tls/tls_sw.c), and there is nobody to wait for.
    static_cast<void>(ktls::send_control(tls_.fd.get(), ktls::ContentType::alert, ktls::encode_alert(alert)));
    unwatch();
    return end(&error, std::move(tls_.fd));
}

Session::Step Session::part() {
    release_client();
    unwatch();
    return end(nullptr, std::move(tls_.fd));
}

void Session::release_client() {
    if (plaintext()) {
        close_in_order(tls_.fd.get());
    }
}

void Session::unwatch() {
    if (std::exchange(watched_, false)) {
        // The keeper holds duplicates of both, so that closing ours does not take them out of epoll.
        host_.loop().remove(tls_.fd.get(), tls_);
        host_.loop().remove(plain_.fd.get(), plain_);
    }
}

}  // namespace keysluice
