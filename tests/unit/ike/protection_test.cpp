#include "ike/protection.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using testing::from_hex;
using testing::to_hex;
using wire::Octets;

namespace {

constexpr std::size_t kPrefix = 32;
constexpr std::size_t kFragmentPrefix = 36;

IkeSuite suite(EncryptionId id, std::uint16_t bits, IntegrityId integrity = IntegrityId::none) {
    return {{id, bits}, integrity, PrfId::hmac_sha2_256, GroupId::x25519};
}

const IkeSuite kGcm = suite(EncryptionId::aes_gcm_16, 256);
const IkeSuite kCbc = suite(EncryptionId::aes_cbc, 256, IntegrityId::hmac_sha2_256_128);
const IkeSuite kCtr = suite(EncryptionId::aes_ctr, 128, IntegrityId::hmac_sha1_96);

struct Sizes {
    IkeSuite suite;
    std::size_t iv;
    std::size_t icv;
    std::size_t block;
};

/// Every encryption and every integrity algorithm.
std::vector<Sizes> every_suite() {
    return {
        {suite(EncryptionId::aes_gcm_16, 128), 8, 16, 1},
        {suite(EncryptionId::aes_gcm_16, 192), 8, 16, 1},
        {kGcm, 8, 16, 1},
        {suite(EncryptionId::aes_ccm_16, 128), 8, 16, 1},
        {suite(EncryptionId::aes_ccm_16, 192), 8, 16, 1},
        {suite(EncryptionId::aes_ccm_16, 256), 8, 16, 1},
        {suite(EncryptionId::chacha20_poly1305, 0), 8, 16, 1},
        {suite(EncryptionId::aes_cbc, 128, IntegrityId::hmac_sha2_512_256), 16, 32, 16},
        {suite(EncryptionId::aes_cbc, 192, IntegrityId::hmac_sha2_384_192), 16, 24, 16},
        {kCbc, 16, 16, 16},
        {kCtr, 8, 12, 1},
        {suite(EncryptionId::aes_ctr, 192, IntegrityId::aes_xcbc_96), 8, 12, 1},
        {suite(EncryptionId::aes_ctr, 256, IntegrityId::hmac_sha2_256_128), 8, 16, 1},
        {suite(EncryptionId::des3, 0, IntegrityId::hmac_md5_96), 8, 12, 8},
    };
}

Octets counting(std::size_t size, std::uint8_t first) {
    Octets bytes(size);
    for (std::size_t index = 0; index < size; ++index) {
        bytes[index] = static_cast<std::uint8_t>(first + index);
    }
    return bytes;
}

DirectionKeys keys_of(const IkeSuite& chosen, std::uint8_t first = 1) {
    return {EncryptionKey{counting(encryption_key_size(chosen.encryption), first)},
            IntegrityKey{counting(integrity_key_size(chosen.integrity), 0x80)}};
}

wire::Header header() {
    wire::Header made;
    made.initiator_spi = IkeSpi{0xc0c1c2c3c4c5c6c7};
    made.responder_spi = IkeSpi{0xd0d1d2d3d4d5d6d7};
    made.exchange = wire::ExchangeType::informational;
    made.message_id = MessageId{9};
    return made;
}

/// A payload whose data has this size; its generic header adds four octets.
std::vector<wire::Payload> payload_of(std::size_t size) {
    return {wire::NoncePayload{counting(size, 0x30)}};
}

std::vector<Octets> seal(Toolbox& tools, const IkeSuite& chosen, IvCounter& counter,
                         const std::vector<wire::Payload>& payloads, const Fragmentation& fragmentation = {}) {
    auto sealed = seal_message(tools, chosen, keys_of(chosen), counter, header(), payloads, fragmentation);
    REQUIRE(sealed);
    return std::move(*sealed);
}

Octets seal_one(Toolbox& tools, const IkeSuite& chosen, const std::vector<wire::Payload>& payloads) {
    IvCounter counter{7, 3};
    auto sealed = seal(tools, chosen, counter, payloads);
    REQUIRE(sealed.size() == 1);
    return std::move(sealed.front());
}

wire::EncryptedPart part_of(const Octets& datagram) {
    return {wire::PayloadType{datagram[28]}, 0, 0, Bytes{datagram}.first(kPrefix), Bytes{datagram}.subspan(kPrefix)};
}

wire::EncryptedPart fragment_of(const Octets& datagram) {
    Reader numbers{Bytes{datagram}.subspan(kPrefix)};
    wire::EncryptedPart part;
    part.first_inner = wire::PayloadType{datagram[28]};
    part.fragment_number = numbers.be<std::uint16_t>();
    part.total_fragments = numbers.be<std::uint16_t>();
    part.associated_data = Bytes{datagram}.first(kFragmentPrefix);
    part.body = Bytes{datagram}.subspan(kFragmentPrefix);
    return part;
}

std::string reason_of(const Result<Octets>& opened) {
    REQUIRE(!opened);
    return std::string(opened.error().reason);
}

/// A datagram whose plaintext, padding included, is up to the test.
Octets handmade(Toolbox& tools, const IkeSuite& chosen, Bytes plaintext) {
    const DirectionKeys keys = keys_of(chosen);
    const bool cbc = chosen.encryption.id == EncryptionId::aes_cbc;
    const auto cipher = cbc ? crypto::Cipher::aes256_cbc : crypto::Cipher::aes256_gcm;
    const Octets iv = counting(cbc ? 16 : 8, 0xa0);
    const Bytes key = keys.encryption.expose();
    Octets nonce(key.begin() + 32, key.end());
    nonce.insert(nonce.end(), iv.begin(), iv.end());
    Octets datagram =
        wire::emit_encrypted_prefix(header(), wire::PayloadType::nonce, 0, 0, iv.size() + plaintext.size() + 16);
    const Octets prefix = datagram;
    Octets sealed(plaintext.size() + crypto::tag_size(cipher));
    REQUIRE(tools.ciphers.seal(cipher, key.first(32), nonce, cbc ? Bytes{} : Bytes{prefix}, plaintext, sealed));
    datagram.insert(datagram.end(), iv.begin(), iv.end());
    datagram.insert(datagram.end(), sealed.begin(), sealed.end());
    if (cbc) {
        Octets icv(16);
        REQUIRE(tools.macs.compute(crypto::MacAlgorithm::hmac_sha256, keys.integrity->expose(),
                                   std::array{Bytes{datagram}}, icv));
        datagram.insert(datagram.end(), icv.begin(), icv.end());
    }
    return datagram;
}

Octets padded(Bytes content, std::size_t padding, std::uint8_t pad_length) {
    Octets plaintext(content.begin(), content.end());
    plaintext.resize(plaintext.size() + padding, 0x99);
    plaintext.push_back(pad_length);
    return plaintext;
}

}  // namespace

