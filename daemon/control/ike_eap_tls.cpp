#include <utility>

#include "daemon/control/ike_service.hpp"

// What IkeService does for EAP-TLS: an engine has the handshake, a thread looks at the peer's certificate, and only
// then does IKE hear of either.

namespace keysluice::control {

void IkeService::perform(ike::AnswerTls action) {
    const ike::OwnCertificate& own = action.connection->certificate;
    TlsTurnHeard turn{.token = 0,
                      .handshake = action.sa.value,
                      .key = own.key_id,
                      .server = action.server,
                      .begins = action.turn.begins,
                      .chain = {},
                      .records = std::exchange(action.turn.records, {})};
    if (turn.begins) {
        turn.chain = own.chain;
    }
    signers_.handshakes().hear(std::move(turn), [this, asked = std::move(action)](Result<TlsTurnAnswered> answer) {
        on_tls_turn(asked, std::move(answer));
    });
}

void IkeService::on_tls_turn(const ike::AnswerTls& asked, Result<TlsTurnAnswered> answer) {
    ike::TlsAnswered said{.sa = asked.sa, .epoch = asked.epoch, .progress = {}};
    if (!answer) {
        said.progress.why = std::move(answer).error();
        take(std::move(said));
        return;
    }
    said.progress.records = std::move(answer->records);
    if (!answer->sentence.empty()) {
        said.progress.why = {"eap-tls-failed", std::move(answer->sentence)};
        said.progress.of_tls = true;
        take(std::move(said));
        return;
    }
    if (answer->msk) {
        said.progress.msk = duplicate(*answer->msk);
    }
    errands_.run(ike::TlsUnchecked{.answer = std::move(said),
                                   .chain = std::move(answer->chain),
                                   .identity = asked.identity,
                                   .connection = asked.connection},
                 [this](ike::Event checked) { take(std::move(checked)); });
}

}  // namespace keysluice::control
