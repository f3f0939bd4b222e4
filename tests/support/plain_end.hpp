#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"

namespace keysluice::test {

/// The two ends of a plaintext connection: the relay's, and the test's.
struct PlainPair {
    UniqueFd relay;
    UniqueFd test;
};
[[nodiscard]] PlainPair plain_tcp_pair();
[[nodiscard]] PlainPair plain_unix_pair();

/// As accept4() and the connector make them: the kernel's splice(2) takes this flag from the socket.
void set_nonblocking(int fd);
/// In bytes; the kernel doubles them.
void set_buffers(int fd, int sending, int receiving);
/// Closes a socket so that its peer sees a reset.
void close_with_reset(UniqueFd& socket);

/// The application at the plaintext end: what it wants to say leaves as the kernel takes it, what comes is collected.
class PlainEnd {
   public:
    explicit PlainEnd(UniqueFd socket) : fd(std::move(socket)) {
        if (fd) {
            set_nonblocking(fd.get());
        }
    }

    void say(Bytes bytes) { unsent_.insert(unsent_.end(), bytes.begin(), bytes.end()); }
    /// A FIN behind everything that was said.
    void say_end() { ending_ = true; }
    /// What is possible now.
    void pump();
    [[nodiscard]] bool said_all() const { return unsent_.empty() && !ending_; }
    /// All of it, the FIN too, is in the peer's socket: what is here still, a reset takes along.
    [[nodiscard]] bool has_arrived() const;
    [[nodiscard]] std::size_t unsaid() const { return unsent_.size(); }
    [[nodiscard]] bool over() const { return ended || error != 0; }

    UniqueFd fd;
    bool reads = true;  ///< false: it lets everything lie in its socket
    std::vector<std::uint8_t> received;
    bool ended = false;  ///< a FIN came
    int error = 0;       ///< errno of a read, ECONNRESET above all

   private:
    void write();
    void read();

    std::vector<std::uint8_t> unsent_;
    bool ending_ = false;
};

}  // namespace keysluice::test
