#include "daemon/control/status_server.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/shared/clock.hpp"

namespace keysluice::control {

Result<UniqueFd> StatusServer::bind(const std::string& path) {
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

StatusServer::StatusServer(Loop& loop, UniqueFd socket, Ask ask, Render render)
    : loop_(loop), socket_(std::move(socket)), ask_(std::move(ask)), render_(std::move(render)) {
    loop_.add(socket_.get(), EPOLLIN, *this);
}

StatusServer::~StatusServer() {
    loop_.remove(socket_.get(), *this);
    loop_.disarm(*this);
    for (Reader& reader : readers_) {
        loop_.forget(reader);
        loop_.disarm(reader);
    }
}

void StatusServer::on_events(std::uint32_t /*events*/) {
    UniqueFd accepted(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!accepted || readers_.size() >= kMostReaders) {
        return;
    }
    Reader& reader = readers_.emplace_back(*this, std::move(accepted));
    reader.self = std::prev(readers_.end());
    loop_.add(reader.fd.get(), 0, reader);
    loop_.arm(reader, now() + kReaderPatience);
    if (!std::exchange(collecting_, true)) {
        collected_.clear();
        for (const Hello& asked : ask_(++token_)) {
            collected_.push_back({.process = asked, .answered = false, .counts = {}});
        }
        missing_ = collected_.size();
        loop_.arm(*this, missing_ == 0 ? now() : now() + kPatience);
    }
}

void StatusServer::on_counters(const Hello& from, Counters counters) {
    if (!collecting_ || counters.token != token_) {
        return;
    }
    const auto asked =
        std::ranges::find_if(collected_, [&](const ProcessCounters& one) { return one.process == from; });
    if (asked == collected_.end() || std::exchange(asked->answered, true)) {
        return;
    }
    asked->counts = std::move(counters.counts);
    if (--missing_ == 0) {
        loop_.disarm(*this);
        answer_all();
    }
}

void StatusServer::answer_all() {
    collecting_ = false;
    const std::string text = render_(collected_);
    for (auto next = readers_.begin(); next != readers_.end();) {
        Reader& reader = *next++;
        if (!reader.answered) {
            reader.answer(text);
        }
    }
}

void StatusServer::Reader::answer(std::string text) {
    answered = true;
    rest = std::move(text);
    owner.loop_.modify(fd.get(), EPOLLOUT, *this);
}

void StatusServer::Reader::on_events(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0U && answered) {
        const ssize_t size = send(fd.get(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN) {
            return;
        }
        rest.erase(0, size < 0 ? rest.size() : static_cast<std::size_t>(size));
        if (!rest.empty()) {
            return;
        }
    }
    owner.drop(*this);
}

void StatusServer::drop(Reader& reader) {
    loop_.forget(reader);
    loop_.disarm(reader);
    readers_.erase(reader.self);
}

}  // namespace keysluice::control
