#include "tests/support/handmade_end.hpp"

#include <algorithm>

#include "ktls/handshake.hpp"
#include "ktls/record.hpp"

namespace keysluice::test {
namespace {

constexpr std::size_t kFullRecord = 16384;

}  // namespace

HandmadeEnd::HandmadeEnd(ktls::Version version, ktls::Cipher cipher)
    : cipher_(cipher), peer_(version, cipher), wire_(std::move(peer_.pair.client)) {
    // Only for receiving: what it sends stays as it is.
    require_ok(ktls::attach(wire_.fd.get()));
    require_ok(ktls::install(wire_.fd.get(), peer_.keys.server.for_kernel<ktls::Rx>()));
    set_nonblocking(peer_.pair.server.get());
    wire_.reads = false;
}

void HandmadeEnd::say(Bytes bytes) {
    while (!bytes.empty()) {
        const Bytes record = bytes.first(std::min(bytes.size(), kFullRecord));
        say(ktls::ContentType::application_data, record);
        bytes = bytes.subspan(record.size());
    }
}

void HandmadeEnd::change_keys(bool wants_theirs, Bytes before) {
    std::vector<std::uint8_t> messages(before.begin(), before.end());
    messages.insert(messages.end(), {ktls::kKeyUpdate, 0, 0, 1, static_cast<std::uint8_t>(wants_theirs ? 1 : 0)});
    say(ktls::ContentType::handshake, messages);
    sending_secret_ = ktls::after(sending_secret_).value();
    peer_.sealer = RecordSealer(TestKeys::from(cipher_, sending_secret_));
}

void HandmadeEnd::on_handshake(Bytes payload) {
    ktls::HandshakeMessages messages{ktls::Version::tls13, payload};
    const auto message = messages.next();
    REQUIRE(message);
    const auto* update = std::get_if<ktls::KeyUpdate>(&*message);
    REQUIRE(update != nullptr);
    key_updates.push_back(update->requested);
    receiving_secret_ = ktls::after(receiving_secret_).value();
    require_ok(ktls::install(wire_.fd.get(), ktls::keys_from<ktls::Rx>(cipher_, receiving_secret_).value()));
}

void HandmadeEnd::pump() {
    if (wire_.fd) {
        wire_.pump();
        read();
    }
}

void HandmadeEnd::read() {
    std::vector<std::uint8_t> buffer(std::min<std::size_t>(most_per_pump, 65536));
    std::size_t taken = 0;
    while (reads && !over() && taken < most_per_pump) {
        const auto record = ktls::receive_record(wire_.fd.get(), buffer);
        if (!record) {
            failure = record.error().reason;
        } else if (const auto* data = std::get_if<ktls::Data>(&*record)) {
            received.insert(received.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(data->size));
            data_behind_alert = data_behind_alert || !alerts.empty();
            taken += data->size;
        } else if (const auto* control = std::get_if<ktls::Control>(&*record)) {
            if (control->type == ktls::ContentType::handshake) {
                on_handshake(Bytes(buffer).first(control->size));
                continue;
            }
            REQUIRE(control->type == ktls::ContentType::alert);
            const auto alert = ktls::parse_alert(Bytes(buffer).first(control->size));
            require_ok(alert);
            alerts.push_back(alert->description);
        } else if (std::holds_alternative<ktls::EndOfStream>(*record)) {
            ended = true;
        } else {
            return;
        }
    }
}

}  // namespace keysluice::test
