#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "ike/proposal.hpp"
#include "ike/wire/message.hpp"

using namespace keysluice;
using namespace keysluice::ike;

namespace {

using enum wire::TransformType;
using wire::Protocol;
using wire::Transform;

const std::set<std::string> kWeak{"3des", "sha1", "md5", "modp1024", "modp1536"};
const wire::Octets kSpi{1, 2, 3, 4};
const Transform kNoIntegrity{integrity};
const Transform kNoGroup{key_exchange};

std::vector<ProposalRule> ike_rules(std::initializer_list<std::string_view> texts) {
    std::vector<ProposalRule> rules;
    for (const std::string_view text : texts) {
        const auto rule = parse_ike_proposal(text, kWeak);
        REQUIRE_MESSAGE(rule, (rule ? "" : rule.error().sentence));
        rules.push_back(*rule);
    }
    return rules;
}

std::vector<ProposalRule> esp_rules(std::initializer_list<std::string_view> texts) {
    std::vector<ProposalRule> rules;
    for (const std::string_view text : texts) {
        const auto rule = parse_esp_proposal(text, kWeak);
        REQUIRE_MESSAGE(rule, (rule ? "" : rule.error().sentence));
        rules.push_back(*rule);
    }
    return rules;
}

wire::SaPayload ike_offer(std::initializer_list<std::string_view> texts) {
    return offer(ike_rules(texts), {}, true);
}

wire::SaPayload esp_offer(std::initializer_list<std::string_view> texts, bool with_group = true) {
    return offer(esp_rules(texts), kSpi, with_group);
}

/// The proposal's number and the suite, or the reason.
std::string chosen(const Result<IkeChoice>& choice) {
    return choice ? std::to_string(choice->proposal) + " " + print(choice->suite)
                  : std::string(choice.error().reason);
}

std::string chosen(const Result<EspChoice>& choice) {
    return choice ? std::to_string(choice->proposal) + " " + print(choice->suite)
                  : std::string(choice.error().reason);
}

std::string choose(const wire::SaPayload& offered, std::initializer_list<std::string_view> rules,
                   GroupId preferred = GroupId::none) {
    return chosen(choose_ike(offered, ike_rules(rules), preferred));
}

std::string choose_child(const wire::SaPayload& offered, std::initializer_list<std::string_view> rules,
                         bool with_group = true, GroupId preferred = GroupId::none) {
    return chosen(choose_esp(offered, esp_rules(rules), with_group, preferred));
}

template <typename Change>
wire::SaPayload changed(wire::SaPayload payload, Change change) {
    change(payload.proposals.front());
    return payload;
}

wire::SaPayload with(wire::SaPayload payload, const Transform& transform) {
    payload.proposals.front().transforms.push_back(transform);
    return payload;
}

wire::SaPayload without(wire::SaPayload payload, wire::TransformType type) {
    std::erase_if(payload.proposals.front().transforms, [type](const Transform& one) { return one.type == type; });
    return payload;
}

constexpr const char* kNothing = "no-proposal-chosen";
constexpr const char* kRefused = "answer-not-offered";

}  // namespace

TEST_CASE("the responder's first rule that is offered, and in it its first transform of each type") {
    CHECK(choose(ike_offer({"aes128-sha256-x25519", "aes256gcm16-prfsha384-x25519"}),
                 {"aes256gcm16-prfsha384-x25519", "aes128-sha256-x25519"}) == "2 aes256gcm16-prfsha384-x25519");
    CHECK(choose(ike_offer({"aes128-aes256-sha256-sha512-modp2048-x25519"}),
                 {"aes256-aes128-sha512-sha256-x25519-modp2048"}) == "1 aes256-sha512-prfsha512-x25519");
    // One proposal for each algorithm, the strongest last, as Windows does.
    CHECK(choose(ike_offer({"3des-sha1-modp1024", "aes128-sha256-modp2048", "aes256-sha256-modp2048"}),
                 {"aes256-aes128-sha256-modp2048"}) == "3 aes256-sha256-prfsha256-modp2048");
    CHECK(choose(ike_offer({"aes256-sha256-modp2048", "aes256-sha256-modp2048"}), {"aes256-sha256-modp2048"})
              .starts_with("1 "));
}