TEST_CASE("ChaCha20-Poly1305 makes and opens the IKE message of RFC 7634 appendix B") {
    Toolbox tools;
    const IkeSuite chosen = suite(EncryptionId::chacha20_poly1305, 0);
    const DirectionKeys keys = keys_of(chosen, 0x80);
    IvCounter counter{0x10111213, 0x14151617};
    wire::NotifyPayload notify;
    notify.type = wire::NotifyType::set_window_size;
    notify.data = from_hex("0000000a");
    const auto sealed = seal_message(tools, chosen, keys, counter, header(), {notify}, {});
    REQUIRE(sealed);
    REQUIRE(sealed->size() == 1);
    CHECK(to_hex(sealed->front()) ==
          "c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e202500000000090000004529000029"
          "10111213141516176103"
          "94701f8d017f7c12924889"
          "6b71bfe25236efd7cdc67066906315b2");
    const auto opened = open_part(tools, chosen, keys, part_of(sealed->front()));
    REQUIRE(opened);
    CHECK(to_hex(*opened) == "0000000c000040010000000a");
}

TEST_CASE("every suite opens what it sealed, with the least padding and the sizes of its algorithms") {
    Toolbox tools;
    for (const Sizes& sizes : every_suite()) {
        CAPTURE(static_cast<int>(sizes.suite.encryption.id));
        CAPTURE(static_cast<int>(sizes.suite.integrity));
        for (std::size_t size = 0; size <= 40; ++size) {
            const auto payloads = payload_of(size);
            const Octets datagram = seal_one(tools, sizes.suite, payloads);
            const std::size_t plaintext = (size + 4 + sizes.block) / sizes.block * sizes.block;
            CHECK(datagram.size() == kPrefix + sizes.iv + plaintext + sizes.icv);
            const auto opened = open_part(tools, sizes.suite, keys_of(sizes.suite), part_of(datagram));
            REQUIRE(opened);
            CHECK(*opened == wire::emit_payloads(payloads).bytes);
        }
    }
}

