#include "tls/record.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/support/hex.hpp"

using namespace keysluice;
using namespace keysluice::tls;
using testing::from_hex;

namespace {

Result<RecordHeader> parse(std::string_view hex) {
    const auto bytes = from_hex(hex);
    return parse_record_header(std::span<const std::uint8_t, kRecordHeaderSize>(bytes));
}

std::vector<std::uint8_t> make_record(std::size_t length) {
    Writer writer;
    writer.be(std::uint8_t{22}).be(std::uint16_t{0x0301}).be(static_cast<std::uint16_t>(length));
    writer.raw(std::vector<std::uint8_t>(length, 0x5a));
    return std::move(writer).release();
}

/// As a socket does: gives at most what is asked for and at most `chunk`.
Result<std::size_t> pour(RecordReader& reader, Bytes stream, std::size_t chunk) {
    std::size_t poured = 0;
    while (poured < stream.size()) {
        const MutableBytes room = reader.want();
        const std::size_t count = std::min({room.size(), chunk, stream.size() - poured});
        std::ranges::copy(stream.subspan(poured, count), room.begin());
        poured += count;
        const auto whole = reader.got(count);
        if (!whole) {
            return std::unexpected(whole.error());
        }
        if (*whole) {
            break;
        }
    }
    return poured;
}

}  // namespace

TEST_CASE("a record header tells type, version and length") {
    const auto header = parse("1603010200");
    REQUIRE(header);
    CHECK(header->type == ContentType::handshake);
    CHECK(header->legacy_version == 0x0301);
    CHECK(header->length == 512);
    CHECK(parse("1703030000")->type == ContentType::application_data);
    CHECK(parse("17030341 00")->length == kMaxCiphertext);
}

TEST_CASE("what is no record header is refused with its reason") {
    struct Case {
        std::string_view bytes;
        std::string_view reason;
    };
    const Case kCases[] = {
        {"1703034101", "record-overflow"},                              // 2^14 + 257
        {"16030 1ffff", "record-overflow"}, {"1303010010", "not-tls"},  // type 19
        {"1803010010", "not-tls"},                                      // heartbeat
        {"1602010010", "not-tls"},                                      // major version 2
        {"802e010301", "not-tls"},                                      // an SSLv2 ClientHello
        {"5353482d32", "not-tls"},                                      // SSH-2
        {"474554202f", "plain-http"},                                   // GET /
        {"504f535420", "plain-http"},                                   // POST
        {"505249202a", "plain-http"},                                   // PRI *
    };
    for (const Case& each : kCases) {
        CAPTURE(each.bytes);
        const auto header = parse(each.bytes);
        REQUIRE(!header);
        CHECK(header.error().reason == each.reason);
        CHECK(!header.error().sentence.ends_with('.'));
    }
}

TEST_CASE("a record comes together from chunks of any size, and not a byte of the next one is asked for") {
    for (const std::size_t length : {0UL, 1UL, 300UL, 4096UL, 9000UL, kMaxCiphertext}) {
        for (const std::size_t chunk : {1UL, 4UL, 5UL, 1000UL, 100000UL}) {
            CAPTURE(length);
            CAPTURE(chunk);
            const auto record = make_record(length);
            auto stream = record;
            stream.insert(stream.end(), record.begin(), record.end());
            RecordReader reader;
            CHECK(pour(reader, stream, chunk).value() == record.size());
            CHECK(std::ranges::equal(reader.record(), record));
            reader.next();
            CHECK(reader.record().empty());
            CHECK(pour(reader, Bytes{stream}.subspan(record.size()), chunk).value() == record.size());
            CHECK(std::ranges::equal(reader.record(), record));
        }
    }
}

TEST_CASE("memory follows what has come, not what a header promises") {
    RecordReader reader;
    CHECK(reader.want().size() == kRecordHeaderSize);
    REQUIRE(pour(reader, from_hex("1603014000"), 100));
    CHECK(reader.want().size() <= 4096);
}

TEST_CASE("after a bad header the header is what is left") {
    RecordReader reader;
    const auto poured = pour(reader, as_bytes("GET / HTTP/1.1\r\n"), 3);
    REQUIRE(!poured);
    CHECK(poured.error().reason == "plain-http");
    CHECK(as_text(reader.record()) == "GET /");
}