TEST_CASE("a rule of both kinds of ciphers fits proposals of either") {
    const auto rules = {std::string_view("aes256gcm16-aes256-sha256-prfsha256-x25519")};
    CHECK(choose(ike_offer({"aes256-sha256-x25519"}), rules) == "1 aes256-sha256-prfsha256-x25519");
    CHECK(choose(ike_offer({"aes256gcm16-prfsha256-x25519"}), rules) == "1 aes256gcm16-prfsha256-x25519");
    CHECK(choose(ike_offer({"aes256-aes256gcm16-sha256-prfsha256-x25519"}), rules) ==
          "2 aes256gcm16-prfsha256-x25519");
}

TEST_CASE("of several groups, that of the KE payload wins") {
    const auto offered = ike_offer({"aes256gcm16-prfsha256-x25519-ecp256-modp2048"});
    CHECK(choose(offered, {"aes256gcm16-prfsha256-ecp256-x25519"}) == "1 aes256gcm16-prfsha256-ecp256");
    CHECK(choose(offered, {"aes256gcm16-prfsha256-ecp256-x25519"}, GroupId::x25519) ==
          "1 aes256gcm16-prfsha256-x25519");
    CHECK(choose(offered, {"aes256gcm16-prfsha256-ecp256-x25519"}, GroupId::modp2048) ==
          "1 aes256gcm16-prfsha256-ecp256");
}

TEST_CASE("each type that an IKE SA needs must be offered, and fit") {
    const auto offered = ike_offer({"aes256-sha256-x25519"});
    const auto rules = {std::string_view("aes256-sha256-x25519")};
    REQUIRE(choose(offered, rules) == "1 aes256-sha256-prfsha256-x25519");
    for (const wire::TransformType type : {encryption, integrity, prf, key_exchange}) {
        CHECK(choose(without(offered, type), rules) == kNothing);
    }
    for (const char* other : {"aes128-sha256-x25519", "aes256-sha512-prfsha256-x25519",
                              "aes256-sha256-prfsha512-x25519", "aes256-sha256-ecp256"}) {
        CHECK(choose(ike_offer({other}), rules) == kNothing);
    }
    CHECK(choose({}, rules) == kNothing);
    CHECK(chosen(choose_ike(offered, {}, GroupId::none)) == kNothing);
}

TEST_CASE("NONE is no group for an IKE SA") {
    auto offered = without(ike_offer({"aes256-sha256-x25519"}), key_exchange);
    CHECK(choose(with(offered, kNoGroup), {"aes256-sha256-x25519"}) == kNothing);
}

TEST_CASE("a type that is unknown, or of another protocol, spoils its proposal and no other") {
    const auto rules = {std::string_view("aes256-sha256-x25519")};
    for (const Transform& strange : {Transform{static_cast<wire::TransformType>(6), 35}, Transform{esn, 0}}) {
        auto offered = ike_offer({"aes256-sha256-x25519", "aes256-sha256-x25519"});
        CHECK(choose(with(offered, strange), rules) == "2 aes256-sha256-prfsha256-x25519");
        offered.proposals.pop_back();
        CHECK(choose(with(offered, strange), rules) == kNothing);
    }
    CHECK(choose_child(with(esp_offer({"aes256gcm16"}), {prf, 5}), {"aes256gcm16"}) == kNothing);
}

TEST_CASE("a transform that was not understood is passed over") {
    auto offered = ike_offer({"aes256-aes128-sha256-x25519"});
    offered.proposals[0].transforms[0].not_understood = true;
    CHECK(choose(offered, {"aes256-aes128-sha256-x25519"}) == "1 aes128-sha256-prfsha256-x25519");
    CHECK(choose(offered, {"aes256-sha256-x25519"}) == kNothing);
}

