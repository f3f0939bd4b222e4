#include "crypto/ocsp.hpp"

#include <doctest/doctest.h>

#include <string>

#include "tests/support/certificates.hpp"

using namespace keysluice;
using namespace keysluice::crypto;
using namespace keysluice::testing;
using namespace std::chrono_literals;

namespace {

struct Shop {
    CertificateFolder folder;
    Issued authority = folder.make({.subject = "authority", .names = "", .authority = true});
    Issued leaf = folder.make({.issuer = &authority});
    Issued other = folder.make({.issuer = &authority});
    CertificateChain chain = read(folder.write_chain({&leaf, &authority}));

    static CertificateChain read(const std::filesystem::path& file) {
        return read_certificate_chain(file, std::chrono::system_clock::now()).value();
    }
    std::string fault(const std::filesystem::path& file) const { return fault(file, chain); }
    static std::string fault(const std::filesystem::path& file, const CertificateChain& chain) {
        const auto response = read_ocsp_response(file, chain);
        if (response) {
            return "none";
        }
        CHECK(response.error().sentence.starts_with(file.native() + ": "));
        return std::string(response.error().reason);
    }
};

}  // namespace

TEST_CASE("a response is read as it is, with its time") {
    Shop shop;
    const auto now = std::chrono::system_clock::now();
    const auto file = shop.folder.staple(shop.leaf, shop.authority);
    const auto response = read_ocsp_response(file, shop.chain);
    REQUIRE(response);
    CHECK(response->good);
    CHECK(std::string(response->der.begin(), response->der.end()) == contents_of(file));
    CHECK(response->current(now));
    CHECK(response->current(now - 59min));
    CHECK_FALSE(response->current(now - 61min));
    CHECK(response->current(now + 23h));
    CHECK_FALSE(response->current(now + 25h));
    CHECK_FALSE(response->current({}));
}

TEST_CASE("a response may be signed by whom the issuer has delegated that to, and by nobody else") {
    Shop shop;
    const Issued delegate = shop.folder.make(
        {.subject = "responder", .names = "", .issuer = &shop.authority, .extended_key_usage = "OCSPSigning"});
    const Issued stranger = shop.folder.make({.subject = "authority", .names = "", .authority = true});
    CHECK(shop.fault(shop.folder.staple(shop.leaf, shop.authority, {.responder = &delegate})) == "none");
    CHECK(shop.fault(shop.folder.staple(shop.leaf, shop.authority, {.responder = &shop.other})) == "ocsp-untrusted");
    CHECK(shop.fault(shop.folder.staple(shop.leaf, shop.authority, {.responder = &stranger})) == "ocsp-untrusted");
}

TEST_CASE("a response that is too old, or bad news, is read all the same") {
    Shop shop;
    const auto old =
        read_ocsp_response(shop.folder.staple(shop.leaf, shop.authority, {.from = -48h, .until = -24h}), shop.chain);
    REQUIRE(old);
    CHECK_FALSE(old->current(std::chrono::system_clock::now()));
    const auto revoked =
        read_ocsp_response(shop.folder.staple(shop.leaf, shop.authority, {.revoked = true}), shop.chain);
    REQUIRE(revoked);
    CHECK_FALSE(revoked->good);
}

TEST_CASE("a response that does not say how long it is good is good for half a day") {
    Shop shop;
    const auto now = std::chrono::system_clock::now();
    const auto response =
        read_ocsp_response(shop.folder.staple(shop.leaf, shop.authority, {.from = 0s, .until = 0s}), shop.chain);
    REQUIRE(response);
    CHECK(response->until == response->from + 12h);
    CHECK(response->current(now + 11h));
    CHECK_FALSE(response->current(now + 13h));
}

TEST_CASE("a response is good for no longer than the certificate of its signer") {
    Shop shop;
    const auto now = std::chrono::system_clock::now();
    const Issued delegate = shop.folder.make({.subject = "responder",
                                              .names = "",
                                              .issuer = &shop.authority,
                                              .extended_key_usage = "OCSPSigning",
                                              .until = 2h});
    const auto response =
        read_ocsp_response(shop.folder.staple(shop.leaf, shop.authority, {.responder = &delegate}), shop.chain);
    REQUIRE(response);
    CHECK(response->current(now + 1h));
    CHECK_FALSE(response->current(now + 3h));
}

TEST_CASE("what is no response for this certificate is refused") {
    Shop shop;
    const auto good = shop.folder.staple(shop.leaf, shop.authority);
    CHECK(shop.fault("/nonexistent/ocsp.der") == "ocsp-unreadable");
    CHECK(shop.fault(shop.folder.write("rubbish", "rubbish")) == "ocsp-malformed");
    CHECK(shop.fault(shop.folder.write("empty", "")) == "ocsp-malformed");
    CHECK(shop.fault(shop.folder.write("more", contents_of(good) + "x")) == "ocsp-malformed");
    // RFC 6960 4.2.1: OCSPResponse with responseStatus tryLater (3) and nothing else.
    CHECK(shop.fault(shop.folder.write("later", "\x30\x03\x0a\x01\x03")) == "ocsp-unsuccessful");
    CHECK(shop.fault(shop.folder.write("bare", std::string("\x30\x03\x0a\x01\x00", 5))) == "ocsp-malformed");
    CHECK(shop.fault(shop.folder.staple(shop.other, shop.authority)) == "ocsp-other-certificate");
    CHECK(Shop::fault(good, Shop::read(shop.leaf.certificate_file)) == "ocsp-issuer-missing");
}
