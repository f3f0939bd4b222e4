#include "ktls/socket.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <type_traits>

#include "base/constant_time.hpp"

namespace keysluice::ktls {
namespace {

constexpr std::string_view kUlp = "tls";

template <typename Direction>
constexpr std::string_view kDirection = std::is_same_v<Direction, Tx> ? "sending" : "receiving";

std::unexpected<Error> attach_failure(int error) {
    switch (error) {
        case ENOENT:
            return fail(
                "kernel-without-ktls",
                "this kernel has no TLS record layer (TCP_ULP \"tls\"): load it with `modprobe tls`, or use a "
                "kernel with CONFIG_TLS");
        case ENOTCONN:
            return fail("not-connected",
                        "kernel TLS needs an established connection, and this one is not (any more)");
        case EOPNOTSUPP:
        case ENOPROTOOPT:
        case ENOTSOCK:
            return fail("not-tcp", "kernel TLS needs a TCP socket, and this is none");
        case EEXIST:
            return fail("ulp-in-use", "this connection already has an upper layer protocol in the kernel");
        default:
            return fail("ktls-attach-failed", fmt::format("attaching kernel TLS: {}", std::strerror(error)));
    }
}

std::unexpected<Error> install_failure(int error, std::string_view direction, Version version, Cipher cipher) {
    const auto what = fmt::format("the keys for {} ({}, {})", direction, name(version), name(cipher));
    switch (error) {
        // EINVAL: the kernel does not know the version or the cipher, or the other direction has a different one.
        // ENOENT: it knows the cipher, but its crypto has no such algorithm. EOPNOTSUPP: a device refuses it.
        case EINVAL:
        case ENOENT:
        case EOPNOTSUPP:
            return fail("cipher-not-in-kernel", fmt::format("the kernel refused {}: {}", what, std::strerror(error)));
        case ENOPROTOOPT:
            return fail("ulp-missing", fmt::format("the kernel can't take {}: kernel TLS is not attached", what));
        case EBUSY:
            return fail(
                "keys-in-use",
                fmt::format("the kernel refused {}: others are in force, and it does not replace them", what));
        default:
            return fail("ktls-install-failed", fmt::format("installing {}: {}", what, std::strerror(error)));
    }
}

using CryptoInfo = Secret<uapi::kMaxCryptoInfo>;

/// The kernel's structure of this direction, or as much of it as `size` says: the whole, or its head.
template <typename Direction>
Result<CryptoInfo> read_crypto_info(int fd, std::size_t size) {
    CryptoInfo installed;
    const MutableBytes room = installed.writable(size);
    auto length = static_cast<socklen_t>(room.size());
    if (::getsockopt(fd, SOL_TLS, uapi::kOption<Direction>, room.data(), &length) != 0 || length != room.size()) {
        return fail("ktls-read-back-failed", fmt::format("reading the keys for {} back from the kernel: {}",
                                                         kDirection<Direction>, std::strerror(errno)));
    }
    return installed;
}

}  // namespace

Result<void> attach(int fd) {
    if (::setsockopt(fd, IPPROTO_TCP, TCP_ULP, kUlp.data(), static_cast<socklen_t>(kUlp.size())) != 0) {
        return attach_failure(errno);
    }
    return {};
}

template <typename Direction>
Result<void> install(int fd, const Keys<Direction>& keys) {
    const Bytes crypto_info = keys.expose();
    if (::setsockopt(fd, SOL_TLS, uapi::kOption<Direction>, crypto_info.data(),
                     static_cast<socklen_t>(crypto_info.size())) != 0) {
        return install_failure(errno, kDirection<Direction>, keys.version(), keys.cipher());
    }
    return {};
}

template <typename Direction>
Result<bool> in_force(int fd, const Keys<Direction>& keys) {
    Secret<uapi::kMaxCryptoInfo> installed;
    // getsockopt() wants exactly the size of the cipher's structure, and EINVAL means that another cipher is in
    // force.
    const MutableBytes room = installed.writable(keys.expose().size());
    auto size = static_cast<socklen_t>(room.size());
    if (::getsockopt(fd, SOL_TLS, uapi::kOption<Direction>, room.data(), &size) == 0) {
        return equal_in_constant_time(installed.expose().first(size), keys.expose());
    }
    if (errno == EBUSY || errno == EINVAL || errno == ENOPROTOOPT || errno == EOPNOTSUPP) {
        return false;
    }
    return fail("ktls-read-back-failed", fmt::format("reading the keys for {} back from the kernel: {}",
                                                     kDirection<Direction>, std::strerror(errno)));
}

template <typename Direction>
Result<Cipher> cipher_in_force(int fd) {
    const auto head = read_crypto_info<Direction>(fd, sizeof(tls_crypto_info));
    if (!head) {
        return std::unexpected(head.error());
    }
    tls_crypto_info info{};
    std::memcpy(&info, head->expose().data(), sizeof(info));
    const auto cipher = uapi::cipher_of(info.cipher_type);
    return cipher ? Result<Cipher>(*cipher)
                  : fail("cipher-not-in-kernel", fmt::format("the kernel uses cipher {}", info.cipher_type));
}

template <typename Direction>
Result<std::uint64_t> next_record(int fd, Cipher cipher) {
    const auto info = read_crypto_info<Direction>(fd, uapi::layout(cipher).size());
    return info ? Result<std::uint64_t>(
                      Reader(info->expose().last(uapi::Layout::kSequence)).template be<std::uint64_t>())
                : std::unexpected(info.error());
}

template <typename Direction>
Result<bool> has_come_to(int fd, const Keys<Direction>& keys) {
    const Bytes wanted = keys.expose();
    const auto info = read_crypto_info<Direction>(fd, wanted.size());
    if (!info) {
        return std::unexpected(info.error());
    }
    const std::size_t without_sequence = wanted.size() - uapi::Layout::kSequence;
    return equal_in_constant_time(info->expose().first(without_sequence), wanted.first(without_sequence));
}

template Result<Cipher> cipher_in_force<Tx>(int);
template Result<Cipher> cipher_in_force<Rx>(int);
template Result<std::uint64_t> next_record<Tx>(int, Cipher);
template Result<std::uint64_t> next_record<Rx>(int, Cipher);
template Result<bool> has_come_to(int, const Keys<Tx>&);
template Result<bool> has_come_to(int, const Keys<Rx>&);
template Result<void> install(int, const Keys<Tx>&);
template Result<void> install(int, const Keys<Rx>&);
template Result<bool> in_force(int, const Keys<Tx>&);
template Result<bool> in_force(int, const Keys<Rx>&);

}  // namespace keysluice::ktls
