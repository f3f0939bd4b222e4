#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "ktls/keys.hpp"

namespace keysluice::ktls {

/// Putting a TCP connection's record layer into the kernel. The order is attach(), install(Rx), install(Tx), and
/// in_force() of both before anybody else gets the socket.
///
/// **The point of no return is the first install() that succeeds.** Until then the socket carries TLS from userspace
/// as before: attach() alone changes nothing (net/tls/tls_main.c: TLS_BASE passes everything through), but it can't
/// be undone either, and while TX is missing the kernel sends what it is given as **plaintext**. After it there is no
/// way back: the kernel can't unset a key, and a nonce must never be used twice. Whatever fails later ends the
/// connection. RX comes first because it is the direction that older kernels refuse.

/// Attaches the "tls" upper layer protocol (TCP_ULP). The connection must be established.
///
/// Reasons: "kernel-without-ktls", "not-connected", "not-tcp", "ulp-in-use" (attached before), "ktls-attach-failed".
[[nodiscard]] Result<void> attach(int fd);

/// Installs the keys of one direction, or replaces them where the kernel can (TLS 1.3 only, Linux 6.14).
///
/// Reasons: "cipher-not-in-kernel", "ulp-missing" (attach() first), "keys-in-use" (the direction has keys already and
/// this kernel does not replace them), "ktls-install-failed". A failure leaves the direction as it was.
template <typename Direction>
[[nodiscard]] Result<void> install(int fd, const Keys<Direction>& keys);

/// Whether the kernel uses exactly these keys, with this sequence number, for the next record of this direction: ask
/// before the first record, later the sequence number differs. Compares in constant time and wipes what it read.
///
/// Reasons: "ktls-read-back-failed"; no keys at all is `false`.
template <typename Direction>
[[nodiscard]] Result<bool> in_force(int fd, const Keys<Direction>& keys);

/// The cipher of the keys that the kernel has for this direction. Reasons: "cipher-not-in-kernel" (one that this
/// project does not know), "ktls-read-back-failed", also where there are none.
template <typename Direction>
[[nodiscard]] Result<Cipher> cipher_in_force(int fd);

/// The number of the next record of this direction. Reasons as above.
template <typename Direction>
[[nodiscard]] Result<std::uint64_t> next_record(int fd, Cipher cipher);

/// Whether the kernel uses these keys of TLS 1.3, however many records they have carried by now. Reasons as above.
template <typename Direction>
[[nodiscard]] Result<bool> has_come_to(int fd, const Keys<Direction>& keys);

extern template Result<Cipher> cipher_in_force<Tx>(int);
extern template Result<Cipher> cipher_in_force<Rx>(int);
extern template Result<std::uint64_t> next_record<Tx>(int, Cipher);
extern template Result<std::uint64_t> next_record<Rx>(int, Cipher);
extern template Result<bool> has_come_to(int, const Keys<Tx>&);
extern template Result<bool> has_come_to(int, const Keys<Rx>&);
extern template Result<void> install(int, const Keys<Tx>&);
extern template Result<void> install(int, const Keys<Rx>&);
extern template Result<bool> in_force(int, const Keys<Tx>&);
extern template Result<bool> in_force(int, const Keys<Rx>&);

}  // namespace keysluice::ktls
