#include "daemon/control/exported_key.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::control;

namespace {

/// 00 01 02 …
class Counting final : public Random {
   public:
    void fill(MutableBytes out) override {
        std::uint8_t next = 0;
        std::ranges::generate(out, [&next] { return next++; });
    }
};

/// Computed by Python's hashlib.scrypt(b"open sesame", salt=bytes(range(16)), n=2**17, r=8, p=1, dklen=44), of which
/// the first 32 octets are the key and the others the nonce of cryptography's AESGCM, the first two lines the
/// associated data, and the plaintext the key's file with the octets 00 to 0f.
const std::string kHeader =
    "keysluice-exported-key 1 PRODUCTIONKEY\n"
    "scrypt 17 8 1 000102030405060708090a0b0c0d0e0f\n";
const std::string kSealed =
    "3c887032b1167d8f06309b8286059ba89cc4320badf4083e684e9ee3df630b151d6dc510c43b5a69e3497c29c3d3e5a7dfc3e4ec55269bb8"
    "8a49a75904a6421aa13056b6f2b0fb2971";
const std::string kText = kHeader + kSealed + "\n";

NamedKey key() {
    NamedKey made{.name = "PRODUCTIONKEY", .kind = KeyKind::aes_128, .value = {}};
    Counting().fill(made.value.writable(16));
    return made;
}

Result<ExportedKey> parse(std::string_view text) {
    return parse_exported_key(as_bytes(text));
}

std::string reason_of(const std::string& text) {
    const auto exported = parse(text);
    return exported ? "none" : std::string(exported.error().reason);
}

std::string replaced(std::string text, const std::string& part, const std::string& by) {
    REQUIRE(text.find(part) != std::string::npos);
    return text.replace(text.find(part), part.size(), by);
}

/// As kText with the least cost, so that it opens fast.
ExportedKey cheap() {
    auto exported = parse(replaced(kText, "scrypt 17", "scrypt 14"));
    REQUIRE(exported);
    return *exported;
}

}  // namespace

TEST_SUITE("exported key") {
    TEST_CASE("known answer: what this release writes is what every later one has to read") {
        Counting random;
        const auto exported = export_key(key(), as_bytes("open sesame"), random);
        REQUIRE(exported);
        CHECK(write_exported_key(*exported) == kText);
    }

    TEST_CASE("it opens with its passphrase, and with no other") {
        const auto exported = parse(kText);
        REQUIRE(exported);
        CHECK(exported->name == "PRODUCTIONKEY");
        CHECK(exported->log2_n == 17);
        const auto opened = import_key(*exported, as_bytes("open sesame"));
        REQUIRE(opened);
        CHECK(opened->name == "PRODUCTIONKEY");
        CHECK(opened->kind == KeyKind::aes_128);
        CHECK(testing::to_hex(opened->value.expose()) == "000102030405060708090a0b0c0d0e0f");
        const auto closed = import_key(*exported, as_bytes("open sesame "));
        REQUIRE(!closed);
        CHECK(closed.error().reason == "passphrase-wrong");
    }

    TEST_CASE("every octet is authenticated: header, salt, ciphertext and tag") {
        const std::size_t tag = cheap().sealed.size() - 16;
        for (const std::size_t at : {std::size_t{0}, tag - 1, tag, tag + 15}) {
            ExportedKey changed = cheap();
            changed.sealed[at] ^= 1U;
            CHECK(import_key(changed, as_bytes("open sesame")).error().reason == "passphrase-wrong");
        }
        ExportedKey salted = cheap();
        salted.salt[15] ^= 0x80U;
        CHECK(import_key(salted, as_bytes("open sesame")).error().reason == "passphrase-wrong");
        // The cost has another key, too. Of the name it is the associated data alone that tells.
        CHECK(import_key(cheap(), as_bytes("open sesame")).error().reason == "passphrase-wrong");
        const auto renamed = parse(replaced(kText, "PRODUCTIONKEY", "PRODUCTIONKEX"));
        REQUIRE(renamed);
        CHECK(import_key(*renamed, as_bytes("open sesame")).error().reason == "passphrase-wrong");
    }

    TEST_CASE("a text is taken in one form alone, but for the last line feed") {
        CHECK(reason_of(kText) == "none");
        CHECK(reason_of(kHeader + kSealed) == "none");
        CHECK(reason_of(kText + "\n") == "key-malformed");
        CHECK(reason_of(kText + "x") == "key-malformed");
        CHECK(reason_of(replaced(kText, "\n", "\r\n")) == "bad-name");
        CHECK(reason_of(replaced(kText, "PRODUCTIONKEY", "../KEY")) == "bad-name");
        CHECK(reason_of(replaced(kText, "key 1 ", "key 2 ")) == "key-malformed");
        CHECK(reason_of(replaced(kText, "scrypt", "argon2")) == "key-malformed");
        CHECK(reason_of(replaced(kText, " 8 1 ", " 8 2 ")) == "key-malformed");
        CHECK(reason_of(replaced(kText, "17 8", "017 8")) == "key-malformed");
        CHECK(reason_of(replaced(kText, "17 8", "17x 8")) == "key-malformed");
        CHECK(reason_of(replaced(kText, "0a0b", "0A0b")) == "key-malformed");
        CHECK(reason_of(replaced(kText, "3c88", "3C88")) == "key-malformed");
        CHECK(reason_of(replaced(kText, "3c88", "3c8")) == "key-malformed");
        CHECK(reason_of("keysluice-key 1 aes-128\n000102030405060708090a0b0c0d0e0f\n") == "key-malformed");
    }

    TEST_CASE("no beginning of it is one") {
        for (std::size_t size = 0; size + 2 < kText.size(); ++size) {
            CAPTURE(size);
            const auto cut = parse(kText.substr(0, size));
            // What is cut by whole octets may look like one, and does not open.
            if (cut) {
                CHECK(cut->sealed.size() > 16);
                CHECK(cut->sealed.size() < kSealed.size() / 2);
            }
        }
        CHECK(reason_of(kHeader + kSealed.substr(0, 32)) == "key-malformed");
        const auto cut = parse(replaced(kHeader, "17", "14") + kSealed.substr(0, 34));
        REQUIRE(cut);
        CHECK(import_key(*cut, as_bytes("open sesame")).error().reason == "passphrase-wrong");
    }

    TEST_CASE("a file can't have this host work for hours") {
        for (const char* cost : {"0", "1", "13", "19", "30", "99999999999999999999", "-17", ""}) {
            CAPTURE(cost);
            CHECK(reason_of(replaced(kText, "scrypt 17", std::string("scrypt ") + cost)) == "key-malformed");
        }
        CHECK(reason_of(replaced(kText, "scrypt 17", "scrypt 18")) == "none");
    }

    TEST_CASE("what is inside is parsed as strictly as a key's file") {
        // The length of a name does not show whether the key inside is one: a sealed text that is none is refused.
        NamedKey empty = key();
        empty.value.clear();
        Counting random;
        const auto exported = export_key(empty, as_bytes("x"), random);
        REQUIRE(exported);
        CHECK(import_key(*exported, as_bytes("x")).error().reason == "key-size");
    }

    TEST_CASE("a passphrase has at least one octet and at most 1024") {
        Counting random;
        CHECK(export_key(key(), {}, random).error().reason == "passphrase-unusable");
        CHECK(export_key(key(), as_bytes(std::string(1025, 'a')), random).error().reason == "passphrase-unusable");
        CHECK(import_key(cheap(), {}).error().reason == "passphrase-unusable");
    }
}