TEST_CASE("AES needs its key length, and ciphers of one length must not have it") {
    const auto key_bits = [](std::uint16_t bits) {
        return [bits](wire::Proposal& proposal) { proposal.transforms.front().key_bits = bits; };
    };
    CHECK(choose(changed(ike_offer({"aes128-sha256-x25519"}), key_bits(0)), {"aes128-sha256-x25519"}) == kNothing);
    CHECK(choose(changed(ike_offer({"aes128gcm16-prfsha256-x25519"}), key_bits(0)),
                 {"aes128gcm16-prfsha256-x25519"}) == kNothing);
    CHECK(choose(changed(ike_offer({"chacha20poly1305-prfsha256-x25519"}), key_bits(256)),
                 {"chacha20poly1305-prfsha256-x25519"}) == kNothing);
    CHECK(choose(changed(ike_offer({"3des-sha256-x25519"}), key_bits(192)), {"3des-sha256-x25519"}) == kNothing);
    const auto prf_length = [](wire::Proposal& proposal) { proposal.transforms[1].key_bits = 256; };
    CHECK(choose(changed(ike_offer({"aes128gcm16-prfsha256-x25519"}), prf_length),
                 {"aes128gcm16-prfsha256-x25519"}) == kNothing);
}

TEST_CASE("beside a combined-mode cipher, integrity is left out or NONE") {
    const auto rules = {std::string_view("aes256gcm16-prfsha256-x25519")};
    const auto offered = ike_offer({"aes256gcm16-prfsha256-x25519"});
    const auto plain = choose_ike(offered, ike_rules(rules), GroupId::none);
    REQUIRE(plain);
    CHECK_FALSE(plain->says_no_integrity);
    const auto none = choose_ike(with(offered, kNoIntegrity), ike_rules(rules), GroupId::none);
    REQUIRE(none);
    CHECK(none->says_no_integrity);
    CHECK(none->suite.integrity == IntegrityId::none);
    CHECK(choose(with(offered, {integrity, 12}), rules) == kNothing);
    CHECK(choose(with(with(offered, {integrity, 12}), kNoIntegrity), rules) == "1 aes256gcm16-prfsha256-x25519");
    // NONE does not take the place of a real one beside a classic cipher.
    auto classic = without(ike_offer({"aes256-sha256-x25519"}), integrity);
    CHECK(choose(with(classic, kNoIntegrity), {"aes256-sha256-x25519"}) == kNothing);
}

TEST_CASE("SPIs have the size of their protocol") {
    const auto rules = {std::string_view("aes256gcm16-prfsha256-x25519")};
    const auto rekey = offer(ike_rules(rules), {0, 0, 0, 0, 0, 0, 1, 2}, true);
    const auto choice = choose_ike(rekey, ike_rules(rules), GroupId::none);
    REQUIRE(choice);
    CHECK(choice->spi == IkeSpi{0x102});
    CHECK(choose_ike(ike_offer(rules), ike_rules(rules), GroupId::none)->spi == IkeSpi{0});
    for (const wire::Octets& spi : {wire::Octets(4, 1), wire::Octets(7, 1), wire::Octets(9, 1), wire::Octets(8, 0)}) {
        CHECK(chosen(choose_ike(offer(ike_rules(rules), spi, true), ike_rules(rules), GroupId::none)) == kNothing);
    }
    const auto child = choose_esp(esp_offer({"aes256gcm16"}), esp_rules({"aes256gcm16"}), true, GroupId::none);
    REQUIRE(child);
    CHECK(child->spi == EspSpi{0x01020304});
    for (const wire::Octets& spi : {wire::Octets(), wire::Octets(3, 1), wire::Octets(8, 1), wire::Octets(4, 0)}) {
        CHECK(chosen(choose_esp(offer(esp_rules({"aes256gcm16"}), spi, true), esp_rules({"aes256gcm16"}), true,
                                GroupId::none)) == kNothing);
    }
}

