#include "daemon/control/named_key.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

const std::string kDigits = "000102030405060708090a0b0c0d0e0f10111213";

Result<NamedKey> parse(const std::string& text, std::string_view name = "BNAAHKEY") {
    return parse_named_key(name, as_bytes(text));
}

/// Nothing of it may repeat the key.
Error fault(const std::string& text, std::string_view name = "BNAAHKEY") {
    const auto key = parse(text, name);
    REQUIRE(!key);
    CHECK(key.error().sentence.find("0708") == std::string::npos);
    return key.error();
}

std::string written(const NamedKey& key) {
    return std::string(as_text(write_named_key(key)));
}

}  // namespace

TEST_SUITE("named key") {
    TEST_CASE("two lines: the kind, and the key in hexadecimal") {
        const auto key = parse("keysluice-key 1 hmac-sha1\n" + kDigits + "\n");
        REQUIRE(key);
        CHECK(key->name == "BNAAHKEY");
        CHECK(key->kind == KeyKind::hmac_sha1);
        CHECK(testing::to_hex(key->value.expose()) == kDigits);
        CHECK(written(*key) == "keysluice-key 1 hmac-sha1\n" + kDigits + "\n");
        CHECK(parse("keysluice-key 1 hmac-sha1\n" + kDigits));
        CHECK(parse("keysluice-key 1 aes-gcm-128\n0x000102030405060708090A0B0C0D0E0F10111213\n"));
    }

    TEST_CASE("each kind has its name and its length") {
        const std::size_t octets[] = {20, 32, 64, 16, 32, 20, 36};
        REQUIRE(key_kind_names().size() == 7);
        for (std::size_t index = 0; index < 7; ++index) {
            const std::string name(key_kind_names()[index]);
            CAPTURE(name);
            const auto kind = key_kind(name);
            REQUIRE(kind.has_value());
            CHECK(name_of(*kind) == name);
            CHECK(octets_of(*kind) == octets[index]);
            const std::string text = "keysluice-key 1 " + name + "\n" + std::string(2 * octets[index], 'e') + "\n";
            const auto key = parse(text);
            REQUIRE(key);
            CHECK(written(*key) == text);
            CHECK(parse(text.substr(0, text.size() - 3)).error().reason == "key-size");
        }
        CHECK(!key_kind("hmac-md5").has_value());
        CHECK(!key_kind("").has_value());
    }

    TEST_CASE("a wrong length says what came and what was expected") {
        CHECK(
            fault("keysluice-key 1 hmac-sha1\n" + kDigits.substr(2)).sentence ==
            "a key of the kind hmac-sha1 has 20 octets, that is 40 hexadecimal digits; 38 digits came (octets: 19)");
        CHECK(fault("keysluice-key 1 hmac-sha1\n" + kDigits + "0").sentence ==
              "a key of the kind hmac-sha1 has 20 octets, that is 40 hexadecimal digits; 41 digits came");
        CHECK(fault("keysluice-key 1 hmac-sha1\n").reason == "key-size");
        CHECK(fault("keysluice-key 1 aes-256\n" + kDigits).reason == "key-size");
    }

    TEST_CASE("what is no key is refused, and not repeated") {
        CHECK(fault("").reason == "key-malformed");
        CHECK(fault(kDigits).reason == "key-malformed");
        CHECK(fault("keysluice-key 1 hmac-sha1").reason == "key-malformed");
        CHECK(fault("keysluice-key 2 hmac-sha1\n" + kDigits).reason == "key-malformed");
        CHECK(fault("keysluice-key 1 hmac-sha1\r\n" + kDigits).reason == "key-kind");
        CHECK(fault("keysluice-key 1 hmac-md5\n" + kDigits).reason == "key-kind");
        CHECK(fault("keysluice-key 1 0708\n" + kDigits).reason == "key-kind");
        CHECK(fault("keysluice-key 1 hmac-sha1\n" + kDigits + "\n\n").reason == "key-malformed");
        CHECK(fault("keysluice-key 1 hmac-sha1\n" + kDigits.substr(1) + "g").reason == "key-malformed");
        CHECK(fault("keysluice-key 1 hmac-sha1\n" + kDigits.substr(1) + " ").reason == "key-malformed");
    }

    TEST_CASE("a name is one of a file that can be seen") {
        for (const char* good : {"A", "BNAAHKEY", "drbackup.in-2_x", "0"}) {
            CHECK(check_key_name(good));
        }
        for (const std::string& bad : {std::string(), std::string("."), std::string(".."), std::string(".hidden"),
                                       std::string("-x"), std::string("a/b"), std::string("../a"), std::string("a b"),
                                       std::string("a\0b", 3), std::string("\xc3\xa4"), std::string(65, 'a')}) {
            CAPTURE(bad);
            CHECK(check_key_name(bad).error().reason == "bad-name");
            CHECK(fault("keysluice-key 1 hmac-sha1\n" + kDigits, bad).reason == "bad-name");
        }
        CHECK(check_key_name(std::string(64, 'a')));
    }

    TEST_CASE("text has exactly as many characters as the kind has octets") {
        const auto key = key_of_text(KeyKind::aes_128, as_bytes("sixteen letters!"));
        REQUIRE(key);
        CHECK(as_text(key->expose()) == "sixteen letters!");
        CHECK(key_of_text(KeyKind::aes_128, as_bytes("fifteen letters")).error().sentence ==
              "a key of the kind aes-128 has 16 octets, and as text exactly 16 characters; 15 came");
        CHECK(key_of_text(KeyKind::aes_128, as_bytes("sixteen letters!!")).error().reason == "key-size");
        CHECK(key_of_text(KeyKind::aes_128, as_bytes("sechzehn B\xc3\xa4ume")).error().reason == "key-malformed");
        CHECK(key_of_text(KeyKind::aes_128, as_bytes("sixteen letters\n")).error().reason == "key-malformed");
    }

    TEST_CASE("a fingerprint is the same wherever the key is, and costs what it is to cost") {
        const auto key = parse("keysluice-key 1 hmac-sha1\n" + kDigits);
        REQUIRE(key);
        // Computed by hashlib.scrypt(bytes(range(20)), salt=b"keysluice-key fingerprint 1 hmac-sha1", n=16384, r=8,
        // p=1, dklen=4): it must not change, people compare it between releases.
        CHECK(fingerprint(*key) == "2b5634bb");
        CHECK(fingerprint(*parse("keysluice-key 1 hmac-sha1\n" + kDigits, "other")) == fingerprint(*key));
        CHECK(fingerprint(*parse("keysluice-key 1 aes-gcm-128\n" + kDigits)) != fingerprint(*key));
        CHECK(fingerprint(*parse("keysluice-key 1 hmac-sha1\n1" + kDigits.substr(1))) != fingerprint(*key));
    }
}
