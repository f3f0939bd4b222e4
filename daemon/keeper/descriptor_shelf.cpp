#include "daemon/keeper/descriptor_shelf.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

#include "daemon/shared/descriptor_store.hpp"
#include "daemon/shared/enclosures.hpp"
#include "daemon/shared/log.hpp"

namespace keysluice {
namespace {

constexpr std::size_t kLongestMessage = 1024;
constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
constexpr int kAside = 64;

std::optional<std::string> field(std::string_view text, std::string_view name) {
    for (std::size_t from = 0; from < text.size();) {
        const std::size_t to = std::min(text.find('\n', from), text.size());
        const std::string_view line = text.substr(from, to - from);
        if (line.starts_with(name) && line.substr(name.size()).starts_with('=')) {
            return std::string(line.substr(name.size() + 1));
        }
        from = to + 1;
    }
    return std::nullopt;
}

/// Whose process sent a message (SO_PASSCRED), where it says so.
std::optional<uid_t> sender_of(msghdr& message) {
    for (cmsghdr* item = CMSG_FIRSTHDR(&message); item != nullptr; item = CMSG_NXTHDR(&message, item)) {
        if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_CREDENTIALS) {
            ucred sender{};
            std::memcpy(&sender, CMSG_DATA(item), sizeof(sender));
            return sender.uid;
        }
    }
    return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<DescriptorShelf>> DescriptorShelf::create(Loop& loop, const std::string& path) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const int yes = 1;
    if (path.size() >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        socket.reset();
    }
    std::ranges::copy(path.substr(0, sizeof(address.sun_path) - 1), std::begin(address.sun_path));
    unlink(path.c_str());
    if (!socket || setsockopt(socket.get(), SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)) != 0 ||
        bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0) {
        return fail("channel-bind-failed", fmt::format("{}: {}", path, std::strerror(errno)));
    }
    return std::unique_ptr<DescriptorShelf>(new DescriptorShelf(loop, path, std::move(socket)));
}

DescriptorShelf::DescriptorShelf(Loop& loop, std::string path, UniqueFd socket)
    : loop_(loop), path_(std::move(path)), socket_(std::move(socket)) {
    loop_.add(socket_.get(), EPOLLIN, *this);
}

DescriptorShelf::~DescriptorShelf() {
    loop_.remove(socket_.get(), *this);
}

void DescriptorShelf::on_events(std::uint32_t /*events*/) {
    read_all();
}

void DescriptorShelf::read_all() {
    while (read_one()) {
    }
}

bool DescriptorShelf::read_one() {
    std::array<char, kLongestMessage> buffer{};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(ucred))> control{};
    iovec piece{.iov_base = buffer.data(), .iov_len = buffer.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) {
        return errno == EINTR;
    }
    Descriptors enclosed = take_enclosed(message);
    const auto sender = sender_of(message);
    const std::string_view text(buffer.data(), static_cast<std::size_t>(size));
    const auto name = field(text, "FDNAME");
    if (!sender || (*sender != geteuid() && *sender != 0) || !name || name->empty() || name->contains(':')) {
        return true;
    }
    if (field(text, "FDSTOREREMOVE") == "1") {
        kept_.erase(*name);
    } else if (field(text, "FDSTORE") == "1" && !enclosed.empty()) {
        if (kept_.size() >= kMost && !kept_.contains(*name)) {
            log_warning("{} descriptors are kept already; {} is not", kMost, *name);
            return true;
        }
        kept_.insert_or_assign(*name, std::move(enclosed.front()));
    }
    return true;
}

void DescriptorShelf::hand_over() const {
    int next = kFirst;
    std::string names;
    // All of them out of the way first: they may be where they are to go.
    std::array<int, kMost> aside{};
    std::size_t count = 0;
    for (const auto& [name, descriptor] : kept_) {
        aside.at(count++) = fcntl(descriptor.get(), F_DUPFD_CLOEXEC, kAside);
        names += (names.empty() ? "" : ":") + name;
    }
    for (std::size_t each = 0; each < count; ++each) {
        dup2(aside.at(each), next++);
    }
    setenv(DescriptorStore::kParentVariable, path_.c_str(), 1);
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
    setenv("LISTEN_FDNAMES", names.c_str(), 1);
}

}  // namespace keysluice
