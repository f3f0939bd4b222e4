#include "netlink/ack.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.hpp"
#include "netlink/attribute.hpp"

namespace keysluice::netlink {
namespace {

constexpr int kLargestErrno = 4095;  // include/linux/err.h, MAX_ERRNO

std::string_view message_text(Bytes attributes) {
    while (const auto attribute = next_attribute(attributes)) {
        if (attribute->type == NLMSGERR_ATTR_MSG) {
            const std::string_view text = as_text(attribute->payload);
            return text.substr(0, text.find('\0'));
        }
    }
    return {};
}

}  // namespace

std::optional<Ack> acknowledgement(const nlmsghdr& message) {
    if (message.nlmsg_type != NLMSG_ERROR && message.nlmsg_type != NLMSG_DONE) {
        return std::nullopt;
    }
    Bytes rest{static_cast<const std::uint8_t*>(mnl_nlmsg_get_payload(&message)),
               mnl_nlmsg_get_payload_len(&message)};
    int error = 0;
    if (rest.size() < sizeof(error)) {
        // Kernels may end a dump with a bare NLMSG_DONE; a bare NLMSG_ERROR says nothing.
        return message.nlmsg_type == NLMSG_DONE ? std::optional(Ack{}) : std::nullopt;
    }
    std::memcpy(&error, rest.data(), sizeof(error));
    if (error > 0 || error < -kLargestErrno) {
        return std::nullopt;
    }
    rest = rest.subspan(sizeof(error));
    if (message.nlmsg_type == NLMSG_ERROR) {
        nlmsghdr request{};
        if (rest.size() < sizeof(request)) {
            return std::nullopt;
        }
        std::memcpy(&request, rest.data(), sizeof(request));
        const bool capped = (message.nlmsg_flags & NLM_F_CAPPED) != 0;
        rest = behind(rest, capped ? sizeof(request) : request.nlmsg_len);
    }
    const bool explained = (message.nlmsg_flags & NLM_F_ACK_TLVS) != 0;
    return Ack{-error, explained ? message_text(rest) : std::string_view{}};
}

Error refusal(const Ack& ack, std::string_view what) {
    const std::string said = ack.text.empty() ? "" : fmt::format(" (\"{}\")", ack.text);
    switch (ack.error) {
        case EPERM:
        case EACCES:
            return {"netlink-not-permitted", fmt::format("the kernel refused {}: {}{}; run with CAP_NET_ADMIN", what,
                                                         std::strerror(ack.error), said)};
        case EBUSY:
            return {"netlink-busy", fmt::format("the kernel is busy and refused {}{}; try again", what, said)};
        case ENOENT:
        case ENOSYS:
        case EOPNOTSUPP:
        case EPROTONOSUPPORT:
            return {"netlink-not-supported",
                    fmt::format("this kernel does not know {}: {}{}", what, std::strerror(ack.error), said)};
        default:
            return {"netlink-refused",
                    fmt::format("the kernel refused {}: {}{}", what, std::strerror(ack.error), said)};
    }
}

}  // namespace keysluice::netlink
