#include "daemon/engine/application.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <span>

#include "daemon/shared/enclosures.hpp"
#include "daemon/shared/users.hpp"

namespace keysluice {

bool is_among(const std::vector<std::string>& users, uid_t user) {
    return user != Users::kNobody && std::ranges::any_of(users, [user](const std::string& each) {
               uid_t number = Users::kNobody;
               const char* const end = each.data() + each.size();
               const auto [stop, error] = std::from_chars(each.data(), end, number);
               return error == std::errc{} && stop == end && number == user;
           });
}

bool send_packet(int channel, Bytes packet, int descriptor) {
    // sendmsg() only reads from it.
    iovec data{.iov_base = const_cast<std::uint8_t*>(packet.data()), .iov_len = packet.size()};
    EnclosureRoom<1> room;
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    enclose(message, room.octets, std::span(&descriptor, descriptor >= 0 ? 1 : 0));
    return sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

}  // namespace keysluice