TEST_CASE("proposals of another protocol are passed over") {
    auto offered = ike_offer({"aes256gcm16-prfsha256-x25519"});
    CHECK(choose_child(offered, {"aes256gcm16"}) == kNothing);
    CHECK(choose(esp_offer({"aes256gcm16"}), {"aes256gcm16-prfsha256-x25519"}) == kNothing);
    const auto to_ah = [](wire::Proposal& proposal) { proposal.protocol = Protocol::ah; };
    CHECK(choose_child(changed(esp_offer({"aes256gcm16"}), to_ah), {"aes256gcm16"}) == kNothing);
}

TEST_CASE("ESP: ESN must be offered, and our preference wins") {
    CHECK(choose_child(esp_offer({"aes256gcm16-esn-noesn"}), {"aes256gcm16-noesn-esn"}) == "1 aes256gcm16");
    CHECK(choose_child(esp_offer({"aes256gcm16-noesn-esn"}), {"aes256gcm16-esn-noesn"}) == "1 aes256gcm16-esn");
    CHECK(choose_child(esp_offer({"aes256gcm16-noesn"}), {"aes256gcm16-esn-noesn"}) == "1 aes256gcm16");
    CHECK(choose_child(esp_offer({"aes256gcm16-esn"}), {"aes256gcm16"}) == kNothing);
    CHECK(choose_child(without(esp_offer({"aes256gcm16"}), esn), {"aes256gcm16"}) == kNothing);
    CHECK(choose_child(esp_offer({"null-sha256"}), {"null-sha256"}) == "1 null-sha256");
}

TEST_CASE("ESP: a key exchange of its own is taken when both want it") {
    const auto pfs = esp_offer({"aes256gcm16-x25519-ecp256"});
    CHECK(choose_child(pfs, {"aes256gcm16-ecp256-x25519"}) == "1 aes256gcm16-ecp256");
    CHECK(choose_child(pfs, {"aes256gcm16-ecp256-x25519"}, true, GroupId::x25519) == "1 aes256gcm16-x25519");
    CHECK(choose_child(pfs, {"aes256gcm16"}) == kNothing);
    CHECK(choose_child(esp_offer({"aes256gcm16"}), {"aes256gcm16-x25519"}) == kNothing);
    CHECK(choose_child(esp_offer({"aes256gcm16"}), {"aes256gcm16-x25519-none"}) == "1 aes256gcm16");
}

TEST_CASE("ESP: NONE among the groups leaves the choice to the responder") {
    const auto offered = esp_offer({"aes256gcm16-x25519-none"});
    const auto without_group = choose_esp(offered, esp_rules({"aes256gcm16"}), true, GroupId::none);
    REQUIRE(without_group);
    CHECK(without_group->suite.group == GroupId::none);
    CHECK(without_group->says_no_group);
    CHECK(choose_child(offered, {"aes256gcm16-x25519"}, true, GroupId::x25519) == "1 aes256gcm16-x25519");
    const auto plain = choose_esp(esp_offer({"aes256gcm16"}), esp_rules({"aes256gcm16"}), true, GroupId::none);
    REQUIRE(plain);
    CHECK_FALSE(plain->says_no_group);
    // Without a KE payload there is no group to prefer, and NONE is what fits.
    CHECK(choose_child(offered, {"aes256gcm16-x25519-none"}, true, GroupId::none) == "1 aes256gcm16");
    CHECK(choose_child(offered, {"aes256gcm16-x25519-none"}, true, GroupId::x25519) == "1 aes256gcm16-x25519");
}

TEST_CASE("ESP: in IKE_AUTH there is no key exchange, whatever the rule says") {
    CHECK(choose_child(esp_offer({"aes256gcm16"}), {"aes256gcm16-x25519"}, false) == "1 aes256gcm16");
    CHECK(choose_child(esp_offer({"aes256gcm16-x25519"}), {"aes256gcm16-x25519"}, false) == kNothing);
    CHECK(choose_child(esp_offer({"aes256gcm16-x25519-none"}), {"aes256gcm16-x25519"}, false) == "1 aes256gcm16");
}

