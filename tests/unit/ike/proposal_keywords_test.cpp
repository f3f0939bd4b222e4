#include <doctest/doctest.h>

#include "ike/proposal.hpp"
#include "ike/wire/message.hpp"
#include "ike/wire/transform.hpp"

using namespace keysluice;
using namespace keysluice::ike;

namespace {

using Reader = Result<ProposalRule> (*)(std::string_view, const std::set<std::string>&);

const std::set<std::string> kNoWeak;

std::string read(Reader reader, std::string_view text, const std::set<std::string>& weak = kNoWeak) {
    const auto rule = reader(text, weak);
    return rule ? wire::print(rule->transforms) : std::string(rule.error().reason) + ": " + rule.error().sentence;
}

std::string as_ike(std::string_view text, const std::set<std::string>& weak = kNoWeak) {
    return read(parse_ike_proposal, text, weak);
}

std::string as_esp(std::string_view text, const std::set<std::string>& weak = kNoWeak) {
    return read(parse_esp_proposal, text, weak);
}

}  // namespace

TEST_CASE("an IKE proposal as numbers") {
    using enum wire::TransformType;
    const auto rule = parse_ike_proposal("aes256gcm16-aes128-sha256-prfsha384-x25519-modp3072", {});
    REQUIRE(rule);
    CHECK(rule->protocol == wire::Protocol::ike);
    CHECK(rule->transforms == std::vector<wire::Transform>{{encryption, 20, 256},
                                                           {encryption, 12, 128},
                                                           {integrity, 12},
                                                           {prf, 6},
                                                           {key_exchange, 31},
                                                           {key_exchange, 15}});
}

TEST_CASE("an ESP proposal as numbers") {
    using enum wire::TransformType;
    const auto rule = parse_esp_proposal("chacha20poly1305-ecp256-none-esn-noesn", {});
    REQUIRE(rule);
    CHECK(rule->protocol == wire::Protocol::esp);
    CHECK(rule->transforms ==
          std::vector<wire::Transform>{{encryption, 28}, {key_exchange, 19}, {key_exchange, 0}, {esn, 1}, {esn, 0}});
}

TEST_CASE("each keyword stands for what IANA numbers") {
    struct Row {
        std::string_view name;
        wire::TransformType type;
        unsigned id;
        unsigned key_bits;
    };
    using enum wire::TransformType;
    for (const Row& row : std::vector<Row>{{"aes", encryption, 12, 128},
                                           {"aes128", encryption, 12, 128},
                                           {"aes192", encryption, 12, 192},
                                           {"aes256", encryption, 12, 256},
                                           {"aes128ctr", encryption, 13, 128},
                                           {"aes256ctr", encryption, 13, 256},
                                           {"aes128ccm16", encryption, 16, 128},
                                           {"aes256ccm128", encryption, 16, 256},
                                           {"aes256ccm", encryption, 16, 256},
                                           {"aes128gcm16", encryption, 20, 128},
                                           {"aes128gcm128", encryption, 20, 128},
                                           {"aes192gcm16", encryption, 20, 192},
                                           {"aes256gcm", encryption, 20, 256},
                                           {"chacha20poly1305", encryption, 28, 0},
                                           {"3des", encryption, 3, 0},
                                           {"null", encryption, 11, 0},
                                           {"md5", integrity, 1, 0},
                                           {"sha1", integrity, 2, 0},
                                           {"sha", integrity, 2, 0},
                                           {"aesxcbc", integrity, 5, 0},
                                           {"sha256", integrity, 12, 0},
                                           {"sha2_256", integrity, 12, 0},
                                           {"sha384", integrity, 13, 0},
                                           {"sha2_384", integrity, 13, 0},
                                           {"sha512", integrity, 14, 0},
                                           {"sha2_512", integrity, 14, 0},
                                           {"prfmd5", prf, 1, 0},
                                           {"prfsha1", prf, 2, 0},
                                           {"prfaesxcbc", prf, 4, 0},
                                           {"prfsha256", prf, 5, 0},
                                           {"prfsha384", prf, 6, 0},
                                           {"prfsha512", prf, 7, 0},
                                           {"prfaescmac", prf, 8, 0},
                                           {"modp768", key_exchange, 1, 0},
                                           {"modp1024", key_exchange, 2, 0},
                                           {"modp1536", key_exchange, 5, 0},
                                           {"modp2048", key_exchange, 14, 0},
                                           {"modp3072", key_exchange, 15, 0},
                                           {"modp4096", key_exchange, 16, 0},
                                           {"ecp256", key_exchange, 19, 0},
                                           {"ecp384", key_exchange, 20, 0},
                                           {"ecp521", key_exchange, 21, 0},
                                           {"x25519", key_exchange, 31, 0},
                                           {"curve25519", key_exchange, 31, 0},
                                           {"x448", key_exchange, 32, 0},
                                           {"curve448", key_exchange, 32, 0},
                                           {"none", key_exchange, 0, 0},
                                           {"modpnone", key_exchange, 0, 0},
                                           {"noesn", esn, 0, 0},
                                           {"esn", esn, 1, 0}}) {
        const wire::Keyword* keyword = wire::find_keyword(row.name);
        REQUIRE_MESSAGE(keyword != nullptr, std::string(row.name));
        CHECK(keyword->type == row.type);
        CHECK(keyword->id == row.id);
        CHECK(keyword->key_bits == row.key_bits);
    }
}

