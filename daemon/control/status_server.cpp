#include "daemon/control/status_server.hpp"

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

StatusServer::StatusServer(Loop& loop, UniqueFd socket, Ask ask, Collect collect)
    : loop_(loop),
      socket_(std::move(socket)),
      ask_(std::move(ask)),
      collect_(std::move(collect)),
      writer_(loop, 1, 1) {
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
    ask();
}

void StatusServer::count(Counted then) {
    counting_.push_back(std::move(then));
    ask();
}

void StatusServer::ask() {
    if (!std::exchange(under_way_, true)) {
        collected_.clear();
        for (const Hello& asked : ask_(++token_)) {
            collected_.push_back({.process = asked, .answered = false, .counts = {}});
        }
        missing_ = collected_.size();
        loop_.arm(*this, missing_ == 0 ? now() : now() + kPatience);
    }
}

void StatusServer::on_counters(const Hello& from, Counters counters) {
    if (missing_ == 0 || counters.token != token_) {
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
        on_answers();
    }
}

void StatusServer::on_answers() {
    missing_ = 0;
    for (Counted& then : std::exchange(counting_, {})) {
        then(collected_);
    }
    if (std::ranges::all_of(readers_, [](const Reader& each) { return each.text != nullptr; })) {
        under_way_ = false;  // nobody wants a document
        return;
    }
    writer_.submit([this, document = collect_(std::exchange(collected_, {}))]() mutable -> WorkerPool::Done {
        return [this, text = std::make_shared<const std::string>(document())] { answer_all(text); };
    });
}

void StatusServer::answer_all(const std::shared_ptr<const std::string>& text) {
    under_way_ = false;
    for (auto next = readers_.begin(); next != readers_.end();) {
        Reader& reader = *next++;
        if (!reader.text) {
            reader.answer(text);
        }
    }
    if (!counting_.empty()) {
        ask();  // they came while the document was written
    }
}

void StatusServer::Reader::answer(std::shared_ptr<const std::string> document) {
    text = std::move(document);
    owner.loop_.modify(fd.get(), EPOLLOUT, *this);
}

void StatusServer::Reader::on_events(std::uint32_t events) {
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

void StatusServer::drop(Reader& reader) {
    loop_.forget(reader);
    loop_.disarm(reader);
    readers_.erase(reader.self);
}

}  // namespace keysluice::control
