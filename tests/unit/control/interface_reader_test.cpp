#include "daemon/control/interface_reader.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>

#include "daemon/control/configuration.hpp"
#include "netlink/xfrm_interfaces.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

std::string connection(std::string_view name, std::string_view keys, std::string_view of_child = "") {
    return fmt::format(
        "[[ike.connection]]\nname = \"{}\"\nlocal = \"192.0.2.1\"\npsk = \"file:/etc/keysluice/psk\"\n{}\n"
        "[[ike.connection.child]]\nname = \"net\"\n{}\n",
        name, keys, of_child);
}

ConfigurationResult parse(const std::string& text) {
    return parse_configuration(text, "test.toml", "");
}

void refused(const ConfigurationResult& result, std::string_view reason, std::string_view words) {
    REQUIRE_FALSE(result);
    CAPTURE(result.error().front().sentence);
    CHECK(result.error().front().reason == reason);
    CHECK(result.error().front().sentence.contains(words));
}

}  // namespace

TEST_CASE("interface: its number is one of ours, and the same for the same name") {
    const auto read = parse(connection("a", "interface = \"ks-hq\"\ninterface_mtu = 1400") +
                            connection("b", "interface = \"ks-hq\"\ninterface_mtu = 1400") +
                            connection("c", "interface = \"ks-lab\"") + connection("d", ""));
    REQUIRE_MESSAGE(read, (read ? "" : read.error().front().sentence));
    const auto of = [&](std::size_t i) { return read->ike.connections[i].rules->interface; };
    CHECK(of(0).name == "ks-hq");
    CHECK(of(0).mtu == 1400);
    CHECK((of(0).id & netlink::XfrmInterfaces::kMarkMask) == netlink::XfrmInterfaces::kMark);
    CHECK(of(1) == of(0));
    CHECK(of(2).id != of(0).id);
    CHECK(of(3) == ike::Interface{});
}

TEST_CASE("interface: what is wrong with one") {
    for (const char* name : {"", "way-too-long-name", "a/b", "a b", "-a", ".", "..", "a:1", "%d"}) {
        refused(parse(connection("a", fmt::format("interface = \"{}\"", name))), "bad-interface", "expected a name");
    }
    refused(parse(connection("a", "interface_mtu = 1400")), "key-missing", "interface");
    refused(parse(connection("a", "interface = \"x\"\ninterface_mtu = 100")), "out-of-range", "interface_mtu");
    refused(parse(connection("a", "interface = \"x\"", "mode = \"transport\"")), "interface-unfit", "child \"net\"");
    for (const char* offload : {"crypto", "packet"}) {
        refused(parse(connection("a", "interface = \"x\"", fmt::format("offload = \"{}\"", offload))),
                "interface-unfit", "offloads no SA");
    }
    refused(parse(connection("a", "interface = \"x\"\ninterface_mtu = 1400") + connection("b", "interface = \"x\"")),
            "interface-unfit", "interface_mtu = 0: the same interface has 1400 at test.toml:");
}

// 24 bits of 48,828 names: some have the same.
TEST_CASE("interface: two names with the same number are refused") {
    std::map<std::uint32_t, std::string> seen;
    for (int i = 0; i < 48'828; ++i) {
        const std::string name = fmt::format("ks{}", i);
        IkeConfiguration ike;
        std::uint32_t hash = 0x811c9dc5;
        for (const char each : name) {
            hash = (hash ^ static_cast<std::uint8_t>(each)) * 0x01000193;
        }
        const auto [earlier, added] = seen.try_emplace(hash & 0xffffff, name);
        if (!added) {
            refused(parse(connection("a", fmt::format("interface = \"{}\"", earlier->second)) +
                          connection("b", fmt::format("interface = \"{}\"", name))),
                    "interface-unfit", "it would have the same number as");
            return;
        }
    }
    FAIL("no two names with the same number");
}