TEST_CASE("a message without payloads is one Pad Length") {
    Toolbox tools;
    const Octets datagram = seal_one(tools, kGcm, {});
    CHECK(datagram.size() == kPrefix + 8 + 1 + 16);
    CHECK(part_of(datagram).first_inner == wire::PayloadType::none);
    CHECK(open_part(tools, kGcm, keys_of(kGcm), part_of(datagram)).value().empty());
}

TEST_CASE("a changed octet anywhere, other keys and other suites do not open") {
    Toolbox tools;
    for (const Sizes& sizes : every_suite()) {
        CAPTURE(static_cast<int>(sizes.suite.encryption.id));
        const Octets good = seal_one(tools, sizes.suite, payload_of(20));
        const DirectionKeys keys = keys_of(sizes.suite);
        for (std::size_t index = 0; index < good.size(); ++index) {
            Octets changed = good;
            changed[index] ^= 0x10U;
            CHECK(reason_of(open_part(tools, sizes.suite, keys, part_of(changed))) == "ike-bad-icv");
        }
        CHECK(open_part(tools, sizes.suite, keys, part_of(good)));
    }
    const Octets good = seal_one(tools, kGcm, payload_of(20));
    CHECK(reason_of(open_part(tools, kGcm, keys_of(kGcm, 2), part_of(good))) == "ike-bad-icv");
    const Octets with_integrity = seal_one(tools, kCbc, payload_of(20));
    const DirectionKeys other{EncryptionKey{keys_of(kCbc).encryption.expose()}, IntegrityKey{counting(32, 0x81)}};
    CHECK(reason_of(open_part(tools, kCbc, other, part_of(with_integrity))) == "ike-bad-icv");
}

TEST_CASE("bodies that are too short or no whole blocks are malformed") {
    Toolbox tools;
    for (const Sizes& sizes : every_suite()) {
        const DirectionKeys keys = keys_of(sizes.suite);
        const Octets good = seal_one(tools, sizes.suite, payload_of(0));
        for (std::size_t size = 0; size <= sizes.iv + sizes.icv; ++size) {
            wire::EncryptedPart part = part_of(good);
            part.body = part.body.first(size);
            CHECK(reason_of(open_part(tools, sizes.suite, keys, part)) == "ike-malformed");
        }
        Octets longer = good;
        longer.push_back(0);
        CHECK(reason_of(open_part(tools, sizes.suite, keys, part_of(longer))) ==
              (sizes.block > 1 ? "ike-malformed" : "ike-bad-icv"));
    }
}

TEST_CASE("with integrity of its own, the check value covers everything before it, as it is sent") {
    Toolbox tools;
    const Octets datagram = seal_one(tools, kCbc, payload_of(20));
    Octets expected(16);
    REQUIRE(tools.macs.compute(crypto::MacAlgorithm::hmac_sha256, keys_of(kCbc).integrity->expose(),
                               std::array{Bytes{datagram}.first(datagram.size() - 16)}, expected));
    CHECK(to_hex(Bytes{datagram}.last(16)) == to_hex(expected));
}

