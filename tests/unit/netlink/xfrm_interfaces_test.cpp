#include "netlink/xfrm_interfaces.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/support/network_namespace.hpp"

using namespace keysluice;
using namespace keysluice::netlink;

namespace {

IpAddress address(const char* text) {
    return *IpAddress::parse(text);
}

Prefix prefix(const char* text) {
    return *Prefix::parse(text);
}

/// A namespace whose kernel has XFRM interfaces: in the guest that is not a question.
struct Place {
    Place() {
        const XfrmInterface probe{.name = "probe", .id = XfrmInterfaces::kMark | 0xffffff};
        const auto made = kernel.settle(probe);
        supported = made.has_value();
        if (made) {
            REQUIRE(kernel.remove("probe"));
        } else if (std::getenv("KEYSLUICE_GUEST") != nullptr) {
            FAIL(made.error().sentence);
        } else {
            CHECK(made.error().reason == "interface-not-supported");
            MESSAGE("skipped: ", made.error().sentence);
        }
    }
    [[nodiscard]] std::string said(const std::string& command) const {
        return there.run([&] {
            std::string text;
            FILE* const pipe = popen(command.c_str(), "r");
            for (int each = std::fgetc(pipe); each != EOF; each = std::fgetc(pipe)) {
                text += static_cast<char>(each);
            }
            pclose(pipe);
            return text;
        });
    }
    void settle(const XfrmInterface& wanted) {
        const auto settled = kernel.settle(wanted);
        REQUIRE_MESSAGE(settled, (settled ? "" : settled.error().sentence));
    }

    test::NetworkNamespace there;
    XfrmInterfaces kernel = there.run([] { return *XfrmInterfaces::open(); });
    bool supported = false;
};

const XfrmInterface kWhole{.name = "ks-hq",
                           .id = XfrmInterfaces::kMark | 7,
                           .mtu = 1400,
                           .addresses = {address("10.9.0.5"), address("fd00:9::5")},
                           .routes = {{.to = prefix("10.2.0.0/16"), .source = address("10.9.0.5")},
                                      {.to = prefix("10.3.0.0/16")},
                                      {.to = prefix("fd00:2::/64"), .source = address("fd00:9::5")}}};

}  // namespace

TEST_CASE("XFRM interfaces: one is made as it is wanted, changed, and leaves nothing") {
    Place place;
    if (!place.supported) {
        return;
    }
    place.settle(kWhole);
    const std::string link = place.said("ip -d link show ks-hq");
    CHECK(link.contains("if_id 0x6b000007"));
    CHECK(link.contains("mtu 1400"));
    CHECK(link.contains("UP"));
    CHECK(place.said("ip -o addr show dev ks-hq").contains("inet 10.9.0.5/32 scope global"));
    CHECK(place.said("ip -o addr show dev ks-hq").contains("inet6 fd00:9::5/128 scope global"));
    const std::string routes = place.said("ip route show dev ks-hq; ip -6 route show dev ks-hq");
    CAPTURE(routes);
    CHECK(routes.contains("10.2.0.0/16 proto 107 scope link src 10.9.0.5"));
    CHECK(routes.contains("10.3.0.0/16 proto 107 \n"));
    CHECK(routes.contains("fd00:2::/64 proto 107 src fd00:9::5"));
    CHECK(*place.kernel.ours() == std::vector<std::string>{"ks-hq"});

    XfrmInterface changed = kWhole;
    changed.mtu = 1300;
    changed.addresses = {address("10.9.0.6"), address("fd00:9::5")};
    changed.routes = {{.to = prefix("10.2.0.0/16"), .source = address("10.9.0.6")},
                      {.to = prefix("10.3.0.0/16"), .source = address("10.9.0.6")},
                      {.to = prefix("fd00:2::/64")}};
    place.settle(changed);
    place.settle(changed);
    const std::string later = place.said("ip route show dev ks-hq; ip -6 route show dev ks-hq");
    CAPTURE(later);
    CHECK(later.contains("10.2.0.0/16 proto 107 scope link src 10.9.0.6"));
    CHECK(later.contains("10.3.0.0/16 proto 107 scope link src 10.9.0.6"));
    CHECK(later.contains("fd00:2::/64 proto 107 metric 512"));
    CHECK_FALSE(later.contains("10.3.0.0/16 proto 107 \n"));
    CHECK_FALSE(later.contains("10.9.0.5"));
    CHECK_FALSE(later.contains("src fd00:9::5"));
    CHECK(place.said("ip -o link show ks-hq").contains("mtu 1300"));

    REQUIRE(place.kernel.remove("ks-hq"));
    REQUIRE(place.kernel.remove("ks-hq"));
    CHECK(place.kernel.ours()->empty());
    CHECK(place.said("ip route; ip -6 route show table main; ip link show type xfrm").find("ks-hq") ==
          std::string::npos);
}

TEST_CASE("XFRM interfaces: what others have made stays as it is") {
    Place place;
    if (!place.supported) {
        return;
    }
    place.there.shell(
        "ip link add theirs type xfrm if_id 7 && ip link set theirs up && "
        "ip route add 10.2.0.0/16 dev theirs && ip route add 10.7.0.0/16 dev theirs");
    CHECK(place.kernel.ours()->empty());
    REQUIRE(place.kernel.remove("theirs"));
    XfrmInterface taken = kWhole;
    taken.name = "theirs";
    const auto refused = place.kernel.settle(taken);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason == "interface-in-use");
    CHECK(place.said("ip -o link show theirs").contains("theirs"));

    // Ours to the same destination comes first, and is gone again with the interface.
    place.settle(kWhole);
    place.there.shell("ip route add 10.8.0.0/16 dev ks-hq");
    CHECK(place.said("ip route get 10.2.0.1").contains("dev ks-hq"));
    XfrmInterface bare = kWhole;
    bare.routes.clear();
    place.settle(bare);
    CHECK(place.said("ip route get 10.2.0.1").contains("dev theirs"));
    CHECK(place.said("ip route get 10.8.0.1").contains("dev ks-hq"));
    REQUIRE(place.kernel.remove("ks-hq"));
    CHECK(place.said("ip route").contains("10.7.0.0/16 dev theirs"));
}

TEST_CASE("XFRM interfaces: what the kernel refuses is said with what it was") {
    Place place;
    if (!place.supported) {
        return;
    }
    place.settle(kWhole);
    XfrmInterface second = kWhole;
    second.name = "ks-two";  // there is one of this number
    const auto refused = place.kernel.settle(second);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason == "interface-refused");
    CHECK(refused.error().sentence.contains("XFRM interface ks-two"));
}
