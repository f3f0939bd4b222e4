#include "daemon/control/document_server.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "daemon/shared/clock.hpp"
#include "daemon/shared/endpoint.hpp"

namespace keysluice::control {

Result<UniqueFd> DocumentServer::bind(const std::string& path) {
    const auto address = to_socket_address(UnixEndpoint{path});
    if (!address) {
        return std::unexpected(address.error());
    }
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    unlink(path.c_str());
    if (!socket || ::bind(socket.get(), address->get(), address->length) != 0 || listen(socket.get(), 16) != 0) {
        return fail("status-bind-failed", fmt::format("{}: {}", path, std::strerror(errno)));
    }
    return socket;
}

DocumentServer::DocumentServer(Loop& loop, UniqueFd socket, std::function<void()> asked)
    : loop_(loop), socket_(std::move(socket)), asked_(std::move(asked)) {
    loop_.add(socket_.get(), EPOLLIN, *this);
}

DocumentServer::~DocumentServer() {
    loop_.remove(socket_.get(), *this);
    for (Reader& reader : readers_) {
        loop_.forget(reader);
        loop_.disarm(reader);
    }
}

bool DocumentServer::wanted() const {
    return std::ranges::any_of(readers_, [](const Reader& each) { return each.text == nullptr; });
}

void DocumentServer::on_events(std::uint32_t /*events*/) {
    UniqueFd accepted(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!accepted || readers_.size() >= kMostReaders) {
        return;
    }
    Reader& reader = readers_.emplace_back(*this, std::move(accepted));
    reader.self = std::prev(readers_.end());
    loop_.add(reader.fd.get(), 0, reader);
    loop_.arm(reader, now() + kReaderPatience);
    asked_();
}

void DocumentServer::answer(const std::shared_ptr<const std::string>& document) {
    for (Reader& reader : readers_) {
        if (!reader.text) {
            reader.text = document;
            loop_.modify(reader.fd.get(), EPOLLOUT, reader);
        }
    }
}

void DocumentServer::Reader::on_events(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0U && text) {
        const std::string_view rest = std::string_view(*text).substr(sent);
        const ssize_t size = send(fd.get(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN) {
            return;
        }
        sent += size < 0 ? rest.size() : static_cast<std::size_t>(size);
        if (sent < text->size()) {
            return;
        }
    }
    owner.drop(*this);
}

void DocumentServer::drop(Reader& reader) {
    loop_.forget(reader);
    loop_.disarm(reader);
    readers_.erase(reader.self);
}

}  // namespace keysluice::control