TEST_CASE("initialization vectors are epoch and count, and each is used once") {
    Toolbox tools;
    IvCounter counter{0xaabbccdd, 0x01020304};
    const auto first = seal(tools, kGcm, counter, payload_of(4));
    const auto second = seal(tools, kGcm, counter, payload_of(4));
    CHECK(to_hex(part_of(first[0]).body.first(8)) == "aabbccdd01020304");
    CHECK(to_hex(part_of(second[0]).body.first(8)) == "aabbccdd01020305");
    CHECK(counter == IvCounter{0xaabbccdd, 0x01020306});
}

TEST_CASE("CBC: the initialization vector is the encrypted count") {
    Toolbox tools;
    IvCounter counter{0xaabbccdd, 0x01020304};
    const auto datagrams = seal(tools, kCbc, counter, payload_of(4));
    Octets count(16);
    REQUIRE(tools.ciphers.open(crypto::Cipher::aes256_cbc, keys_of(kCbc).encryption.expose(), Octets(16), {},
                               part_of(datagrams[0]).body.first(16), count));
    CHECK(to_hex(count) == "0000000000000000aabbccdd01020304");
    const auto next = seal(tools, kCbc, counter, payload_of(4));
    CHECK(to_hex(part_of(next[0]).body.first(16)) != to_hex(part_of(datagrams[0]).body.first(16)));
}

TEST_CASE("CTR: the counter block is salt, initialization vector and one") {
    Toolbox tools;
    const Octets datagram = seal_one(tools, kCtr, payload_of(40));
    const DirectionKeys keys = keys_of(kCtr);
    const Bytes body = part_of(datagram).body;
    Octets block(keys.encryption.expose().begin() + 16, keys.encryption.expose().end());
    block.insert(block.end(), body.begin(), body.begin() + 8);
    block.insert(block.end(), {0, 0, 0, 1});
    const Bytes ciphertext = body.subspan(8, body.size() - 8 - 12);
    Octets plaintext(ciphertext.size());
    REQUIRE(tools.ciphers.open(crypto::Cipher::aes128_ctr, keys.encryption.expose().first(16), block, {}, ciphertext,
                               plaintext));
    Octets expected = wire::emit_payloads(payload_of(40)).bytes;
    expected.push_back(0);
    CHECK(plaintext == expected);
}

TEST_CASE("the last count is never used: the SA has to be rekeyed") {
    Toolbox tools;
    IvCounter counter{1, 0xfffffffe};
    const auto last = seal_message(tools, kGcm, keys_of(kGcm), counter, header(), {}, {});
    CHECK(last);
    const IvCounter used_up = counter;
    const auto refused = seal_message(tools, kGcm, keys_of(kGcm), counter, header(), {}, {});
    REQUIRE(!refused);
    CHECK(refused.error().reason == "ike-iv-exhausted");
    CHECK(counter == used_up);
}

TEST_CASE("padding of any length and content is taken off, and a length beyond the plaintext is malformed") {
    Toolbox tools;
    const Bytes content = as_bytes("content.");
    const auto open = [&](const IkeSuite& chosen, Bytes plaintext) {
        return open_part(tools, chosen, keys_of(chosen), part_of(handmade(tools, chosen, plaintext)));
    };
    for (std::size_t padding = 0; padding <= 255; ++padding) {
        const Octets plaintext = padded(content, padding, static_cast<std::uint8_t>(padding));
        CHECK(as_text(open(kGcm, plaintext).value()) == "content.");
        if (plaintext.size() % 16 == 0) {
            CHECK(as_text(open(kCbc, plaintext).value()) == "content.");
        }
    }
    CHECK(open(kGcm, padded(content, 0, 8)).value().empty());
    CHECK(reason_of(open(kGcm, padded(content, 0, 9))) == "ike-malformed");
    CHECK(reason_of(open(kGcm, padded({}, 0, 1))) == "ike-malformed");
    CHECK(reason_of(open(kGcm, padded(content, 0, 255))) == "ike-malformed");
    CHECK(open(kCbc, padded(content, 7, 15)).value().empty());
    CHECK(reason_of(open(kCbc, padded(content, 7, 16))) == "ike-malformed");
}

