#include "xfrm/transaction.hpp"

#include <doctest/doctest.h>
#include <linux/xfrm.h>

#include <algorithm>

using namespace keysluice;
using namespace keysluice::xfrm;

namespace {

Policy policy(std::uint32_t priority) {
    return {.direction = Direction::fwd,
            .selector = {.source = Prefix::parse("10.1.0.0/16").value(),
                         .destination = Prefix::parse("fd00::/64").value()},
            .priority = priority};
}

Sa sa() {
    Sa made;
    made.source = IpAddress::parse("192.0.2.1").value();
    made.destination = IpAddress::parse("2001:db8::2").value();
    made.spi = {0xab};
    made.algorithms = Aead{.name = algorithms::kAesGcm, .key = {}};
    return made;
}

std::uint16_t type_of(netlink::Request request) {
    return request.header().nlmsg_type;
}

bool same(const netlink::Request& a, const netlink::Request& b) {
    return std::ranges::equal(a.view(), b.view());
}

}  // namespace

TEST_CASE("xfrm: each addition has a request and one that takes it back") {
    Transaction changes;
    changes.add(sa()).add(policy(1)).replace(policy(2), policy(1)).replace(policy(3), std::nullopt);
    const auto& additions = changes.additions();
    REQUIRE(additions.size() == 4);
    CHECK(type_of(encode(additions[0], {})) == XFRM_MSG_NEWSA);
    CHECK(same(encode_undo(additions[0], {}), encode_delete(sa().id())));
    CHECK(same(encode(additions[1], {}), encode_add(policy(1))));
    CHECK(same(encode_undo(additions[1], {}), encode_delete(policy(1).id())));
    CHECK(same(encode(additions[2], {}), encode_update(policy(2))));
    CHECK(same(encode_undo(additions[2], {}), encode_update(policy(1))));
    CHECK(same(encode(additions[3], {}), encode_update(policy(3))));
    CHECK(same(encode_undo(additions[3], {}), encode_delete(policy(3).id())));
}

TEST_CASE("xfrm: removals are kept apart, in their order") {
    Transaction changes;
    changes.remove(sa().id()).add(sa()).remove(policy(1).id());
    CHECK(changes.additions().size() == 1);
    REQUIRE(changes.removals().size() == 2);
    CHECK(same(encode(changes.removals()[0]), encode_delete(sa().id())));
    CHECK(same(encode(changes.removals()[1]), encode_delete(policy(1).id())));
}

TEST_CASE("xfrm: parts are named for sentences") {
    Transaction changes;
    Sa ah = sa();
    ah.protocol = Protocol::ah;
    changes.add(sa()).add(std::move(ah)).replace(policy(1), std::nullopt).remove(sa().id()).remove(policy(1).id());
    CHECK(describe(changes.additions()[0]) == "the ESP SA 000000ab to 2001:db8::2");
    CHECK(describe(changes.additions()[1]) == "the AH SA 000000ab to 2001:db8::2");
    CHECK(describe(changes.additions()[2]) == "the fwd policy for 10.1.0.0/16 to fd00::/64");
    CHECK(describe(changes.removals()[0]) == "the ESP SA 000000ab to 2001:db8::2");
    CHECK(describe(changes.removals()[1]) == "the fwd policy for 10.1.0.0/16 to fd00::/64");
}
