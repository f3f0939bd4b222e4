#include "crypto/peer_rules.hpp"

#include <doctest/doctest.h>
#include <openssl/x509v3.h>

#include <string>

#include "crypto/certificate.hpp"
#include "tests/support/certificates.hpp"

using namespace keysluice;
using namespace keysluice::crypto;
using testing::CertificateFolder;
using testing::Issued;

namespace {

bool subject_allowed(const std::string& rule, const X509& certificate) {
    const auto parsed = parse_subject_rule(rule);
    REQUIRE_MESSAGE(parsed, rule);
    return !objection({.subjects = {*parsed}, .names = {}, .keys = {}}, certificate);
}

bool name_allowed(const std::string& rule, const X509& certificate) {
    const auto parsed = parse_name_rule(rule);
    REQUIRE_MESSAGE(parsed, rule);
    return !objection({.subjects = {}, .names = {*parsed}, .keys = {}}, certificate);
}

void add(const Issued& to, const char* attribute, const std::string& value) {
    X509_NAME_add_entry_by_txt(X509_get_subject_name(to.certificate.get()), attribute, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(value.data()), static_cast<int>(value.size()),
                               -1, 0);
}

}  // namespace

TEST_SUITE("crypto: peer rules") {
    TEST_CASE("a pattern") {
        struct Case {
            const char* text;
            const char* value;
            bool matches;
        };
        for (const Case& each :
             {Case{"a", "a", true}, Case{"a", "A", true}, Case{"a", "ab", false}, Case{"*", "", true},
              Case{"*", "abc", true}, Case{"*", "a.b", false}, Case{"*.b", "a.b", true}, Case{"*.b", "a.a.b", false},
              Case{"*.*.b", "a.a.b", true}, Case{"a*b*c", "axxbyybzc", true}, Case{"a*b*c", "axxbyybz", false},
              Case{"**a", "ba", true}, Case{"a*", "", false}, Case{"", "", true}, Case{"", "a", false}}) {
            CAPTURE(each.text);
            CAPTURE(each.value);
            CHECK(Pattern{.text = each.text, .never = ".", .ignore_case = true}.matches(each.value) == each.matches);
        }
        CHECK_FALSE(Pattern{.text = "a"}.matches("A"));
        CHECK(Pattern{.text = "*b"}.matches("a.b"));
    }

    TEST_CASE("subjects have what a rule names, attribute by attribute") {
        CertificateFolder folder;
        const Issued issued = folder.make({.subject = "me", .names = ""});
        add(issued, "O", "Shop, Ltd");
        add(issued, "OU", "Sales");
        add(issued, "OU", "East");
        const X509& certificate = *issued.certificate;
        for (const char* const rule : {"CN=me", "CN=*", "O=Shop\\, Ltd", "OU=East,CN=m*", "OU=Sales,OU=East",
                                       "commonName=me", "O=*Ltd,CN=me,OU=*"}) {
            CAPTURE(rule);
            CHECK(subject_allowed(rule, certificate));
        }
        for (const char* const rule : {"CN=you", "CN=Me", "O=Shop", "C=*", "OU=West", "CN=me,OU=West"}) {
            CAPTURE(rule);
            CHECK_FALSE(subject_allowed(rule, certificate));
        }
    }

    TEST_CASE("a value can't pass for another attribute") {
        CertificateFolder folder;
        const Issued liar = folder.make({.subject = "me,O=Shop", .names = ""});
        CHECK_FALSE(subject_allowed("CN=*,O=Shop", *liar.certificate));
        CHECK(subject_allowed("CN=me\\,O\\=Shop", *liar.certificate));
        const Issued cut = folder.make({.subject = "other", .names = ""});
        add(cut, "O", std::string("Shop\0x", 6));
        CHECK_FALSE(subject_allowed("O=*", *cut.certificate));
    }

    TEST_CASE("alternative names of each kind") {
        CertificateFolder folder;
        const Issued issued =
            folder.make({.subject = "dns.in.cn",
                         .names = "DNS:a.Shop.example,email:me@shop.example,URI:spiffe://shop.example/x/y,"
                                  "IP:192.0.2.7,IP:2001:db8::7"});
        const X509& certificate = *issued.certificate;
        for (const char* const rule :
             {"dns:a.shop.EXAMPLE", "dns:*.shop.example", "dns:*.*.example", "email:*@shop.example", "email:me@*",
              "uri:spiffe://shop.example/*", "uri:*/y", "ip:192.0.2.7", "ip:2001:db8:0::7"}) {
            CAPTURE(rule);
            CHECK(name_allowed(rule, certificate));
        }
        for (const char* const rule : {"dns:*.example", "dns:*", "dns:dns.in.cn", "dns:me@shop.example", "email:*",
                                       "uri:spiffe://Shop.example/*", "ip:192.0.2.8", "dns:192.0.2.7"}) {
            CAPTURE(rule);
            CHECK_FALSE(name_allowed(rule, certificate));
        }
        CHECK_FALSE(name_allowed("dns:*", *folder.make({.names = ""}).certificate));
    }

    TEST_CASE("keys, and all kinds together") {
        CertificateFolder folder;
        const Issued issued = folder.make({.subject = "me", .names = "DNS:me.example"});
        std::string pin = "sha256:";
        for (const std::uint8_t octet : key_id(*issued.key)) {
            constexpr std::string_view kDigits = "0123456789ABCDEF";
            pin += kDigits[octet >> 4U];
            pin += kDigits[octet & 0xfU];
        }
        PeerRules rules{.subjects = {}, .names = {}, .keys = {parse_key_pin(pin).value()}};
        CHECK_FALSE(objection(rules, *issued.certificate));
        CHECK(objection(rules, *folder.make({}).certificate) == "its public key is none of peer_keys");
        rules.keys.insert(rules.keys.begin(), KeyPin{});
        rules.subjects = {parse_subject_rule("CN=you").value(), parse_subject_rule("CN=me").value()};
        rules.names = {parse_name_rule("dns:me.example").value()};
        CHECK_FALSE(objection(rules, *issued.certificate));
        rules.names = {parse_name_rule("dns:you.example").value()};
        CHECK(objection(rules, *issued.certificate)->contains("peer_names"));
        rules.subjects.pop_back();
        CHECK(objection(rules, *issued.certificate)->contains("peer_subjects"));
        CHECK(PeerRules{}.empty());
        CHECK_FALSE(objection({}, *issued.certificate));
    }

    TEST_CASE("what is no rule") {
        for (const char* const text : {"", "CN", "CN=", "=x", "CN=a,", "CN=a,O", "CN=a\\", "Nonsense=a", ",CN=a"}) {
            CAPTURE(text);
            const auto parsed = parse_subject_rule(text);
            REQUIRE_FALSE(parsed);
            CHECK(parsed.error().reason == "peer-rule-malformed");
        }
        for (const char* const text : {"", "dns:", "shop.example", "DNS:shop.example", "ip:192.0.2", "ip:*", "ip:"}) {
            CAPTURE(text);
            CHECK_FALSE(parse_name_rule(text));
        }
        const std::string digits(64, '7');
        CHECK(parse_key_pin("sha256:" + digits));
        for (const std::string& text :
             {std::string(), "sha1:" + digits, "sha256:" + digits + "7", "sha256:" + digits.substr(1),
              "sha256:g" + digits.substr(1), "sha256:-" + digits.substr(1), "sha256: " + digits.substr(1)}) {
            CAPTURE(text);
            CHECK_FALSE(parse_key_pin(text));
        }
    }
}
