#include "daemon/control/policy_reader.hpp"

#include <doctest/doctest.h>

#include <string>

#include "daemon/control/policy_files.hpp"
#include "tests/support/policy_texts.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;

namespace {

/// The reason codes, or "ok".
std::string said(const std::string& text) {
    const auto set = parse_policies(text, "f");
    std::string codes;
    for (const Diagnostic& each : set ? Diagnostics() : set.error()) {
        codes += (codes.empty() ? "" : " ") + std::string(each.reason);
    }
    return set ? "ok" : codes;
}

std::string table(const std::string& more) {
    return "[[policy]]\nname = \"p\"\n" + (more.contains("direction") ? more : "direction = \"out\"\n" + more) +
           (more.contains("disposition") ? "\n" : "\ndisposition = \"bypass\"\n");
}

std::string manual(const std::string& more) {
    return table("remote = \"192.0.2.1\"\ndisposition = \"protect\"\n" + more);
}

}  // namespace

TEST_SUITE_BEGIN("policies of the configuration");

TEST_CASE("the manual's policies 1 to 8") {
    const auto set = parse_policies(kSeedPolicies, "f");
    REQUIRE(set);
    REQUIRE(set->policies.size() == 8);
    const ListedPolicy& ftp = set->policies[5];
    CHECK(ftp.rule.name == "PROTECTFTPIN");
    CHECK(ftp.rule.direction == policy::Direction::in);
    CHECK(ftp.rule.remote.front().first == *IpAddress::parse("fec0::2222:a00:bff:fe3a:127"));
    CHECK(ftp.rule.remote_ports == std::vector<policy::PortRange>{{20, 20}, {21, 21}});
    CHECK(ftp.where.line == 54);
    const auto& manual_sa = std::get<ManualSa>(ftp.by);
    CHECK(manual_sa.spi == xfrm::Spi{24578});
    CHECK(manual_sa.confidentiality->key == "DRSYSTEMKEY");
    CHECK(std::get<ManualSa>(set->policies[3].by).integrity->algorithm == Integrity::hmac_sha1_96);
    CHECK(set->policies[3].rule.protection.protocol == xfrm::Protocol::ah);
    CHECK(set->tests.front().expected.size() == 3);
    CHECK(set->rules().size() == 12);
}

TEST_CASE("a policy of both directions is two, with keys and SPIs of each") {
    const auto set = parse_policies(
        table("direction = \"both\"\nremote = \"192.0.2.1\"\ndisposition = \"protect\"\nipsec = \"ah\"\n"
              "spi_in = 256\nspi_out = \"0x101\"\nintegrity = \"hmac-sha-512-256\"\nintegrity_key = \"a\"\n"
              "integrity_key_out = \"b\""),
        "f");
    REQUIRE(set);
    REQUIRE(set->policies.size() == 2);
    CHECK(set->policies[0].rule.direction == policy::Direction::in);
    CHECK(std::get<ManualSa>(set->policies[0].by).integrity->key == "a");
    CHECK(std::get<ManualSa>(set->policies[1].by).integrity->key == "b");
    CHECK(std::get<ManualSa>(set->policies[1].by).spi == xfrm::Spi{257});
}

TEST_CASE("other keys that are accepted too, of what comes in") {
    const std::string keys =
        "remote = \"192.0.2.1\"\ndisposition = \"protect\"\nipsec = \"ah\"\nspi_in = 300\nspi_out = 400\n"
        "integrity = \"hmac-sha1-96\"\nintegrity_key = \"a\"\nalso_spi = 301\nalso_integrity_key = \"b\"\n";
    const auto set = parse_policies(table("direction = \"both\"\n" + keys), "f");
    REQUIRE(set);
    const auto& in = std::get<ManualSa>(set->policies[0].by);
    REQUIRE(in.also);
    CHECK(in.also->spi == xfrm::Spi{301});
    CHECK(in.also->integrity->key == "b");
    CHECK(in.integrity->key == "a");
    CHECK_FALSE(std::get<ManualSa>(set->policies[1].by).also);
    CHECK(said(table("direction = \"both\"\n" + keys + "also_confidentiality_key = \"c\"\n")) == "bad-algorithms");
}

TEST_CASE("selectors") {
    CHECK(said(table("local = [\"10.0.0.0/8\", \"10.0.0.1-10.0.0.9\", \"::1\"]")) == "ok");
    CHECK(said(table("local = [\"10.0.0.9-10.0.0.1\"]")) == "bad-address");
    CHECK(said(table("local = [\"any\", \"::1\"]")) == "bad-address");
    CHECK(said(table("remote = [1.5]")) == "wrong-type");
    CHECK(said(table("remote = []")) == "out-of-range");
    CHECK(said(table("protocol = \"nope\"")) == "bad-protocol");
    CHECK(said(table("protocol = 256")) == "bad-protocol");
    CHECK(said(table("protocol = 0")) == "bad-protocol");  // any, to the kernel
    CHECK(said(table("protocol = \"ip\"")) == "bad-protocol");
    CHECK(said(table("protocol = \"hopopt\"")) == "bad-protocol");
    CHECK(said(table("protocol = \"tcp\"\nlocal_ports = [\"70000\"]")) == "bad-port-range");
    CHECK(said(table("protocol = \"tcp\"\nlocal_ports = [\"9-1\"]")) == "bad-port-range");
    CHECK(said(table("local_ports = 80")) == "protocol-without-ports");
    CHECK(said(table("protocol = 6\nicmp = 8")) == "protocol-without-ports");
}