TEST_CASE("the order of kinds does not matter, that of one kind does") {
    CHECK(as_ike("x25519-prfsha256-aes256gcm16-ecp256") == "aes256gcm16-prfsha256-x25519-ecp256");
    CHECK(as_ike("aes128-aes256-sha256-x25519") == "aes128-aes256-sha256-prfsha256-x25519");
    CHECK(as_ike("aes256-aes128-sha256-x25519") == "aes256-aes128-sha256-prfsha256-x25519");
    CHECK(as_esp("noesn-esn-sha256-aes128") == "aes128-sha256-noesn-esn");
}

TEST_CASE("without a PRF, those of the integrity algorithms; with one, no others") {
    CHECK(as_ike("aes128-sha256-sha384-sha512-aesxcbc-x25519") ==
          "aes128-sha256-sha384-sha512-aesxcbc-prfsha256-prfsha384-prfsha512-prfaesxcbc-x25519");
    CHECK(as_ike("aes128-sha256-prfaescmac-x25519") == "aes128-sha256-prfaescmac-x25519");
    CHECK(as_ike("3des-sha1-md5-modp1024", {"3des", "sha1", "md5", "modp1024"}) ==
          "3des-sha1-md5-prfsha1-prfmd5-modp1024");
}

TEST_CASE("ESP has no ESN when nothing is said of it") {
    CHECK(as_esp("aes256gcm16") == "aes256gcm16-noesn");
    CHECK(as_esp("aes256gcm16-esn") == "aes256gcm16-esn");
    CHECK(as_esp("null-sha256") == "null-sha256-noesn");
    CHECK(as_esp("aes256gcm16-x25519-none") == "aes256gcm16-x25519-none-noesn");
}

TEST_CASE("what is missing is named, with an example") {
    CHECK(as_ike("sha256-x25519") ==
          "proposal-incomplete: IKE proposal \"sha256-x25519\": it has no encryption; add one, such as aes256gcm16");
    CHECK(as_ike("aes128-x25519").starts_with("proposal-incomplete"));
    CHECK(as_ike("aes128-x25519").contains("aes128 needs an integrity algorithm beside it; add one, such as sha256"));
    CHECK(as_ike("aes128-prfsha256-x25519").contains("integrity algorithm"));
    CHECK(as_ike("aes256gcm16-x25519").contains("aes256gcm16 needs a PRF beside it; add one, such as prfsha256"));
    CHECK(as_ike("aes256gcm16-sha256-x25519").contains("needs a PRF beside it"));
    CHECK(as_ike("aes256gcm16-prfsha256").contains("no key exchange group; add one, such as x25519"));
    CHECK(as_esp("x25519").contains("no encryption"));
    CHECK(as_esp("aes128").contains("integrity algorithm"));
    CHECK(as_esp("null").contains("null needs an integrity algorithm"));
    CHECK(as_esp("aes256gcm16-aes128").contains("aes128 needs an integrity algorithm"));
}

TEST_CASE("integrity beside combined-mode ciphers alone is one too many") {
    CHECK(as_ike("aes256gcm16-sha256-prfsha256-x25519") ==
          "proposal-syntax: IKE proposal \"aes256gcm16-sha256-prfsha256-x25519\": aes256gcm16 protects integrity "
          "itself; leave sha256 out");
    CHECK(as_esp("aes256gcm16-sha256").contains("leave sha256 out"));
    CHECK(as_ike("aes256gcm16-aes128-sha256-prfsha256-x25519").starts_with("aes256gcm16-aes128-sha256"));
}