TEST_CASE("a message that is too large for one datagram goes into fragments, and comes whole out of any order") {
    Toolbox tools;
    for (const Sizes& sizes : every_suite()) {
        CAPTURE(static_cast<int>(sizes.suite.encryption.id));
        const auto payloads = payload_of(3000);
        const DirectionKeys keys = keys_of(sizes.suite);
        IvCounter counter{1, 0};
        auto datagrams = seal(tools, sizes.suite, counter, payloads, {true, 500});
        REQUIRE(datagrams.size() >= 7);
        CHECK(counter.next == datagrams.size());
        for (std::size_t index = 0; index < datagrams.size(); ++index) {
            const wire::EncryptedPart part = fragment_of(datagrams[index]);
            CHECK(datagrams[index].size() <= 500);
            CHECK(part.fragment_number == index + 1);
            CHECK(part.total_fragments == datagrams.size());
            CHECK(part.first_inner == (index == 0 ? wire::PayloadType::nonce : wire::PayloadType::none));
        }
        // All but the last use what room there is, to the block.
        CHECK(datagrams[0].size() > 500 - sizes.block);

        std::ranges::rotate(datagrams, datagrams.begin() + 3);
        std::swap(datagrams[0], datagrams[2]);
        Reassembly reassembly;
        for (std::size_t index = 0; index < datagrams.size(); ++index) {
            const wire::EncryptedPart part = fragment_of(datagrams[index]);
            auto plaintext = open_part(tools, sizes.suite, keys, part);
            REQUIRE(plaintext);
            const auto whole = reassembly.add(MessageId{9}, part, std::move(*plaintext));
            REQUIRE(whole.has_value() == (index + 1 == datagrams.size()));
            if (whole) {
                CHECK(whole->first == wire::PayloadType::nonce);
                CHECK(whole->plaintext == wire::emit_payloads(payloads).bytes);
            }
        }
    }
}

TEST_CASE("fragments are made only where they are allowed and needed") {
    Toolbox tools;
    IvCounter counter;
    const std::size_t exact = seal(tools, kGcm, counter, payload_of(600))[0].size();
    CHECK(seal(tools, kGcm, counter, payload_of(600), {true, exact}).size() == 1);
    CHECK(seal(tools, kGcm, counter, payload_of(600), {true, exact - 1}).size() == 2);
    CHECK(seal(tools, kGcm, counter, payload_of(600), {false, exact - 1}).size() == 1);
}

TEST_CASE("a message that fits no datagrams is not sealed") {
    Toolbox tools;
    IvCounter counter;
    const auto attempt = [&](std::size_t size, const Fragmentation& fragmentation) {
        const auto sealed =
            seal_message(tools, kCbc, keys_of(kCbc), counter, header(), payload_of(size), fragmentation);
        REQUIRE(!sealed);
        CHECK(sealed.error().reason == "seal-failed");
        CHECK(counter == IvCounter{});
    };
    // Header, fragment header, vector and check value have 68 octets, and the least ciphertext 16.
    attempt(1000, {true, 0});
    attempt(1000, {true, 83});
    // 64 fragments of 15 octets.
    attempt(64 * 15 - 4 + 1, {true, 84});
    CHECK(seal_message(tools, kCbc, keys_of(kCbc), counter, header(), payload_of(64 * 15 - 4), {true, 84})
              .value()
              .size() == 64);
    counter = {};
    attempt(65500, {false, 1200});
}

