#pragma once

#include "base/result.hpp"
#include "daemon/shared/connection_table.hpp"
#include "ktls/keys.hpp"
#include "ktls/record.hpp"

namespace keysluice {

/// Changes the keys that the kernel has for one connection of TLS 1.3 (RFC 8446 4.6.3, 7.2). Linux 6.14 can.
///
/// The steps stand in memory that outlives the process, each before it is taken, so that a successor can tell how far
/// a predecessor came:
///
/// | receiving                                       | sending                                                 |
/// |-------------------------------------------------|---------------------------------------------------------|
/// | note it: the KeyUpdate still waits in the socket | note it, with the number of the record that it will be |
/// | take the KeyUpdate out of the socket            | send it                                                 |
/// | install the next keys                           | install the next keys, and no data in between           |
/// | count them                                      | count them                                              |
///
/// The kernel itself says which of them were done: it stops reading between a KeyUpdate and the keys after it
/// (EKEYEXPIRED), it counts the records that it sends, and it returns the keys that it has.
class Rekeying {
   public:
    /// `kept` may be null: this connection's keys can't be changed.
    Rekeying(int fd, KeptSecrets* kept) : fd_(fd), kept_(kept) {}

    [[nodiscard]] bool possible() const { return kept_ != nullptr && kept_->size != 0; }
    /// The peer waits for a KeyUpdate of ours before our next data.
    [[nodiscard]] bool answer_due() const { return possible() && kept_->answer_due != 0; }

    /// Finishes what a predecessor began. Errors as below.
    [[nodiscard]] Result<void> take_up();

    /// A KeyUpdate waits in the socket, which nobody has taken out yet. `wants_ours`: update_requested.
    void expect(bool wants_ours);
    /// It was taken out: the kernel gets the peer's next keys. Errors: as ktls::install() has them, and
    /// "key-derivation-failed". They are final for the connection.
    [[nodiscard]] Result<void> follow();

    /// Sends a KeyUpdate, and our next keys are in force. `wants_theirs`: update_requested. On would_block nothing
    /// was sent. Errors as for follow(), and as ktls::send_control() has them.
    [[nodiscard]] Result<ktls::Sent> change(bool wants_theirs);

   private:
    [[nodiscard]] Result<ktls::TrafficSecret> next_secret(const KeptSecrets::Direction& direction) const;
    template <typename Direction>
    [[nodiscard]] Result<ktls::Keys<Direction>> keys_of(const ktls::TrafficSecret& secret) const;
    template <typename Direction>
    [[nodiscard]] Result<void> install_next(KeptSecrets::Direction& direction);
    /// Whether a predecessor installed the next keys and could not count them any more.
    template <typename Direction>
    [[nodiscard]] Result<bool> count_if_installed(KeptSecrets::Direction& direction);
    static void count(KeptSecrets::Direction& direction, const ktls::TrafficSecret& next);
    [[nodiscard]] Result<std::uint64_t> next_record() const;
    [[nodiscard]] Result<void> take_up_receiving();
    [[nodiscard]] Result<void> take_up_sending();

    int fd_;
    KeptSecrets* kept_;
};

}  // namespace keysluice