TEST_CASE("what is unknown is named, with what it was meant to be") {
    CHECK(as_ike("aes265-sha256-x25519") ==
          "proposal-syntax: IKE proposal \"aes265-sha256-x25519\": unknown keyword \"aes265\"; did you mean "
          "\"aes256\"?");
    CHECK(as_ike("aes128-sha265-x25519").contains("did you mean \"sha256\"?"));
    CHECK(as_ike("aes128-sha256-x25591").contains("did you mean \"x25519\"?"));
    CHECK(as_ike("").contains("unknown keyword \"\""));
    CHECK(as_ike("aes128-").starts_with("proposal-syntax"));
    CHECK(as_ike("-aes128").starts_with("proposal-syntax"));
    CHECK(as_ike("aes128--sha256-x25519").starts_with("proposal-syntax"));
    CHECK(as_ike("aes128 -sha256-x25519").starts_with("proposal-syntax"));
    CHECK(as_ike("AES128-sha256-x25519").starts_with("proposal-syntax"));
    CHECK(as_ike("aes128gcm8-prfsha256-x25519").starts_with("proposal-syntax"));
    CHECK(as_ike("aes128-sha256-sha2_256-x25519").contains("\"sha2_256\" stands in it twice"));
}

TEST_CASE("each protocol has its own kinds") {
    CHECK(as_ike("aes256gcm16-prfsha256-x25519-esn").contains("\"esn\" is for ESP proposals only"));
    CHECK(as_ike("aes256gcm16-prfsha256-none").contains("\"none\" is for ESP proposals only"));
    CHECK(as_ike("null-sha256-x25519").contains("\"null\" is for ESP proposals only"));
    CHECK(as_esp("aes256gcm16-prfsha256").contains("\"prfsha256\" is for IKE proposals only"));
    // Nothing is suggested that the protocol would not take.
    CHECK_FALSE(as_esp("aes256gcm16-prfsha265").contains("prfsha256"));
}

TEST_CASE("weak algorithms must be allowed, by any of their names") {
    for (const std::string_view text :
         {"3des-sha256-x25519", "aes128-sha1-x25519", "aes128-md5-x25519", "aes128-sha256-prfmd5-x25519",
          "aes128-sha256-prfsha1-x25519", "aes128-sha256-modp768", "aes128-sha256-modp1024",
          "aes128-sha256-modp1536"}) {
        CHECK_MESSAGE(as_ike(text).starts_with("proposal-weak"), std::string(text));
        CHECK_FALSE(as_ike(text, {"3des", "sha1", "md5", "modp768", "modp1024", "modp1536"}).contains("proposal-"));
    }
    CHECK(as_ike("aes128-sha1-x25519").contains("list \"sha1\" in allow_weak"));
    CHECK(as_ike("aes128-sha256-prfsha1-x25519", {"sha1"}) == "aes128-sha256-prfsha1-x25519");
    CHECK(as_ike("aes128-sha-x25519", {"sha1"}).starts_with("aes128-sha1"));
    CHECK(as_ike("aes128-sha-x25519", {"sha"}).starts_with("aes128-sha1"));
    CHECK(as_ike("aes128-sha1-modp1024", {"sha1"}).starts_with("proposal-weak"));
    CHECK(weak_algorithms() ==
          std::vector<std::string_view>{"3des", "sha1", "md5", "modp1536", "modp1024", "modp768"});
}

TEST_CASE("the defaults are strong, and fit into a payload") {
    for (const auto& rules : {default_ike_proposals(), default_esp_proposals()}) {
        REQUIRE(rules.size() == 2);
        for (const ProposalRule& rule : rules) {
            for (const wire::Transform& transform : rule.transforms) {
                const wire::Keyword* keyword = wire::find_keyword(wire::name_of(transform));
                REQUIRE(keyword != nullptr);
                CHECK(keyword->weakness.empty());
            }
            CHECK(rule.transforms.size() <= wire::kMostPayloads);
        }
        const std::vector<wire::Payload> payloads{offer(rules, {1, 2, 3, 4}, true)};
        const auto emitted = wire::emit_payloads(payloads);
        CHECK(wire::parse_payloads(emitted.first, emitted.bytes) == payloads);
    }
}

TEST_CASE("what is printed reads as the same rule") {
    for (const ProposalRule& rule : default_ike_proposals()) {
        CHECK(parse_ike_proposal(wire::print(rule.transforms), {}) == rule);
    }
    for (const ProposalRule& rule : default_esp_proposals()) {
        CHECK(parse_esp_proposal(wire::print(rule.transforms), {}) == rule);
    }
}
