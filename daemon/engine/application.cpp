#include "daemon/engine/application.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace keysluice {

namespace {

constexpr uid_t kNobody = static_cast<uid_t>(-1);

}  // namespace

uid_t user_at_other_end(int channel) {
    ucred credentials{};
    socklen_t size = sizeof(credentials);
    return getsockopt(channel, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 ? credentials.uid : kNobody;
}

bool is_among(const std::vector<std::string>& users, uid_t user) {
    return user != kNobody && std::ranges::any_of(users, [user](const std::string& each) {
               uid_t number = kNobody;
               const char* const end = each.data() + each.size();
               const auto [stop, error] = std::from_chars(each.data(), end, number);
               return error == std::errc{} && stop == end && number == user;
           });
}

bool send_packet(int channel, Bytes packet, int descriptor) {
    // sendmsg() only reads from it.
    iovec data{.iov_base = const_cast<std::uint8_t*>(packet.data()), .iov_len = packet.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> space{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
        message.msg_control = space.data();
        message.msg_controllen = space.size();
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &descriptor, sizeof(descriptor));
    }
    return sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

}  // namespace keysluice