TEST_CASE("the sentence says what was offered, what is accepted, and what the nearest differs in") {
    const auto failed =
        choose_ike(ike_offer({"aes128-sha1-modp1024", "3des-md5-modp1024"}),
                   ike_rules({"aes256gcm16-prfsha256-x25519", "aes128-sha256-prfsha1-modp2048"}), GroupId::none);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().sentence ==
          "peer offers aes128-sha1-prfsha1-modp1024, 3des-md5-prfmd5-modp1024, this connection accepts "
          "aes256gcm16-prfsha256-x25519, aes128-sha256-prfsha1-modp2048; the nearest differs in integrity (offered "
          "sha1, accepted sha256), key exchange (offered modp1024, accepted modp2048)");
    const auto missing =
        choose_esp(without(esp_offer({"aes256gcm16"}), esn), esp_rules({"aes256gcm16"}), true, GroupId::none);
    CHECK(missing.error().sentence.ends_with("the nearest differs in esn (offered nothing, accepted noesn)"));
    const auto foreign = choose_esp(with(esp_offer({"aes256gcm16"}), {static_cast<wire::TransformType>(6), 35}),
                                    esp_rules({"aes256gcm16"}), true, GroupId::none);
    CHECK(foreign.error().sentence.ends_with("transform type 6 (offered transform type 6 35, accepted nothing)"));
    const auto spi =
        choose_esp(offer(esp_rules({"aes256gcm16"}), {0xab}, true), esp_rules({"aes256gcm16"}), true, GroupId::none);
    CHECK(spi.error().sentence.contains("SPI (offered ab: zero, or of the wrong size)"));
    CHECK(choose_ike({}, ike_rules({"aes256gcm16-prfsha256-x25519"}), GroupId::none)
              .error()
              .sentence.contains("everything"));
}

TEST_CASE("the sentence stays short whatever a peer offers") {
    wire::SaPayload offered;
    for (unsigned i = 1; i <= 64; ++i) {
        offered.proposals.push_back(ike_offer({"3des-sha1-modp1024"}).proposals[0]);
        offered.proposals.back().number = static_cast<std::uint8_t>(i);
    }
    const auto failed = choose_ike(offered, ike_rules({"aes256gcm16-prfsha256-x25519"}), GroupId::none);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().sentence.contains("and 56 more"));
}

TEST_CASE("an answer out of the offer is accepted") {
    const auto offered = ike_offer({"aes256gcm16-prfsha384-prfsha256-x25519-ecp256", "aes128-sha256-modp2048"});
    CHECK(chosen(accept_ike_answer(changed(ike_offer({"aes256gcm16-prfsha256-ecp256"}), [](auto&) {}), offered)) ==
          "1 aes256gcm16-prfsha256-ecp256");
    const auto second = [](wire::Proposal& proposal) { proposal.number = 2; };
    CHECK(chosen(accept_ike_answer(changed(ike_offer({"aes128-sha256-modp2048"}), second), offered)) ==
          "2 aes128-sha256-prfsha256-modp2048");
}

