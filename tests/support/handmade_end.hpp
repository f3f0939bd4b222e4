#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "ktls/alert.hpp"
#include "tests/support/carried_pair.hpp"
#include "tests/support/plain_end.hpp"

namespace keysluice::test {

/// A TLS peer that writes its records by hand, decent ones or not, and reads with the kernel's help.
///
/// The other end of its connection is carried by the kernel, ready for a relay.
class HandmadeEnd {
   public:
    explicit HandmadeEnd(ktls::Version version, ktls::Cipher cipher = ktls::Cipher::chacha20_poly1305);

    /// Application data, in full records.
    void say(Bytes bytes);
    void say(ktls::ContentType type, Bytes payload) { say_raw(peer_.sealer.seal(type, payload)); }
    void say_alert(ktls::AlertDescription alert) { say(ktls::ContentType::alert, ktls::encode_alert(alert)); }
    /// A record that does not decrypt.
    void say_forged(Bytes payload) {
        say_raw(peer_.sealer.seal_with_bad_mac(ktls::ContentType::application_data, payload));
    }
    /// A KeyUpdate, and whatever it says next is under its next keys. `before`: other messages in the same record.
    void change_keys(bool wants_theirs, Bytes before = {});
    [[nodiscard]] const ktls::TrafficSecret& sending_secret() const { return sending_secret_; }
    [[nodiscard]] const ktls::TrafficSecret& receiving_secret() const { return receiving_secret_; }
    void say_raw(Bytes wire) { wire_.say(wire); }
    /// A FIN behind everything that was said, without an alert.
    void say_end() { wire_.say_end(); }
    void say_reset() { close_with_reset(wire_.fd); }
    void pump();
    [[nodiscard]] bool said_all() const { return wire_.said_all(); }
    [[nodiscard]] std::size_t unsaid() const { return wire_.unsaid(); }
    /// Nothing more comes: a FIN, or `failure`.
    [[nodiscard]] bool over() const { return ended || !failure.empty(); }

    /// The end that the relay is given; it leaves this object.
    [[nodiscard]] UniqueFd take_carried() { return std::move(peer_.pair.server); }
    [[nodiscard]] int socket() const { return wire_.fd.get(); }

    bool reads = true;
    std::size_t most_per_pump = SIZE_MAX;  ///< a slow reader's pace
    std::vector<std::uint8_t> received;
    std::vector<ktls::AlertDescription> alerts;
    std::vector<bool> key_updates;  ///< of the other end, which it followed: whether one of ours was asked for
    bool data_behind_alert = false;
    bool ended = false;        ///< a FIN came
    std::string_view failure;  ///< the reason of a failed read: "connection-reset"

   private:
    void read();
    void on_handshake(Bytes payload);

    ktls::Cipher cipher_;
    ktls::TrafficSecret sending_secret_{std::array<std::uint8_t, 32>{1, 2, 3}};
    ktls::TrafficSecret receiving_secret_{std::array<std::uint8_t, 32>{4, 5, 6}};
    HandmadePeer peer_;
    PlainEnd wire_;
};

}  // namespace keysluice::test
