#include "daemon/shared/descriptor_store.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <span>

#include "daemon/shared/enclosures.hpp"
#include "daemon/shared/inherited.hpp"
#include "daemon/shared/notify_address.hpp"

namespace keysluice {
namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

int number(const std::string& text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

}  // namespace

DescriptorStore::DescriptorStore(std::string manager, std::map<std::string, UniqueFd> inherited)
    : manager_(std::move(manager)), inherited_(std::move(inherited)) {
    if (available()) {
        socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    }
}

DescriptorStore DescriptorStore::from_environment() {
    std::string manager = variable(kParentVariable);
    if (manager.empty() && number(variable("FDSTORE")) > 0) {
        manager = variable("NOTIFY_SOCKET");
    }
    std::map<std::string, UniqueFd> inherited;
    for (Inherited& each : take_inherited()) {
        inherited.insert_or_assign(std::move(each.name), std::move(each.descriptor));
    }
    return {std::move(manager), std::move(inherited)};
}

std::optional<UniqueFd> DescriptorStore::take(const std::string& name) {
    const auto found = inherited_.find(name);
    if (found == inherited_.end()) {
        return std::nullopt;
    }
    UniqueFd descriptor = std::move(found->second);
    inherited_.erase(found);
    return descriptor;
}

Result<void> DescriptorStore::keep(const std::string& name, int descriptor) {
    // FDPOLL=0: else a socket on which an error is reported would be dropped.
    return say(fmt::format("FDSTORE=1\nFDNAME={}\nFDPOLL=0", name), descriptor);
}

void DescriptorStore::forget(const std::string& name) {
    static_cast<void>(say(fmt::format("FDSTOREREMOVE=1\nFDNAME={}", name), -1));
}

Result<void> DescriptorStore::say(const std::string& text, int descriptor) const {
    const auto failed = [&] {
        return fail("descriptor-not-kept", fmt::format("the service manager at {} does not keep a descriptor: {}",
                                                       manager_, std::strerror(errno)));
    };
    auto address = NotifyAddress::parse(manager_);
    if (!address || !socket_) {
        errno = ENOENT;
        return failed();
    }
    iovec piece{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};  // sendmsg() does not write
    EnclosureRoom<1> room;
    msghdr message{};
    message.msg_name = &address->raw;
    message.msg_namelen = address->length;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    enclose(message, room.octets, std::span(&descriptor, descriptor >= 0 ? 1 : 0));
    // It reads soon, and what is kept must be kept before anything else happens.
    return sendmsg(socket_.get(), &message, MSG_NOSIGNAL) < 0 ? failed() : Result<void>{};
}

}  // namespace keysluice