TEST_CASE("an answer that was not offered is refused") {
    const auto offered = ike_offer({"aes256gcm16-aes128gcm16-prfsha256-x25519", "aes128-sha256-modp2048"});
    const auto good = ike_offer({"aes256gcm16-prfsha256-x25519"});
    REQUIRE(accept_ike_answer(good, offered));
    const auto refused = [&offered](const wire::SaPayload& answered) {
        return chosen(accept_ike_answer(answered, offered)) == kRefused;
    };
    CHECK(refused({}));
    CHECK(refused(offered));
    CHECK(refused(ike_offer({"aes256gcm16-prfsha256-x25519", "aes128-sha256-modp2048"})));
    // Another proposal's number, or nobody's.
    for (const std::uint8_t number : {std::uint8_t{0}, std::uint8_t{2}, std::uint8_t{3}}) {
        CHECK(refused(changed(good, [number](wire::Proposal& proposal) { proposal.number = number; })));
    }
    CHECK(refused(changed(good, [](wire::Proposal& proposal) { proposal.protocol = Protocol::esp; })));
    CHECK(refused(changed(good, [](wire::Proposal& proposal) { proposal.spi = wire::Octets(8, 1); })));
    // Something else, something missing, something twice, something more.
    CHECK(refused(ike_offer({"aes192gcm16-prfsha256-x25519"})));
    CHECK(refused(ike_offer({"aes256gcm16-prfsha384-x25519"})));
    CHECK(refused(ike_offer({"aes256gcm16-prfsha256-modp2048"})));
    for (const wire::TransformType type : {encryption, prf, key_exchange}) {
        CHECK(refused(without(good, type)));
    }
    CHECK(refused(with(good, {encryption, 20, 128})));
    CHECK(refused(with(good, {prf, 5})));
    CHECK(refused(with(good, {integrity, 12})));
    CHECK(refused(with(good, {esn, 0})));
    CHECK(refused(changed(good, [](wire::Proposal& proposal) { proposal.transforms[0].not_understood = true; })));
    CHECK(refused(changed(good, [](wire::Proposal& proposal) { proposal.transforms[0].key_bits = 0; })));
}

TEST_CASE("an answer may spell out that there is no integrity") {
    const auto offered = ike_offer({"aes256gcm16-prfsha256-x25519"});
    CHECK(accept_ike_answer(with(offered, kNoIntegrity), offered));
    const auto classic = ike_offer({"aes256-sha256-x25519"});
    CHECK(chosen(accept_ike_answer(with(without(classic, integrity), kNoIntegrity), classic)) == kRefused);
    CHECK(chosen(accept_ike_answer(without(classic, integrity), classic)) == kRefused);
    // Not even if somebody had offered a cipher of each kind in one proposal.
    const auto mixed = with(with(offered, {encryption, 12, 256}), kNoIntegrity);
    const auto bare =
        changed(offered, [](wire::Proposal& proposal) { proposal.transforms[0] = {encryption, 12, 256}; });
    CHECK(chosen(accept_ike_answer(bare, mixed)) == kRefused);
}

TEST_CASE("an answer for a CHILD SA: its SPI, and the group's absence") {
    const auto offered = esp_offer({"aes256gcm16-x25519-none-esn-noesn"});
    auto answered = answer(EspChoice{.suite = {{EncryptionId::aes_gcm_16, 256}, {}, GroupId::x25519, true}},
                           EspSpi{0x0a0b0c0d}, true);
    const auto accepted = accept_esp_answer(answered, offered);
    REQUIRE(accepted);
    CHECK(accepted->spi == EspSpi{0x0a0b0c0d});
    CHECK(print(accepted->suite) == "aes256gcm16-x25519-esn");
    // NONE was offered: choosing it and leaving the type out come to the same.
    CHECK(chosen(accept_esp_answer(without(answered, key_exchange), offered)) == "1 aes256gcm16-esn");
    CHECK(chosen(accept_esp_answer(without(answered, key_exchange), esp_offer({"aes256gcm16-x25519-esn"}))) ==
          kRefused);
    CHECK(chosen(accept_esp_answer(with(without(answered, key_exchange), kNoGroup), offered)) == "1 aes256gcm16-esn");
    CHECK(chosen(accept_esp_answer(without(answered, esn), offered)) == kRefused);
    CHECK(chosen(accept_esp_answer(with(answered, {esn, 0}), offered)) == kRefused);
    CHECK(chosen(accept_esp_answer(changed(answered, [](wire::Proposal& one) { one.spi = {0, 0, 0, 0}; }),
                                   offered)) == kRefused);
    CHECK(chosen(accept_esp_answer(answered, esp_offer({"aes256gcm16-esn"}))) == kRefused);
}

