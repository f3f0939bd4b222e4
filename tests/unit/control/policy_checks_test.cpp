#include "daemon/control/policy_checks.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "daemon/control/policy_files.hpp"
#include "tests/support/policy_texts.hpp"

using namespace keysluice;
using namespace keysluice::control;
using namespace keysluice::test;

namespace {

/// Reason codes of what is wrong, and of warnings behind "|".
std::string found(const std::string& text, const std::string& configuration = "") {
    const auto set = parse_policies(text, "f");
    REQUIRE(set);
    const auto settings = parse_configuration(configuration, "c", {});
    REQUIRE(settings);
    const PolicyFindings findings = check_policies(*set, *settings);
    std::string codes;
    for (const Diagnostic& each : findings.wrong) {
        codes += std::string(each.reason) + " ";
    }
    codes += "|";
    for (const Diagnostic& each : findings.warnings) {
        codes += " " + std::string(each.reason);
    }
    return codes;
}

std::string protect(const std::string& name, const std::string& direction, int spi, const std::string& more = {}) {
    return "[[policy]]\nname = \"" + name + "\"\ndirection = \"" + direction +
           "\"\ndisposition = \"protect\"\nprotocol = \"udp\"\nipsec = \"ah\"\nintegrity = \"hmac-sha1-96\"\n"
           "integrity_key = \"k\"\nspi = " +
           std::to_string(spi) + "\n" + (more.empty() ? "remote = \"192.0.2.1\"\n" : more);
}

const std::string kAll = "[[policy]]\nname = \"all\"\ndirection = \"both\"\ndisposition = \"bypass\"\n";

}  // namespace

TEST_SUITE_BEGIN("checks of policies");

TEST_CASE("the manual's policies are good, but for encryption without integrity") {
    CHECK(found(kSeedPolicies) == "| malleable-encryption malleable-encryption");
}

TEST_CASE("a set that locks out ICMPv6 is refused, unless that is accepted") {
    CHECK(found("") == "locked-out locked-out locked-out locked-out |");
    CHECK(found("[policies]\nlockout = \"accepted\"\n") == "|");
    CHECK(found("[policies]\ndefault = \"BYPASS\"\n") == "|");
    CHECK(found(kIcmpPasses + "[policies]\ndefault = \"DENYALL\"\n") == "| icmp-swallowed icmp-swallowed");
    CHECK(found("[[policy]]\nname = \"x\"\ndirection = \"in\"\nremote = \"fe80::1\"\ndisposition = \"discard\"\n" +
                kAll) == "locked-out locked-out |");
    CHECK(found(kIcmpPasses +
                "[[policy]]\nname = \"x\"\ndirection = \"in\"\nremote = \"fe80::1\"\ndisposition = \"discard\"\n" +
                kAll) == "|");
}

TEST_CASE("a set of which nobody can tell whether it locks out ICMPv6 is refused") {
    std::string blocked;
    for (int i = 0; i < 3'000; ++i) {
        blocked += fmt::format(
            "[[policy]]\nname = \"x{0}\"\ndirection = \"in\"\nremote = \"2001:db8::{0:x}:1\"\ndisposition = "
            "\"discard\"\n",
            i);
    }
    CHECK(found(blocked + kAll) == "locked-out |");
    CHECK(found(kIcmpPasses + blocked + kAll) == "|");
    CHECK(found("[policies]\nlockout = \"accepted\"\n" + blocked + kAll) == "|");
}

TEST_CASE("an SPI is one SA's") {
    const std::string rest = kIcmpPasses + kAll;
    CHECK(found(protect("a", "in", 300) + protect("b", "out", 300) + rest) == "|");
    CHECK(found(protect("a", "in", 300) + protect("b", "in", 300, "remote = \"192.0.2.2\"\n") + rest) ==
          "spi-in-use |");
    CHECK(found(protect("a", "out", 300) + protect("b", "out", 300, "remote = \"192.0.2.2\"\n") + rest) == "|");
    CHECK(found(protect("a", "out", 300) + protect("b", "out", 300) + rest) == "spi-in-use |");
    CHECK(found(protect("a", "in", 300, "remote = \"192.0.2.1\"\nalso_spi = 301\n") + rest) == "|");
    CHECK(found(protect("a", "in", 300, "remote = \"192.0.2.1\"\nalso_spi = 301\n") + protect("b", "in", 301) +
                rest) == "spi-in-use |");
}

TEST_CASE("manual keys are for one remote host, or a tunnel") {
    const std::string rest = kIcmpPasses + kAll;
    CHECK(found(protect("a", "out", 300, "remote = \"192.0.2.0/24\"\n") + rest) == "remote-not-one-host |");
    CHECK(found(protect("a", "out", 300, "remote_ports = 53\n") + rest) == "remote-not-one-host |");
    CHECK(found(protect("a", "out", 300,
                        "mode = \"tunnel\"\ntunnel_local = \"192.0.2.1\"\ntunnel_remote = \"192.0.2.2\"\n") +
                rest) == "|");
}

TEST_CASE("what TLS protects need not be protected twice") {
    const std::string service =
        "[[tls.service]]\nname = \"a\"\nlisten = [\"0.0.0.0:443\"]\nconnect = [\"127.0.0.1:80\"]\n"
        "certificate = \"/c\"\nprivate_key = \"file:/k\"\n";
    const std::string tcp =
        "[[policy]]\nname = \"x\"\ndirection = \"in\"\nremote = \"192.0.2.1\"\ndisposition = \"protect\"\nspi = 300\n"
        "protocol = \"tcp\"\nipsec = \"ah\"\nintegrity = \"hmac-sha1-96\"\nintegrity_key = \"k\"\nlocal_ports = ";
    CHECK(found(tcp + "443\n" + kAll, service) == "| protected-twice");
    CHECK(found(tcp + "444\n" + kAll, service) == "|");
}

TEST_CASE("a key of AES-GCM that stays, and CHILD SAs that are not there") {
    CHECK(found("[[policy]]\nname = \"x\"\ndirection = \"in\"\nremote = \"192.0.2.1\"\ndisposition = \"protect\"\n"
                "spi = 300\nipsec = \"esp\"\nconfidentiality = \"aes-gcm\"\nconfidentiality_key = \"k\"\n"
                "protocol = \"tcp\"\n" +
                kAll) == "| key-counts-on");
    CHECK(found("[[policy]]\nname = \"x\"\ndirection = \"in\"\nprotocol = \"tcp\"\ndisposition = \"protect\"\n"
                "connection = \"hq\"\nchild = \"net\"\n" +
                kAll) == "unknown-connection |");
}

TEST_CASE("saved tests that fail are told with what came") {
    const auto set = parse_policies(kSeedPolicies, "f");
    REQUIRE(set);
    SavedTest test = set->tests.front();
    CHECK(failure_of(test, set->rules()).empty());
    test.expected[1].first = "OTHER";
    CHECK(failure_of(test, set->rules()) ==
          "expected protect OTHER for tcp, local fec0::2222:a00:bff:fe3a:100 port 500, remote "
          "fec0::2222:a00:bff:fe3a:127 port 20-21, got protect PROTECTFTPIN");
    test.expected = {{.disposition = policy::Disposition::bypass, .first = {}}};
    CHECK(failure_of(test, set->rules()) == "expected 1 pieces, got 3");
    std::string text = kSeedPolicies;
    text.replace(text.find("protect PROTECTFTPIN"), 7, "discard");
    CHECK(found(text) == "policy-test-failed | malleable-encryption malleable-encryption");
}

TEST_SUITE_END();