TEST_CASE("ICMP: types, or codes of one type") {
    const auto rule = [](const std::string& icmp) {
        const auto set = parse_policies(table("protocol = \"icmp\"\nicmp = " + icmp), "f");
        return set ? set->policies.front().rule : policy::Policy{};
    };
    CHECK(rule("[\"133-137\", 8]").local_ports == std::vector<policy::PortRange>{{133, 137}, {8, 8}});
    CHECK(rule("[\"3/1\", \"3/4\"]").local_ports == std::vector<policy::PortRange>{{3, 3}});
    CHECK(rule("[\"3/1\", \"3/4\"]").remote_ports == std::vector<policy::PortRange>{{1, 1}, {4, 4}});
    CHECK(said(table("protocol = \"icmp\"\nicmp = [\"3/1\", \"8\"]")) == "icmp-not-one-type");
    CHECK(said(table("protocol = \"icmp\"\nicmp = \"256\"")) == "bad-icmp");
    CHECK(said(table("protocol = \"icmp\"\nicmp = \"3/\"")) == "bad-icmp");
}

TEST_CASE("protection") {
    CHECK(said(manual("ipsec = \"esp\"\nspi = 300\nintegrity = \"hmac-sha1-96\"\nintegrity_key = \"k\"")) == "ok");
    CHECK(said(manual("connection = \"hq\"\nchild = \"net\"")) == "ok");
    CHECK(said(manual("connection = \"hq\"")) == "key-missing");
    CHECK(said(manual("ipsec = \"esp\"\nspi = 300")) == "bad-algorithms");
    CHECK(said(manual("ipsec = \"esp\"\nspi = 255\nintegrity = \"hmac-sha1-96\"\nintegrity_key = \"k\"")) ==
          "bad-spi");
    CHECK(said(manual("ipsec = \"ah\"\nspi = 300\nconfidentiality = \"aes-cbc\"\nconfidentiality_key = \"k\"")) ==
          "bad-algorithms");
    CHECK(said(manual("ipsec = \"esp\"\nspi = 300\nconfidentiality = \"aes-gcm\"\nconfidentiality_key = \"k\"\n"
                      "integrity = \"hmac-sha1-96\"\nintegrity_key = \"k\"")) == "bad-algorithms");
    CHECK(said(manual("ipsec = \"ah\"\nspi = 300\nintegrity = \"hmac-sha1-96\"")) == "key-missing");
    CHECK(said(manual("ipsec = \"ah\"\nspi = 300\nintegrity = \"hmac-sha1-96\"\nintegrity_key = \"a/b\"")) ==
          "key-missing bad-name");
    CHECK(said(manual("ipsec = \"ah\"\nspi = 300\nintegrity = \"hmac-sha1-96\"\nintegrity_key = \"k\"\n"
                      "tunnel_local = \"192.0.2.9\"")) == "mode-without-tunnel");
    CHECK(said(manual("ipsec = \"ah\"\nspi = 300\nintegrity = \"hmac-sha1-96\"\nintegrity_key = \"k\"\n"
                      "mode = \"tunnel\"\ntunnel_local = \"192.0.2.9\"\ntunnel_remote = \"::1\"")) == "bad-address");
}

TEST_CASE("names, unknown keys and what is missing") {
    CHECK(said(table("") + table("")) == "duplicate-name");
    CHECK(said(table("dispositoin = \"bypass\"\ndisposition = \"bypass\"")) == "unknown-key");
    CHECK(said("[[policy]]\nname = \"p\"\n") == "key-missing key-missing");
    CHECK(said("[[host_group]]\nname = \"any\"\naddresses = [\"::1\"]\n") == "duplicate-name");
    CHECK(said("[policies]\ndefault = \"DENYALL\"\nlockout = \"accepted\"\n") == "ok");
    CHECK(said("[policies]\ndefault = \"denyall\"\n") == "not-a-choice");
    CHECK(said("[[policy_test]]\nname = \"t\"\ndirection = \"sideways\"\nexpect = [\"bypass\"]\n") == "bad-question");
    CHECK(said("[[policy_test]]\nname = \"t\"\ndirection = \"in\"\nexpect = [\"pass\"]\n") == "not-a-choice");
}

TEST_CASE("more policies than there is room for are refused") {
    std::string text;
    for (int i = 0; i < 16'385; ++i) {
        text += "[[policy]]\nname = \"p" + std::to_string(i) + "\"\ndirection = \"both\"\ndisposition = \"bypass\"\n";
    }
    CHECK(said(text) == "too-many-policies");
}

TEST_CASE("a set that is written reads as the same set") {
    const auto set = parse_policies(kSeedPolicies, "f");
    REQUIRE(set);
    const std::string written = write_policies(*set);
    const auto again = parse_policies(written, "g");
    REQUIRE(again);
    CHECK(write_policies(*again) == written);
    CHECK(again->policies.size() == set->policies.size());
    CHECK(again->policies[5].by == set->policies[5].by);
}

TEST_SUITE_END();
