#include "tests/support/tls_client.hpp"

#include "tests/support/tls_pair.hpp"
#include "tls/record.hpp"

namespace keysluice::test {

TlsClient::TlsClient(UniqueFd socket, std::unique_ptr<tls::Session> session)
    : wire_(std::move(socket)), session_(std::move(session)) {
    take_output();
}

void TlsClient::say(Bytes bytes) {
    static_cast<void>(session_->write(bytes));
    take_output();
}

void TlsClient::say_close_notify() {
    static_cast<void>(session_->close_notify());
    take_output();
}

void TlsClient::take_output() {
    wire_.say(testing::take_output(*session_));
}

void TlsClient::pump() {
    wire_.pump();
    take_input();
    take_output();
    wire_.pump();
    take_input();  // or it could be over before all that came is seen
}

void TlsClient::take_input() {
    if (!established()) {
        handshake();
    }
    if (established() && failure.empty()) {
        decrypt();
    }
}

void TlsClient::handshake() {
    // Record by record, so that what comes behind the handshake is left for decrypt().
    std::size_t used = 0;
    for (const Bytes record : testing::records_in(wire_.received)) {
        if (established() || !failure.empty()) {
            break;
        }
        used += record.size();
        if (const auto fed = session_->feed(record); !fed) {
            failure = fed.error().reason;
        }
    }
    wire_.received.erase(wire_.received.begin(), wire_.received.begin() + static_cast<std::ptrdiff_t>(used));
}

void TlsClient::decrypt() {
    if (wire_.received.empty() || closed) {
        return;
    }
    const auto got = testing::receive_all(*session_, wire_.received);
    wire_.received.clear();
    received.insert(received.end(), got.data.begin(), got.data.end());
    if (!got.end) {
        failure = got.end.error().reason;
    } else {
        closed = *got.end == tls::Read::closed;
    }
}

}  // namespace keysluice::test
