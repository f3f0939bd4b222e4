#include "tests/support/relayed_session.hpp"

#include <signal.h>

#include <algorithm>

namespace keysluice::test {

RelayedSession::RelayedSession(ktls::Version version, PlainPair pair, Duration close_timeout, ktls::Cipher cipher)
    : tls(version, cipher),
      plain(std::move(pair.test)),
      version_(version),
      close_timeout_(close_timeout),
      kept_tls_(tls.take_carried()),
      kept_plain_(std::move(pair.relay)) {
    // As every program of ours does (daemon/shared/signals.hpp): splice(2) knows no MSG_NOSIGNAL.
    ::signal(SIGPIPE, SIG_IGN);
    begin();
}

void RelayedSession::begin() {
    loop_ = std::make_unique<Loop>();
    farewells_ = std::make_unique<Farewells>(*loop_);
    pipes_ = std::make_unique<PipePool>([this](const SplicePipe& pipe) {
        kept_pipes_.push_back({pipe.id, duplicate_fd(pipe.read_end), duplicate_fd(pipe.write_end)});
    });
    for (const KeptPipe& kept : kept_pipes_) {
        REQUIRE(pipes_->inherit(kept.id, duplicate_fd(kept.read_end), duplicate_fd(kept.write_end)) != nullptr);
    }
    session_ =
        std::make_unique<Session>(*this, Session::Place{Slot{0}, entry, &secrets}, version_, duplicate_fd(kept_tls_),
                                  duplicate_fd(kept_plain_), close_timeout_, rekey_after);
    session_->start();
}

void RelayedSession::die() {
    session_.reset();
    let_go();
}

void RelayedSession::keep_secrets() {
    std::ranges::copy(tls.sending_secret().expose(), secrets.receive.secrets[0].begin());
    std::ranges::copy(tls.receiving_secret().expose(), secrets.send.secrets[0].begin());
    secrets.size = static_cast<std::uint8_t>(tls.sending_secret().size());
}

void RelayedSession::replace(const std::function<void(int)>& meanwhile) {
    session_.reset();
    pipes_.reset();
    farewells_.reset();
    loop_.reset();
    meanwhile(kept_tls_.get());
    begin();
}

void RelayedSession::let_go() {
    kept_tls_.reset();
    kept_plain_.reset();
}

void RelayedSession::on_ticket(Session& /*session*/, Bytes message) {
    tickets.emplace_back(message.begin(), message.end());
}

void RelayedSession::come_back(Session& session) {
    loop_->defer([this, &session] {
        if (session_) {
            session.resume();
        }
    });
}

void RelayedSession::on_ended(Session& /*session*/, const Error* error, UniqueFd farewell) {
    REQUIRE_FALSE(outcome);
    outcome = error != nullptr ? std::string(error->reason) : "";
    if (farewell) {
        farewells_->add(std::move(farewell));
    }
    loop_->bury(std::move(session_));
    let_go();
}

void RelayedSession::shrink_buffers(int sending, int receiving) {
    set_buffers(kept_tls_.get(), sending, receiving);
    set_buffers(tls.socket(), sending, receiving);
}

void RelayedSession::turn(Duration longest) {
    tls.pump();
    plain.pump();
    loop_->turn(longest);
}

void RelayedSession::turn_for(Duration time) {
    const Instant until = now() + time;
    while (now() < until) {
        turn();
    }
}

int RelayedSession::wake_ups() {
    int count = 0;
    const Instant until = now() + std::chrono::milliseconds(200);
    while (now() < until) {
        loop_->turn(until - now());
        ++count;
    }
    return count;
}

}  // namespace keysluice::test
