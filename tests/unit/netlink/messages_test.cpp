#include "netlink/messages.hpp"

#include <doctest/doctest.h>

#include <array>
#include <vector>

using namespace keysluice;
using namespace keysluice::netlink;

namespace {

/// Three messages of 16, 17 and 16 bytes, the second one padded; `lengths` is what they say of themselves.
std::vector<std::uint32_t> types(std::array<std::uint32_t, 3> lengths, std::size_t received = 52) {
    alignas(nlmsghdr) std::array<std::uint8_t, 52> buffer{};
    const auto put = [&](std::size_t at, std::uint32_t length, std::uint16_t type) {
        reinterpret_cast<nlmsghdr*>(buffer.data() + at)->nlmsg_len = length;
        reinterpret_cast<nlmsghdr*>(buffer.data() + at)->nlmsg_type = type;
    };
    put(0, lengths[0], 1);
    put(16, lengths[1], 2);
    put(36, lengths[2], 3);
    Bytes rest = Bytes{buffer}.first(received);
    std::vector<std::uint32_t> found;
    while (const nlmsghdr* message = next_message(rest)) {
        found.push_back(message->nlmsg_type);
    }
    return found;
}

using Types = std::vector<std::uint32_t>;

}  // namespace

TEST_CASE("messages follow each other, aligned") {
    CHECK(types({16, 17, 16}) == Types{1, 2, 3});
    CHECK(types({16, 17, 16}, 51) == Types{1, 2});
    CHECK(types({16, 17, 16}, 33) == Types{1, 2});
    CHECK(types({16, 17, 16}, 32) == Types{1});
    CHECK(types({16, 17, 16}, 15).empty());
    CHECK(types({16, 17, 16}, 0).empty());
}

TEST_CASE("a message whose length lies is the end") {
    for (const std::uint32_t lie : {0U, 15U, 37U, 0x7fff'ffffU, 0x8000'0000U, 0xffff'ff48U, 0xffff'ffffU}) {
        CAPTURE(lie);
        CHECK(types({16, lie, 16}) == Types{1});
    }
}
