#include "tls/failure.hpp"

#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <initializer_list>
#include <string_view>

using namespace keysluice;
using namespace keysluice::tls;

namespace {

struct Raised {
    int library;
    int reason;
};

/// What is made of errors that were raised in this order.
Error after(std::initializer_list<Raised> errors) {
    ERR_clear_error();
    for (const Raised& each : errors) {
        ERR_raise(each.library, each.reason);
    }
    Error failure = take_failure("fallback");
    CHECK(ERR_peek_error() == 0);
    return failure;
}

constexpr Raised kBadMac{ERR_LIB_SSL, SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC};
constexpr Raised kTooLong{ERR_LIB_SSL, SSL_R_PACKET_LENGTH_TOO_LONG};
constexpr Raised kRecordLayerFailure{ERR_LIB_SSL, 313};
constexpr Raised kNotOfTls{ERR_LIB_EVP, ERR_R_PASSED_INVALID_ARGUMENT};

}  // namespace

TEST_CASE("libssl's newest error tells what happened") {
    CHECK(after({kTooLong, kBadMac}).reason == "bad-record-mac");
    CHECK(after({kTooLong, kNotOfTls}).reason == "record-overflow");
    CHECK(after({kNotOfTls, kTooLong}).reason == "record-overflow");
}

TEST_CASE("that the record layer failed is told only when nobody says why") {
    CHECK(after({kBadMac, kRecordLayerFailure}).reason == "bad-record-mac");
    CHECK(after({kRecordLayerFailure, kBadMac}).reason == "bad-record-mac");
    CHECK(after({kRecordLayerFailure}).reason == "fallback");
    CHECK(after({kNotOfTls, kRecordLayerFailure}).reason == "fallback");
}

TEST_CASE("what is no error of libssl's is the fallback, and so is nothing") {
    CHECK(after({kNotOfTls}).reason == "fallback");
    CHECK(after({}).reason == "fallback");
    CHECK(after({}).sentence == "OpenSSL gave up: no reason given");
}
