#include "daemon/control/esp_support.hpp"

#include <doctest/doctest.h>

#include <string>

#include "ike/wire/transform.hpp"
#include "xfrm/algorithms.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

namespace algorithms = xfrm::algorithms;

/// A kernel that has everything but these.
xfrm::Capabilities kernel_without(std::initializer_list<std::string_view> lacking) {
    xfrm::Capabilities kernel;
    for (const std::string_view each : lacking) {
        kernel.missing.push_back(
            {{"kernel-lacks", "this kernel offers no " + std::string(each) + "; it comes with CONFIG_IT (module it)"},
             each});
    }
    return kernel;
}

ike::ChildRule child(const std::string& name, std::initializer_list<std::string_view> proposals) {
    ike::ChildRule rule;
    rule.name = name;
    for (const std::string_view each : proposals) {
        rule.proposals.push_back(ike::parse_esp_proposal(each, {"3des", "sha1"}).value());
    }
    return rule;
}

IkeConnection connection(const std::string& name, std::vector<ike::ChildRule> children) {
    IkeConnection made;
    made.rules->name = name;
    made.rules->children = std::move(children);
    return made;
}

/// What is left of one child's proposals.
std::string left(std::string_view proposal, const xfrm::Capabilities& kernel) {
    std::vector<IkeConnection> connections{connection("hq", {child("net", {proposal})})};
    static_cast<void>(fit(connections, kernel));
    std::string names;
    for (const IkeConnection& each : connections) {
        for (const auto& transform : each.rules->children.at(0).proposals.at(0).transforms) {
            names += (names.empty() ? "" : "-") + ike::wire::name_of(transform);
        }
    }
    return names;
}

}  // namespace

TEST_SUITE_BEGIN("esp support");

TEST_CASE("a kernel that has everything: nothing changes") {
    std::vector<IkeConnection> connections{connection("hq", {child("net", {"aes128gcm16-aes256ccm16-x25519-esn"})})};
    const auto before = connections.at(0).rules->children.at(0).proposals;
    const EspFit found = fit(connections, kernel_without({}));
    CHECK(found.left_out.empty());
    CHECK(found.refused.empty());
    REQUIRE(connections.size() == 1);
    CHECK(connections.at(0).rules->children.at(0).proposals == before);
}

TEST_CASE("what the kernel lacks is left out, and what is of no use without it") {
    struct Case {
        std::string_view proposal;
        std::string_view lacking;
        std::string_view left;
    };
    for (const Case& each : {
             Case{"aes128gcm16-aes256gcm16-chacha20poly1305-x25519", algorithms::kAesGcm,
                  "chacha20poly1305-x25519-noesn"},
             Case{"aes128gcm16-aes128ccm16", algorithms::kAesCcm, "aes128gcm16-noesn"},
             Case{"aes128-aes128ctr-sha256", algorithms::kAesCbc, "aes128ctr-sha256-noesn"},
             Case{"aes128-sha256-sha512", algorithms::kHmacSha256, "aes128-sha512-noesn"},
             Case{"aes128-sha256", algorithms::kHmacSha256, ""},
             Case{"aes128-sha256", algorithms::kAesCbc, ""},
             Case{"aes128-aesxcbc-esn", algorithms::kAesXcbc, ""},
             Case{"aes128gcm16-modp2048", algorithms::kAesGcm, ""},
             Case{"null-sha256", algorithms::kNullCipher, ""},
             // Nobody asks the kernel for weak ones.
             Case{"3des-sha1", algorithms::kAesCbc, "3des-sha1-noesn"},
         }) {
        INFO(each.proposal, " without ", each.lacking);
        CHECK(left(each.proposal, kernel_without({each.lacking})) == each.left);
    }
}

TEST_CASE("a child without a proposal, and a connection without a child, are refused, and it is said why") {
    std::vector<IkeConnection> connections{
        connection("both",
                   {child("bad", {"aes128ccm16", "aes256ccm16"}), child("good", {"aes128ccm16", "aes128gcm16"})}),
        connection("none", {child("net", {"chacha20poly1305"})}),
        connection("fine", {child("net", {"aes128gcm16"})}),
    };
    const EspFit found = fit(connections, kernel_without({algorithms::kAesCcm, algorithms::kChaCha20Poly1305}));
    CHECK(found.left_out == std::set<std::string_view>{algorithms::kAesCcm, algorithms::kChaCha20Poly1305});
    REQUIRE(connections.size() == 2);
    CHECK(connections.at(0).rules->name == "both");
    REQUIRE(connections.at(0).rules->children.size() == 1);
    CHECK(connections.at(0).rules->children.at(0).name == "good");
    CHECK(connections.at(0).rules->children.at(0).proposals.size() == 1);
    CHECK(connections.at(1).rules->name == "fine");
    REQUIRE(found.refused.size() == 2);
    CHECK(found.refused.at(0).connection == "both");
    CHECK(found.refused.at(0).child == "bad");
    CHECK(found.refused.at(1).connection == "none");
    CHECK(found.refused.at(1).why.reason == "kernel-lacks");
    CHECK(found.refused.at(1).why.sentence ==
          "none of its ESP proposals is left: this kernel offers no rfc7539esp(chacha20,poly1305); it comes with "
          "CONFIG_IT (module it)");
}

TEST_SUITE_END();