namespace {

wire::EncryptedPart numbered(std::uint16_t number, std::uint16_t total) {
    return {number == 1 ? wire::PayloadType::sa : wire::PayloadType::none, number, total, {}, {}};
}

Octets text(std::string_view characters) {
    return {characters.begin(), characters.end()};
}

std::string text_of(const std::optional<Reassembly::Whole>& whole) {
    return whole ? std::string(as_text(whole->plaintext)) : "nothing yet";
}

}  // namespace

TEST_CASE("reassembly: repeated fragments and those of a smaller total do not count") {
    Reassembly reassembly;
    const MessageId id{1};
    CHECK(!reassembly.add(id, numbered(2, 3), text("b")));
    CHECK(!reassembly.add(id, numbered(2, 3), text("X")));
    CHECK(!reassembly.add(id, numbered(1, 1), text("X")));
    CHECK(!reassembly.add(id, numbered(1, 2), text("X")));
    CHECK(!reassembly.add(id, numbered(3, 3), text("c")));
    const auto whole = reassembly.add(id, numbered(1, 3), text("a"));
    CHECK(text_of(whole) == "abc");
    CHECK((whole && whole->first == wire::PayloadType::sa));
}

TEST_CASE("reassembly: a larger total, another message and clear() start anew") {
    Reassembly reassembly;
    CHECK(!reassembly.add(MessageId{1}, numbered(1, 2), text("old")));
    CHECK(!reassembly.add(MessageId{1}, numbered(2, 3), text("b")));
    CHECK(!reassembly.add(MessageId{1}, numbered(3, 3), text("c")));
    CHECK(text_of(reassembly.add(MessageId{1}, numbered(1, 3), text("a"))) == "abc");

    CHECK(!reassembly.add(MessageId{1}, numbered(1, 2), text("old")));
    CHECK(!reassembly.add(MessageId{2}, numbered(2, 2), text("b")));
    CHECK(text_of(reassembly.add(MessageId{2}, numbered(1, 2), text("a"))) == "ab");

    CHECK(!reassembly.add(MessageId{3}, numbered(1, 2), text("old")));
    reassembly.clear();
    CHECK(!reassembly.add(MessageId{3}, numbered(2, 2), text("b")));
    CHECK(text_of(reassembly.add(MessageId{3}, numbered(1, 2), text("a"))) == "ab");
}

TEST_CASE("reassembly: one fragment of one is whole at once") {
    Reassembly reassembly;
    CHECK(text_of(reassembly.add(MessageId{1}, numbered(1, 1), text("all"))) == "all");
}

TEST_CASE("reassembly: numbers out of range are ignored, and leave what was there") {
    Reassembly reassembly;
    const MessageId id{1};
    CHECK(!reassembly.add(id, numbered(1, 2), text("a")));
    CHECK(!reassembly.add(id, numbered(0, 2), text("X")));
    CHECK(!reassembly.add(id, numbered(0, 0), text("X")));
    CHECK(!reassembly.add(id, numbered(3, 2), text("X")));
    CHECK(!reassembly.add(id, numbered(1, 65), text("X")));
    CHECK(!reassembly.add(id, numbered(65535, 65535), text("X")));
    CHECK(text_of(reassembly.add(id, numbered(2, 2), text("b"))) == "ab");
}

TEST_CASE("reassembly: 64 fragments and 64 KiB are the most") {
    Reassembly reassembly;
    const Octets kibibyte(1024, 'k');
    for (std::uint16_t number = 1; number < 64; ++number) {
        CHECK(!reassembly.add(MessageId{1}, numbered(number, 64), kibibyte));
    }
    CHECK(text_of(reassembly.add(MessageId{1}, numbered(64, 64), kibibyte)).size() == 65536);

    Octets more = kibibyte;
    more.push_back('k');
    CHECK(!reassembly.add(MessageId{2}, numbered(1, 64), more));
    for (std::uint16_t number = 2; number <= 64; ++number) {
        CHECK(!reassembly.add(MessageId{2}, numbered(number, 64), kibibyte));
    }
    // It gave all of it up.
    CHECK(!reassembly.add(MessageId{2}, numbered(64, 64), text("b")));
}
