#include "ike/proposal.hpp"

#include <doctest/doctest.h>

#include "ike/wire/message.hpp"

using namespace keysluice;
using namespace keysluice::ike;

namespace {

ProposalRule ike_rule(std::string_view text) {
    const auto rule = parse_ike_proposal(text, {"3des", "sha1", "md5", "modp1024", "modp1536"});
    REQUIRE_MESSAGE(rule, (rule ? "" : rule.error().sentence));
    return *rule;
}

ProposalRule esp_rule(std::string_view text) {
    const auto rule = parse_esp_proposal(text, {"3des", "sha1", "md5", "modp1024", "modp1536"});
    REQUIRE_MESSAGE(rule, (rule ? "" : rule.error().sentence));
    return *rule;
}

std::string printed(const wire::SaPayload& payload) {
    return wire::print(wire::Payload(payload));
}

const IkeSuite kGcm{{EncryptionId::aes_gcm_16, 256}, IntegrityId::none, PrfId::hmac_sha2_384, GroupId::x25519};
const IkeSuite kCbc{
    {EncryptionId::aes_cbc, 128}, IntegrityId::hmac_sha2_256_128, PrfId::hmac_sha2_256, GroupId::modp2048};

}  // namespace

TEST_CASE("an offer has a proposal for each rule, numbered from 1") {
    const auto payload =
        offer({ike_rule("aes256gcm16-prfsha256-x25519"), ike_rule("aes128-sha256-modp2048")}, {}, true);
    CHECK(printed(payload) == "SA(IKE: aes256gcm16-prfsha256-x25519, IKE: aes128-sha256-prfsha256-modp2048)");
    REQUIRE(payload.proposals.size() == 2);
    CHECK(payload.proposals[0].number == 1);
    CHECK(payload.proposals[1].number == 2);
    CHECK(payload.proposals[0].spi.empty());
}

TEST_CASE("an offer keeps combined-mode and classic ciphers apart, in the rule's order") {
    CHECK(printed(offer({ike_rule("aes128-aes256gcm16-aes256-sha256-prfsha256-x25519")}, {}, true)) ==
          "SA(IKE: aes128-aes256-sha256-prfsha256-x25519, IKE: aes256gcm16-prfsha256-x25519)");
    CHECK(printed(offer({ike_rule("aes256gcm16-aes128-sha256-prfsha256-x25519")}, {}, true)) ==
          "SA(IKE: aes256gcm16-prfsha256-x25519, IKE: aes128-sha256-prfsha256-x25519)");
}

TEST_CASE("an offer of the first CHILD SA has no key exchange") {
    const wire::Octets spi{1, 2, 3, 4};
    const auto payload = offer({esp_rule("aes256gcm16-x25519-none-esn-noesn")}, spi, false);
    CHECK(printed(payload) == "SA(ESP: aes256gcm16-esn-noesn)");
    CHECK(payload.proposals[0].spi == spi);
    CHECK(printed(offer({esp_rule("aes256gcm16-x25519-none")}, spi, true)) ==
          "SA(ESP: aes256gcm16-x25519-none-noesn)");
}

TEST_CASE("an offer is no longer than a payload may be") {
    CHECK(offer(std::vector(40, ike_rule("aes256gcm16-aes128-sha256-prfsha256-x25519")), {}, true).proposals.size() ==
          wire::kMostPayloads);
}

TEST_CASE("an answer is one proposal with one transform of each type") {
    const wire::Octets spi{1, 2, 3, 4, 5, 6, 7, 8};
    const auto gcm = answer(IkeChoice{.proposal = 3, .suite = kGcm}, spi);
    CHECK(printed(gcm) == "SA(IKE: aes256gcm16-prfsha384-x25519)");
    CHECK(gcm.proposals[0].number == 3);
    CHECK(gcm.proposals[0].spi == spi);
    CHECK(printed(answer(IkeChoice{.suite = kCbc}, {})) == "SA(IKE: aes128-sha256-prfsha256-modp2048)");
    CHECK(printed(answer(IkeChoice{.suite = kGcm, .says_no_integrity = true}, {})) ==
          "SA(IKE: aes256gcm16-prfsha384-x25519-integrity 0)");
}

TEST_CASE("an answer for a CHILD SA says ESN, and a group if there is one") {
    EspChoice choice{.proposal = 2,
                     .suite = {{EncryptionId::aes_cbc, 256}, IntegrityId::hmac_sha2_512_256, GroupId::ecp384, true}};
    const auto with_group = answer(choice, EspSpi{0xc0ffee01}, true);
    CHECK(printed(with_group) == "SA(ESP: aes256-sha512-ecp384-esn)");
    CHECK(with_group.proposals[0].spi == wire::Octets{0xc0, 0xff, 0xee, 0x01});
    CHECK(with_group.proposals[0].number == 2);
    choice.suite.group = GroupId::none;
    choice.suite.esn = false;
    CHECK(printed(answer(choice, EspSpi{1}, true)) == "SA(ESP: aes256-sha512-noesn)");
    CHECK(printed(answer(choice, EspSpi{1}, false)) == "SA(ESP: aes256-sha512-noesn)");
    choice.says_no_group = true;
    CHECK(printed(answer(choice, EspSpi{1}, true)) == "SA(ESP: aes256-sha512-noesn-none)");
}

TEST_CASE("suites have the names of their keywords") {
    CHECK(print(kGcm) == "aes256gcm16-prfsha384-x25519");
    CHECK(print(kCbc) == "aes128-sha256-prfsha256-modp2048");
    CHECK(print(EspSuite{{EncryptionId::chacha20_poly1305, 0}}) == "chacha20poly1305");
    CHECK(print(EspSuite{{EncryptionId::aes_cbc, 256}, IntegrityId::hmac_sha2_256_128, GroupId::x448, true}) ==
          "aes256-sha256-x448-esn");
    CHECK(name_of(GroupId::x25519) == "x25519");
    CHECK(name_of(GroupId::none) == "none");
    CHECK(name_of(static_cast<GroupId>(18)) == "key exchange 18");
    CHECK(print(wire::Proposal{.transforms = {{wire::TransformType::encryption, 20, 128, true}}}) == "aes128gcm16?");
}