TEST_CASE("what one side chooses the other accepts") {
    const auto ours = default_ike_proposals();
    const auto esp_ours = default_esp_proposals();
    const wire::Octets spi(8, 7);
    for (const GroupId group : {GroupId::x25519, GroupId::ecp384, GroupId::modp2048}) {
        const auto offered = offer(ours, spi, true);
        const auto choice = choose_ike(offered, ours, group);
        REQUIRE(choice);
        CHECK(choice->suite.group == group);
        const auto accepted = accept_ike_answer(answer(*choice, wire::Octets(8, 9)), offered);
        REQUIRE_MESSAGE(accepted, (accepted ? "" : accepted.error().sentence));
        CHECK(accepted->suite == choice->suite);
        CHECK(accepted->spi == IkeSpi{0x0909090909090909});
    }
    for (const bool with_group : {true, false}) {
        const auto offered = offer(esp_ours, kSpi, with_group);
        const auto choice = choose_esp(offered, esp_ours, with_group, GroupId::ecp256);
        REQUIRE(choice);
        CHECK(choice->suite.group == (with_group ? GroupId::ecp256 : GroupId::none));
        const auto accepted = accept_esp_answer(answer(*choice, EspSpi{5}, with_group), offered);
        REQUIRE_MESSAGE(accepted, (accepted ? "" : accepted.error().sentence));
        CHECK(accepted->suite == choice->suite);
    }
}

TEST_CASE("whatever is chosen from a random offer, its answer is accepted, and nothing else is") {
    std::minstd_rand random(7296);
    const auto one_of = [&random](std::initializer_list<unsigned> ids) {
        return *(ids.begin() + random() % ids.size());
    };
    unsigned fits = 0;
    for (int round = 0; round < 3000; ++round) {
        wire::SaPayload offered;
        for (unsigned number = 1; number <= 1 + random() % 3; ++number) {
            wire::Proposal proposal{
                .number = static_cast<std::uint8_t>(number), .protocol = Protocol::esp, .spi = kSpi};
            for (auto left = 1 + random() % 7; left > 0; --left) {
                const auto type = static_cast<wire::TransformType>(one_of({1, 1, 3, 4, 5, 5}));
                const unsigned id = type == encryption     ? one_of({12, 20, 28})
                                    : type == integrity    ? one_of({0, 12, 13})
                                    : type == key_exchange ? one_of({0, 19, 31})
                                                           : one_of({0, 1});
                const unsigned bits = type == encryption && id != 28 ? one_of({0, 128, 256}) : 0;
                proposal.transforms.push_back(
                    {type, static_cast<std::uint16_t>(id), static_cast<std::uint16_t>(bits), random() % 16 == 0});
            }
            offered.proposals.push_back(proposal);
        }
        const bool with_group = random() % 2 == 0;
        const auto choice = choose_esp(offered, default_esp_proposals(), with_group, GroupId::ecp256);
        if (!choice) {
            CHECK(choice.error().reason == kNothing);
            continue;
        }
        ++fits;
        const auto answered = answer(*choice, EspSpi{9}, with_group);
        const auto accepted = accept_esp_answer(answered, offered);
        REQUIRE_MESSAGE(accepted, (accepted ? "" : accepted.error().sentence));
        CHECK(accepted->suite == choice->suite);
        CHECK((with_group || choice->suite.group == GroupId::none));
        // By the letter: each type that is offered stands in the answer once, and each of its transforms in the
        // offer.
        const auto& chosen_from = offered.proposals.at(choice->proposal - 1U).transforms;
        const auto& given = answered.proposals.at(0).transforms;
        for (const Transform& transform : chosen_from) {
            CHECK(std::ranges::count(given, transform.type, &Transform::type) == 1);
        }
        for (const Transform& transform : given) {
            CHECK(std::ranges::find(chosen_from, transform) != chosen_from.end());
        }
    }
    CHECK(fits > 50);
}
