#include "netlink/route.hpp"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "netlink/attribute_set.hpp"

namespace keysluice::netlink {
namespace {

constexpr auto kRules = std::to_array<AttributeRule>({{RTA_OIF, sizeof(std::uint32_t)}});

Request question(const IpAddress& local, const IpAddress& remote) {
    rtmsg fixed{};
    fixed.rtm_family = remote.family() == Family::ipv4 ? AF_INET : AF_INET6;
    fixed.rtm_src_len = static_cast<unsigned char>(local.octets().size() * 8);
    fixed.rtm_dst_len = static_cast<unsigned char>(remote.octets().size() * 8);
    Request request{RTM_GETROUTE};
    request.structure(fixed).attribute(RTA_SRC, local.octets()).attribute(RTA_DST, remote.octets());
    return request;
}

/// 0: the answer names none.
Result<std::uint32_t> device_in(Bytes reply, std::string_view what) {
    const Bytes payload = behind(reply, sizeof(nlmsghdr));
    if (payload.size() < sizeof(rtmsg)) {
        return fail("netlink-malformed", fmt::format("the answer to {} was cut short", what));
    }
    const auto attributes = AttributeSet::parse(behind(payload, sizeof(rtmsg)), kRules, what);
    if (!attributes) {
        return std::unexpected(attributes.error());
    }
    return attributes->get<std::uint32_t>(RTA_OIF).value_or(0);
}

}  // namespace

Result<Device> device_towards(Socket& socket, const IpAddress& local, const IpAddress& remote) {
    const std::string what = fmt::format("the route from {} to {}", local.text(), remote.text());
    std::array<Request, 1> asked{question(local, remote)};
    const auto answers = socket.transact(asked, what);
    if (!answers) {
        return std::unexpected(answers.error());
    }
    const Answer& answer = answers->front();
    if (answer.error != 0) {
        return fail("no-route", refusal(answer.ack(), what).sentence);
    }
    const auto index = device_in(answer.reply, what);
    if (!index) {
        return std::unexpected(index.error());
    }
    std::string name = device_name(*index);
    if (name.empty()) {
        return fail("no-route", fmt::format("{} leads to no network device", what));
    }
    return Device{.index = *index, .name = std::move(name)};
}

std::string device_name(std::uint32_t index) {
    std::array<char, IF_NAMESIZE> name{};
    return index != 0 && if_indextoname(index, name.data()) != nullptr ? name.data() : "";
}

}  // namespace keysluice::netlink
