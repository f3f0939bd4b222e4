#include "daemon/engine/negotiation.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "daemon/shared/clock.hpp"
#include "daemon/shared/sockets.hpp"

namespace keysluice {

Negotiation::Negotiation(Loop& loop, Owner& owner, const TlsService& service, const tls::Context& context,
                         UniqueFd accepted)
    : loop_(loop), owner_(owner), service_(service), context_(context) {
    (service.mode == Mode::server ? tls_ : plain_) = std::move(accepted);
}

Negotiation::~Negotiation() {
    leave();
}

void Negotiation::start(Instant until, std::size_t first_target, std::vector<std::uint8_t> preface) {
    preface_ = std::move(preface);
    loop_.arm(*this, until);
    if (service_.mode == Mode::server) {
        watch(EPOLLIN);
        // The first record often came together with the connection: look before sleeping.
        read_records();
        return;
    }
    state_ = State::connecting;
    connector_ = std::make_unique<Connector>(loop_, service_.connect, first_target, service_.connect_timeout,
                                             [this](Result<UniqueFd> socket) { on_connected(std::move(socket)); });
    connector_->start();
}

void Negotiation::on_connected(Result<UniqueFd> socket) {
    loop_.bury(std::move(connector_));
    if (!socket) {
        give_up(socket.error());
        return;
    }
    tls_ = std::move(*socket);
    watch(EPOLLIN);
    begin_client();
}

void Negotiation::begin_client() {
    auto session = tls::Session::connect(
        context_, {.server = describe_peer(tls_.get()), .now = now(), .time = std::chrono::system_clock::now()});
    if (!session) {
        give_up(session.error());
        return;
    }
    session_ = std::move(*session);
    state_ = State::handshaking;
    static_cast<void>(flush());
}

void Negotiation::on_events(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0U && flush() && state_ == State::flushing) {
        finish();
        return;
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0U && state_ != State::flushing) {
        read_records();
    }
}

void Negotiation::read_records() {
    while ((state_ == State::silent || state_ == State::handshaking) && read_piece()) {
    }
}

bool Negotiation::read_piece() {
    const MutableBytes want = reader_.want();
    const ssize_t size = recv(tls_.get(), want.data(), want.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (size <= 0) {
        give_up({kPeerClosed, size == 0 ? "the peer closed the connection before the handshake was complete"
                                        : fmt::format("the connection broke: {}", std::strerror(errno))});
        return false;
    }
    const bool all_of_it = static_cast<std::size_t>(size) == want.size();
    const auto complete = reader_.got(static_cast<std::size_t>(size));
    if (!complete) {
        static_cast<void>(feed_record());  // OpenSSL has the proper alert for such a header
        give_up(complete.error());
        return false;
    }
    return *complete ? on_record() : all_of_it;
}

bool Negotiation::on_record() {
    if (const auto fed = feed_record(); !fed) {
        give_up(fed.error());
        return false;
    }
    const bool answered = !session_->output().empty();
    const bool flushed = flush();
    if (session_->established()) {
        state_ = State::flushing;
        if (flushed) {
            finish();
        }
        return false;
    }
    return !answered;  // the peer reads our flight before it sends its own
}

Result<void> Negotiation::feed_record() {
    if (!session_) {
        auto session = tls::Session::accept(context_, now(), std::chrono::system_clock::now());
        if (!session) {
            return pass_on(std::move(session));
        }
        session_ = std::move(*session);
        state_ = State::handshaking;
    }
    auto fed = session_->feed(reader_.record());
    reader_.next();
    return fed;
}

Bytes Negotiation::unsent() const {
    return preface_.empty() ? session_->output() : Bytes(preface_);
}

void Negotiation::sent(std::size_t count) {
    if (preface_.empty()) {
        session_->sent(count);
    } else {
        preface_.erase(preface_.begin(), preface_.begin() + static_cast<std::ptrdiff_t>(count));
    }
}

bool Negotiation::flush() {
    while (!unsent().empty()) {
        const Bytes output = unsent();
        const ssize_t size = send(tls_.get(), output.data(), output.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0) {
            if (errno == EAGAIN) {
                watch(EPOLLIN | EPOLLOUT);
                return false;
            }
            // A broken connection shows itself in the next read; nothing can be sent any more.
            preface_ = {};
            session_->sent(session_->output().size());
            break;
        }
        sent(static_cast<std::size_t>(size));
    }
    watch(EPOLLIN);
    return true;
}

void Negotiation::watch(std::uint32_t events) {
    if (watched_ == 0) {
        loop_.add(tls_.get(), events, *this);
    } else if (watched_ != events) {
        loop_.modify(tls_.get(), events, *this);
    }
    watched_ = events;
}

void Negotiation::finish() {
    leave();
    state_ = State::over;
    owner_.on_established(*this, {std::move(tls_), std::move(plain_), std::move(session_)});
}

void Negotiation::give_up(const Error& error) {
    if (state_ == State::over) {
        return;
    }
    UniqueFd farewell;
    if (session_ && tls_ && !session_->output().empty()) {
        // The session's alert tells the peer why; whether it arrives is the network's affair.
        const Bytes alert = session_->output();
        static_cast<void>(send(tls_.get(), alert.data(), alert.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
        leave();
        farewell = std::move(tls_);
    }
    leave();
    state_ = State::over;
    if (plain_) {
        reset_on_close(plain_.get());
    }
    owner_.on_failed(*this, error, std::move(farewell));
}

void Negotiation::on_deadline() {
    give_up({"handshake-timeout",
             fmt::format("no complete handshake within {} ({})", service_.handshake_timeout,
                         session_ ? "the peer began one" : "the peer sent nothing, or not one whole record")});
}

void Negotiation::leave() {
    loop_.disarm(*this);
    if (tls_ && watched_ != 0) {
        loop_.remove(tls_.get(), *this);
        watched_ = 0;
    }
}

}  // namespace keysluice
