// keysluice/handoff.hpp: handoff.h for C++, with owners. What fails throws std::system_error.
#ifndef KEYSLUICE_HANDOFF_HPP
#define KEYSLUICE_HANDOFF_HPP

#include <keysluice/handoff.h>

#include <cstring>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace keysluice::application {

[[noreturn]] inline void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

/// One on its way to a Socket: its secrets stay nowhere else.
struct Passing {
    keysluice_socket socket{};

    Passing() { socket.fd = -1; }
    Passing(const Passing&) = delete;
    Passing& operator=(const Passing&) = delete;
    ~Passing() { explicit_bzero(&socket, sizeof(socket)); }
};

/// A kTLS socket, and what keysluice has said about its connection.
class Socket {
   public:
    Socket(const keysluice_socket& socket, std::string message) : socket_(socket), message_(std::move(message)) {}
    Socket(Socket&& other) noexcept : socket_(other.socket_), message_(std::move(other.message_)) { other.forget(); }
    Socket& operator=(Socket&& other) noexcept {
        if (this != &other) {
            keysluice_close(&socket_);
            socket_ = other.socket_;
            message_ = std::move(other.message_);
            other.forget();
        }
        return *this;
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    ~Socket() { keysluice_close(&socket_); }

    [[nodiscard]] int fd() const { return socket_.fd; }
    [[nodiscard]] const std::string& message() const { return message_; }
    /// A string of the message: "peer", "server_name", "certificate_subject", …; nothing where there is none.
    [[nodiscard]] std::optional<std::string> text(const char* key) const {
        std::string value(message_.size() + 1, '\0');
        const ssize_t size = keysluice_text(message_.c_str(), key, value.data(), value.size());
        value.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
        return size < 0 ? std::nullopt : std::optional(std::move(value));
    }
    /// As keysluice_recv(); nothing where MSG_DONTWAIT finds nothing.
    std::optional<std::size_t> receive(void* buffer, std::size_t size, int flags = 0) {
        return checked(keysluice_recv(&socket_, buffer, size, flags), "keysluice_recv");
    }
    std::optional<std::size_t> send(const void* data, std::size_t size, int flags = 0) {
        return checked(keysluice_send(&socket_, data, size, flags), "keysluice_send");
    }
    /// False, on a nonblocking socket: there is no room now; try again, or the peer may see a truncation.
    bool shutdown() { return checked(keysluice_shutdown(&socket_), "keysluice_shutdown").has_value(); }
    /// The same, of a KeyUpdate; `asking`: the peer is to change its keys, too.
    bool change_keys(bool asking) {
        return checked(keysluice_change_keys(&socket_, asking ? 1 : 0), "keysluice_change_keys").has_value();
    }

   private:
    static std::optional<std::size_t> checked(ssize_t size, const char* what) {
        if (size < 0 && errno != EAGAIN) {
            fail(what);
        }
        return size < 0 ? std::nullopt : std::optional(static_cast<std::size_t>(size));
    }
    void forget() {
        explicit_bzero(&socket_, sizeof(socket_));
        socket_.fd = -1;
    }

    keysluice_socket socket_;
    std::string message_;
};

/// Where sockets are handed off to, by `user` alone. The file's mode lets everybody call, as `user` is another one
/// than ours: who does is asked by both sides.
class Listener {
   public:
    Listener(const char* path, uid_t user, mode_t mode = 0666) : fd_(keysluice_listen(path, mode)), user_(user) {
        if (fd_ < 0) {
            fail(path);
        }
    }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() { close(fd_); }

    [[nodiscard]] int fd() const { return fd_; }
    Socket accept() {
        Passing passing;
        std::vector<char> message(KEYSLUICE_MESSAGE_SIZE);
        if (keysluice_accept(fd_, user_, &passing.socket, message.data()) != 0) {
            fail("keysluice_accept");
        }
        return {passing.socket, message.data()};
    }

   private:
    int fd_;
    uid_t user_;
};

/// What keysluice says of a socket that was submitted.
struct Answer {
    std::string message;
    std::optional<Socket> socket;  ///< nothing: the message says why
};

/// A channel to "submit:PATH" of a service.
class Submitter {
   public:
    Submitter(const char* path, uid_t user) : fd_(keysluice_connect(path, user)) {
        if (fd_ < 0) {
            fail(path);
        }
    }
    Submitter(const Submitter&) = delete;
    Submitter& operator=(const Submitter&) = delete;
    ~Submitter() { close(fd_); }

    [[nodiscard]] int fd() const { return fd_; }
    /// False: MSG_DONTWAIT finds no room.
    bool submit(int tcp, const std::string& id, int flags = 0) {
        const bool submitted = keysluice_submit_with(fd_, tcp, id.c_str(), flags) == 0;
        if (!submitted && errno != EAGAIN) {
            fail("keysluice_submit_with");
        }
        return submitted;
    }
    /// Nothing: the channel has ended.
    std::optional<Answer> answer() {
        Passing passing;
        std::vector<char> message(KEYSLUICE_MESSAGE_SIZE);
        const int got = keysluice_answer(fd_, &passing.socket, message.data(), 0);
        if (got < 0) {
            fail("keysluice_answer");
        }
        if (got == 0) {
            return std::nullopt;
        }
        Answer answer{message.data(), std::nullopt};
        if (passing.socket.fd >= 0) {
            answer.socket.emplace(passing.socket, message.data());
        }
        return answer;
    }

   private:
    int fd_;
};

}  // namespace keysluice::application

#endif
