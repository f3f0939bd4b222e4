#include "daemon/control/verifiers.hpp"

#include <chrono>
#include <utility>

#include "ike/peer_certificate.hpp"

namespace keysluice::control {

void Verifiers::verify(ike::VerifyPeer job, Done done) {
    if (threads_.full()) {
        ike::PeerVerified refused{
            .sa = job.sa,
            .epoch = job.epoch,
            .result = fail("verification-busy", "too many certificates wait to be checked; the peer may try again")};
        loop_.defer([refused = std::move(refused), done = std::move(done)] { done(refused); });
        return;
    }
    threads_.submit([job = std::move(job), done = std::move(done)]() mutable -> WorkerPool::Done {
        ike::PeerVerified verified{
            .sa = job.sa, .epoch = job.epoch, .result = ike::verify_peer(job, std::chrono::system_clock::now())};
        return [verified = std::move(verified), done = std::move(done)]() mutable { done(std::move(verified)); };
    });
}

}  // namespace keysluice::control
