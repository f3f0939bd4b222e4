#include "tls/wire.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "tests/support/hex.hpp"
#include "tls/openssl.hpp"
#include "tls/sent_records.hpp"

using namespace keysluice;
using namespace keysluice::tls;
using testing::from_hex;

TEST_CASE("a wire reads its input in place and asks to be called again when it is used up") {
    Wire wire;
    const BioPtr bio{new_bio(wire)};
    std::array<char, 4> room{};
    std::size_t count = 0;
    CHECK(BIO_read_ex(bio.get(), room.data(), room.size(), &count) == 0);
    CHECK(BIO_should_retry(bio.get()) != 0);
    wire.input = as_bytes("abcdef");
    REQUIRE(BIO_read_ex(bio.get(), room.data(), room.size(), &count) == 1);
    CHECK(std::string(room.data(), count) == "abcd");
    CHECK(BIO_should_retry(bio.get()) == 0);
    REQUIRE(BIO_read_ex(bio.get(), room.data(), room.size(), &count) == 1);
    CHECK(std::string(room.data(), count) == "ef");
    CHECK(wire.input.empty());
}

TEST_CASE("a wire collects what is written, in order, and lets go of what was sent") {
    Wire wire;
    const BioPtr bio{new_bio(wire)};
    std::size_t count = 0;
    REQUIRE(BIO_write_ex(bio.get(), "one ", 4, &count) == 1);
    REQUIRE(BIO_write_ex(bio.get(), "two", 3, &count) == 1);
    CHECK(count == 3);
    CHECK(BIO_flush(bio.get()) == 1);
    CHECK(as_text(wire.output()) == "one two");
    wire.sent(4);
    CHECK(as_text(wire.output()) == "two");
    REQUIRE(BIO_write_ex(bio.get(), "!", 1, &count) == 1);
    CHECK(as_text(wire.output()) == "two!");
    wire.sent(100);
    CHECK(wire.output().empty());
    CHECK(wire.output().data() == nullptr);
}

TEST_CASE("a wire never claims that the kernel took the keys") {
    Wire wire;
    const BioPtr bio{new_bio(wire)};
    CHECK(BIO_get_ktls_send(bio.get()) == 0);
    CHECK(BIO_get_ktls_recv(bio.get()) == 0);
}

TEST_CASE("the Finished's nonce is that of the first handshake record behind ChangeCipherSpec") {
    SentRecords sent;
    sent.note(from_hex("160303 0004 10000000  140303 0001 01  160303 000a 0102030405060708 ffff"));
    CHECK(sent.finished_nonce() == 0x0102030405060708);
    CHECK(sent.in_last_flight() == 3);
    sent.note(from_hex("160303 0009 1111111111111111 ff"));
    CHECK(sent.finished_nonce() == 0x0102030405060708);
    CHECK(sent.in_last_flight() == 1);
    sent.note({});
    CHECK(sent.in_last_flight() == 0);
}

TEST_CASE("ChangeCipherSpec and Finished may leave in two flights") {
    SentRecords sent;
    sent.note(from_hex("140303 0001 01"));
    CHECK(sent.finished_nonce() == 0);
    sent.note(from_hex("160303 0009 00000000000000ff 00"));
    CHECK(sent.finished_nonce() == 0xff);
}
