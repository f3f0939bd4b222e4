#include "netlink/ack.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <vector>

#include "base/bytes.hpp"

using namespace keysluice;
using netlink::Ack;

namespace {

/// Builds the kernel's answers in host byte order, as they come from a socket.
class Message {
   public:
    Message(std::uint16_t type, unsigned int flags) {
        append(nlmsghdr{0, type, static_cast<std::uint16_t>(flags), 7, 0});
    }

    template <typename Struct>
    Message& append(const Struct& value) {
        const std::size_t at = bytes_.size();
        bytes_.resize(at + sizeof(value));
        std::memcpy(bytes_.data() + at, &value, sizeof(value));
        return *this;
    }
    Message& attribute(std::uint16_t type, std::string_view text) {
        append(nlattr{static_cast<std::uint16_t>(sizeof(nlattr) + text.size()), type});
        bytes_.insert(bytes_.end(), text.begin(), text.end());
        bytes_.resize((bytes_.size() + 3) & ~std::size_t{3});
        return *this;
    }
    std::optional<Ack> parse() {
        auto* header = reinterpret_cast<nlmsghdr*>(bytes_.data());
        header->nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
        return netlink::acknowledgement(*header);
    }

   private:
    std::vector<std::uint8_t> bytes_;
};

constexpr nlmsghdr request(std::uint32_t size) {
    return {size, 20, NLM_F_REQUEST, 7, 0};
}

}  // namespace

TEST_CASE("a refusal carries the kernel's own words") {
    SUBCASE("behind the header of the request, where the kernel caps it") {
        Message message{NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS};
        message.append(-EINVAL).append(request(72)).attribute(NLMSGERR_ATTR_MSG, std::string_view("bad mark\0", 9));
        CHECK(message.parse() == Ack{EINVAL, "bad mark"});
    }
    SUBCASE("behind the whole request, where the kernel repeats it") {
        Message message{NLMSG_ERROR, NLM_F_ACK_TLVS};
        message.append(-EPERM).append(request(20)).append(std::uint32_t{0xffffffff});
        message.attribute(NLMSGERR_ATTR_OFFS, "four").attribute(NLMSGERR_ATTR_MSG, "no terminator");
        CHECK(message.parse() == Ack{EPERM, "no terminator"});
    }
    SUBCASE("at the end of a dump") {
        Message message{NLMSG_DONE, NLM_F_ACK_TLVS};
        message.append(-EBUSY).attribute(NLMSGERR_ATTR_MSG, "later");
        CHECK(message.parse() == Ack{EBUSY, "later"});
    }
    SUBCASE("but bytes that are not announced as attributes are no words") {
        Message message{NLMSG_ERROR, NLM_F_CAPPED};
        message.append(-EINVAL).append(request(72)).attribute(NLMSGERR_ATTR_MSG, "bad mark");
        CHECK(message.parse() == Ack{EINVAL, ""});
    }
}

TEST_CASE("an acknowledgement may be short, and a damaged one is none") {
    CHECK(Message{NLMSG_DONE, 0}.parse() == Ack{});
    CHECK(Message{NLMSG_DONE, 0}.append(0).parse() == Ack{});
    CHECK(Message{NLMSG_ERROR, 0}.append(0).append(request(16)).parse() == Ack{});
    CHECK_FALSE(Message{NLMSG_ERROR, 0}.parse());
    CHECK_FALSE(Message{NLMSG_ERROR, 0}.append(-EINVAL).parse());
    CHECK_FALSE(Message{20, 0}.append(-EINVAL).parse());
    for (const int no_errno : {1, -4096, INT_MIN}) {
        CAPTURE(no_errno);
        CHECK_FALSE(Message{NLMSG_ERROR, 0}.append(no_errno).append(request(16)).parse());
        CHECK_FALSE(Message{NLMSG_DONE, 0}.append(no_errno).parse());
    }

    Message overlong{NLMSG_ERROR, NLM_F_ACK_TLVS};
    overlong.append(-EINVAL).append(request(0xffffff)).attribute(NLMSGERR_ATTR_MSG, "beyond");
    CHECK(overlong.parse() == Ack{EINVAL, ""});

    Message lying{NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS};
    lying.append(-EINVAL).append(request(72)).append(nlattr{200, NLMSGERR_ATTR_MSG});
    CHECK(lying.parse() == Ack{EINVAL, ""});
}

TEST_CASE("each refusal has a reason and a sentence that quotes the kernel") {
    const Error refused = netlink::refusal({EINVAL, "bad mark"}, "the new policy");
    CHECK(refused.reason == "netlink-refused");
    CHECK(refused.sentence == "the kernel refused the new policy: Invalid argument (\"bad mark\")");
    CHECK(netlink::refusal({EPERM, ""}, "x").reason == "netlink-not-permitted");
    CHECK(netlink::refusal({EBUSY, ""}, "x").reason == "netlink-busy");
    CHECK(netlink::refusal({ENOENT, ""}, "x").reason == "netlink-not-supported");
    CHECK(netlink::refusal({ENOENT, ""}, "x").sentence == "this kernel does not know x: No such file or directory");
}
