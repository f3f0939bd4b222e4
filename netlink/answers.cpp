#include "netlink/answers.hpp"

#include <fmt/format.h>

namespace keysluice::netlink {

Result<void> Answers::take(const nlmsghdr& message, std::string_view what) {
    // Unsigned arithmetic: sequence numbers wrap around, and earlier ones become large.
    const std::uint32_t index = message.nlmsg_seq - first_;
    if (index >= answers_.size()) {
        return {};
    }
    Answer& answer = answers_[index];
    if (message.nlmsg_type >= NLMSG_MIN_TYPE) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&message);
        answer.reply.assign(bytes, bytes + message.nlmsg_len);
        return {};
    }
    const auto ack = acknowledgement(message);
    if (!ack || answered_[index]) {
        return fail("netlink-malformed", fmt::format("the kernel's answer to {} was cut short or came twice", what));
    }
    answer.error = ack->error;
    answer.text = ack->text;
    answered_[index] = true;
    ++count_;
    return {};
}

}  // namespace keysluice::netlink
