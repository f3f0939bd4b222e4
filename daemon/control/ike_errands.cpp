#include "daemon/control/ike_errands.hpp"

#include <chrono>
#include <memory>
#include <utility>

#include "ike/key_exchange.hpp"

namespace keysluice::control {
namespace {

ike::PeerVerified verified(const ike::VerifyPeer& job) {
    return {.sa = job.sa, .epoch = job.epoch, .result = ike::verify_peer(job, std::chrono::system_clock::now())};
}

ike::TlsAnswered checked(const ike::TlsUnchecked& job) {
    return ike::check_tls_peer(job, std::chrono::system_clock::now());
}

}  // namespace

template <typename Job, typename Answer>
void IkeErrands::submit(Job job, Answer busy, Answer (*work)(const Job&), Done done) {
    if (threads_.full()) {
        // std::function wants to be able to copy what it holds.
        loop_.defer(
            [busy = std::make_shared<Answer>(std::move(busy)), done = std::move(done)] { done(std::move(*busy)); });
        return;
    }
    threads_.submit([job = std::move(job), work, done = std::move(done)]() mutable -> WorkerPool::Done {
        return [answer = work(job), done = std::move(done)]() mutable { done(std::move(answer)); };
    });
}

void IkeErrands::run(ike::VerifyPeer job, Done done) {
    ike::PeerVerified busy{
        .sa = job.sa,
        .epoch = job.epoch,
        .result = fail("verification-busy", "too many certificates wait to be checked; the peer may try again")};
    submit(std::move(job), std::move(busy), verified, std::move(done));
}

void IkeErrands::run(ike::TlsUnchecked job, Done done) {
    ike::TlsAnswered busy{.sa = job.answer.sa, .epoch = job.answer.epoch, .progress = {}};
    busy.progress.why = {"verification-busy", "too many certificates wait to be checked; the peer may try again"};
    submit(std::move(job), std::move(busy), checked, std::move(done));
}

void IkeErrands::run(ike::ExchangeKeys job, Done done) {
    ike::KeysExchanged busy{
        .sa = job.sa,
        .epoch = job.epoch,
        .result = fail("key-exchange-busy",
                       "too many key exchanges in large groups wait to be computed; the peer may try "
                       "again")};
    submit(std::move(job), std::move(busy), ike::exchange_keys, std::move(done));
}

}  // namespace keysluice::control
