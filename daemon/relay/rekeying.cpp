#include "daemon/relay/rekeying.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "ktls/handshake.hpp"
#include "ktls/socket.hpp"

namespace keysluice {

namespace {

/// RFC 8446 4.6.3: its type, a length of one octet, and update_not_requested (0) or update_requested (1).
std::array<std::uint8_t, 5> key_update(bool wants_theirs) {
    return {ktls::kKeyUpdate, 0, 0, 1, static_cast<std::uint8_t>(wants_theirs ? 1 : 0)};
}

/// What stands above it in the program is in memory before what stands below: a successor reads it after our death.
void then() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

}  // namespace

Result<ktls::TrafficSecret> Rekeying::next_secret(const KeptSecrets::Direction& direction) const {
    const auto& in_force = direction.secrets.at(direction.changes % 2);
    return ktls::after(ktls::TrafficSecret(Bytes(in_force).first(kept_->size)));
}

template <typename Direction>
Result<ktls::Keys<Direction>> Rekeying::keys_of(const ktls::TrafficSecret& secret) const {
    const auto cipher = ktls::cipher_in_force<Direction>(fd_);
    return cipher ? ktls::keys_from<Direction>(*cipher, secret) : std::unexpected(cipher.error());
}

template <typename Direction>
Result<void> Rekeying::install_next(KeptSecrets::Direction& direction) {
    const auto next = next_secret(direction);
    const auto keys = next ? keys_of<Direction>(*next) : std::unexpected(next.error());
    auto installed = keys ? ktls::install(fd_, *keys) : std::unexpected(keys.error());
    if (installed) {
        count(direction, *next);
    }
    return installed;
}

template <typename Direction>
Result<bool> Rekeying::count_if_installed(KeptSecrets::Direction& direction) {
    const auto next = next_secret(direction);
    const auto keys = next ? keys_of<Direction>(*next) : std::unexpected(next.error());
    auto there = keys ? ktls::has_come_to(fd_, *keys) : std::unexpected(keys.error());
    if (there && *there) {
        count(direction, *next);
    }
    return there;
}

void Rekeying::count(KeptSecrets::Direction& direction, const ktls::TrafficSecret& next) {
    std::ranges::copy(next.expose(), direction.secrets.at((direction.changes + 1) % 2).begin());
    then();
    ++direction.changes;
    then();
    // What went under the keys before can't be read with what is here.
    auto& before = direction.secrets.at((direction.changes + 1) % 2);
    wipe(before.data(), before.size());
}

void Rekeying::expect(bool wants_ours) {
    if (wants_ours) {
        kept_->answer_due = 1;
    }
    kept_->receive.goal = kept_->receive.changes + 1;
    then();
}

Result<void> Rekeying::follow() {
    kept_->receive.goal = kept_->receive.changes + 1;  // also where nobody could see it coming
    then();
    return install_next<ktls::Rx>(kept_->receive);
}

Result<std::uint64_t> Rekeying::next_record() const {
    const auto cipher = ktls::cipher_in_force<ktls::Tx>(fd_);
    return cipher ? ktls::next_record<ktls::Tx>(fd_, *cipher) : std::unexpected(cipher.error());
}

Result<ktls::Sent> Rekeying::change(bool wants_theirs) {
    const auto record = next_record();
    if (!record) {
        return std::unexpected(record.error());
    }
    kept_->update_record = *record;
    then();
    kept_->send.goal = kept_->send.changes + 1;
    then();
    const auto sent = ktls::send_control(fd_, ktls::ContentType::handshake, key_update(wants_theirs));
    if (!sent || *sent == ktls::Sent::would_block) {
        kept_->send.goal = kept_->send.changes;
        return sent;
    }
    if (auto installed = install_next<ktls::Tx>(kept_->send); !installed) {
        return pass_on(std::move(installed));
    }
    kept_->answer_due = 0;
    return ktls::Sent::yes;
}

Result<void> Rekeying::take_up() {
    if (!possible()) {
        return {};
    }
    if (kept_->receive.changing()) {
        if (auto taken = take_up_receiving(); !taken) {
            return taken;
        }
    }
    return kept_->send.changing() ? take_up_sending() : Result<void>();
}

Result<void> Rekeying::take_up_receiving() {
    const auto installed = count_if_installed<ktls::Rx>(kept_->receive);
    if (!installed) {
        return std::unexpected(installed.error());
    }
    if (*installed) {
        return {};
    }
    std::array<std::uint8_t, 1> first{};
    const auto next = ktls::peek_record(fd_, first);
    const auto* control = next ? std::get_if<ktls::Control>(&*next) : nullptr;
    if (control != nullptr && control->type == ktls::ContentType::handshake) {
        kept_->receive.goal = kept_->receive.changes;  // it waits still, and will be met again
        return {};
    }
    return follow();
}

Result<void> Rekeying::take_up_sending() {
    const auto installed = count_if_installed<ktls::Tx>(kept_->send);
    const auto record = installed ? next_record() : std::unexpected(installed.error());
    if (!record) {
        return std::unexpected(record.error());
    }
    if (!*installed && *record == kept_->update_record) {
        kept_->send.goal = kept_->send.changes;  // it never left
        return {};
    }
    if (!*installed) {
        if (auto sent = install_next<ktls::Tx>(kept_->send); !sent) {
            return sent;
        }
    }
    kept_->answer_due = 0;
    return {};
}

}  // namespace keysluice
