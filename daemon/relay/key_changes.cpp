// The part of Session that changes keys (RFC 8446 4.6.3), after the peer and of our own accord.

#include <algorithm>
#include <utility>

#include "daemon/relay/session.hpp"
#include "daemon/shared/clock.hpp"
#include "ktls/socket.hpp"

namespace keysluice {

namespace {

using ktls::AlertDescription;

/// Where keys can't be changed, so much may be sent under them. kMostOctetsOfKeys has the reasons; here AES-GCM comes
/// nearer to the RFC's limit, since what follows is the end of the connection.
std::uint64_t bearable(int fd) {
    const auto cipher = ktls::cipher_in_force<ktls::Tx>(fd);
    switch (cipher.value_or(ktls::Cipher::aes128_ccm)) {
        case ktls::Cipher::aes128_gcm:
        case ktls::Cipher::aes256_gcm:
            return std::uint64_t{1} << 38U;
        case ktls::Cipher::aes128_ccm:
            return kMostOctetsOfKeys;
        case ktls::Cipher::chacha20_poly1305:
            // "For ChaCha20/Poly1305, the record sequence number would wrap before the safety limit is reached."
            return UINT64_MAX;
    }
    return kMostOctetsOfKeys;
}

}  // namespace

void Session::limit_keys() {
    entry_.keys.asked = 0;  // a predecessor may have died before it could note the answer
    if (entry_.keys_since == Instant{}) {
        entry_.keys_since = entry_.since;
    }
    if (rekeying_.possible()) {
        key_limits_.sent = key_limits_.received = rekey_after_.volume_or(kMostOctetsOfKeys);
    } else {
        key_limits_.sent = std::min(rekey_after_.volume_or(UINT64_MAX), bearable(tls_.fd.get()));
        key_limits_.received = rekey_after_.volume_or(UINT64_MAX);  // what they bear is their owner's to see to
    }
    arm_rekeying();
}

void Session::arm_rekeying() {
    if (rekey_after_.time.count() != 0) {
        host_.loop().arm(rekey_timer_, entry_.keys_since + rekey_after_.time);
    }
}

void Session::RekeyTimer::on_deadline() {
    owner.keys_too_old_ = true;
    owner.advance();
}

bool Session::change_due() const {
    const bool due =
        rekeying_.answer_due() || keys_too_old_ || entry_.keys.used_up(key_limits_, !has(TableEntry::kTlsEnded));
    return due && !has(TableEntry::kNotifySent);
}

Session::Step Session::change_keys() {
    if (!rekeying_.possible()) {
        return refuse(AlertDescription::internal_error,
                      {"kernel-no-rekey",
                       "its keys are used up and can't be changed: that takes Linux 6.14, and "
                       "locked memory for the secrets"});
    }
    if (!tls_.writable) {
        return Step::stuck;
    }
    // RFC 8446 4.6.3: "If the request_update field is set to "update_requested", then the receiver MUST send a
    // KeyUpdate of its own with request_update set to "update_not_requested" prior to sending its next Application
    // Data record." An answer asks for nothing, and nobody is asked twice before the first answer.
    const bool asking = !rekeying_.answer_due() && entry_.keys.asked == 0 && !has(TableEntry::kTlsEnded);
    const auto sent = rekeying_.change(asking);
    if (!sent) {
        return abort(sent.error());
    }
    if (*sent == ktls::Sent::would_block) {
        tls_.writable = false;
        return Step::stuck;
    }
    entry_.keys.changed_ours(asking);
    entry_.keys_since = now();
    keys_too_old_ = false;
    arm_rekeying();
    return Step::moved;
}

Session::Step Session::on_key_update() {
    if (!rekeying_.possible()) {
        // RFC 8446 6.2, internal_error: "An internal error unrelated to the peer or the correctness of the protocol
        // […] makes it impossible to continue."
        return refuse(AlertDescription::internal_error,
                      {"kernel-no-rekey", "the peer changes its keys, and this kernel can't: it takes Linux 6.14"});
    }
    const Instant moment = now();
    flood_.rest(moment - std::exchange(last_key_update_, moment));
    if (entry_.keys.asked == 0) {
        flood_.handshake_message(ktls::kKeyUpdate);
    }
    if (auto flood = flood_.verdict()) {
        return refuse(AlertDescription::unexpected_message, *flood);
    }
    if (auto followed = rekeying_.follow(); !followed) {
        return refuse(AlertDescription::internal_error, followed.error());
    }
    entry_.keys.changed_theirs();
    idle_records_ = 0;  // what there may be of these, flood_ has counted
    return Step::moved;
}

}  // namespace keysluice
