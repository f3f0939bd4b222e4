#include "daemon/control/certificates_reader.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

using namespace keysluice;
using namespace keysluice::control;

namespace {

/// A service in lines 1 to 7; `more` begins at line 8.
std::string service(const std::string& more) {
    return "[[tls.service]]\nname = \"a\"\nlisten = [\"0.0.0.0:443\"]\nconnect = [\"127.0.0.1:80\"]\n"
           "certificate = \"/c\"\nprivate_key = \"file:/k\"\nalpn = [\"h2\", \"http/1.1\"]\n" +
           more;
}

constexpr std::string_view kCertificate =
    "[[tls.service.certificates]]\ncertificate = \"/c2\"\nprivate_key = \"file:/k2\"\n";
constexpr std::string_view kRoute = "[[tls.service.routes]]\nconnect = [\"unix:/r\"]\n";

/// "LINE REASON" of each fault.
std::string faults(const std::string& text) {
    const auto result = parse_configuration(text, "f", {});
    std::string found;
    for (const Diagnostic& each : result ? Diagnostics{} : result.error()) {
        found += fmt::format("{}{} {}", found.empty() ? "" : ", ", each.where.line, each.reason);
    }
    return found;
}

std::string certificate(const std::string& more) {
    return service(std::string(kCertificate) + more);  // which begins at line 11
}
std::string route(const std::string& more) {
    return service(std::string(kRoute) + more);  // which begins at line 10
}

}  // namespace

TEST_CASE("certificates, protocols and routes are read as they are written") {
    const auto result = parse_configuration(
        service("ocsp = \"/o\"\n" + std::string(kCertificate) +
                "ocsp = \"/o2\"\nnames = [\"Shop.Example\", "
                "\"*.shop.example\"]\n[[tls.service.certificates]]\ncertificate = \"/c3\"\nprivate_key = "
                "\"credential:k3\"\n" +
                std::string(kRoute) + "names = [\"API.example\"]\nalpn = [\"h2\"]\n" +
                "[[tls.service.routes]]\nalpn = [\"http/1.1\"]\nconnect = [\"localhost:1\", \"[::1]:2\"]\n"),
        "f", {});
    REQUIRE(result);
    const TlsService& read = result->services.at(0);
    CHECK(read.ocsp == "/o");
    CHECK(read.alpn == std::vector<std::string>{"h2", "http/1.1"});
    CHECK(
        read.certificates ==
        std::vector<ServiceCertificate>{
            {.certificate = "/c2", .private_key = "/k2", .ocsp = "/o2", .names = {"shop.example", "*.shop.example"}},
            {.certificate = "/c3", .private_key = "credential:k3"}});
    REQUIRE(read.routes.size() == 2);
    CHECK(read.routes[0] == Route{.names = {"api.example"}, .alpn = {"h2"}, .connect = {UnixEndpoint{"/r"}}});
    CHECK(read.routes[1].connect.size() == 2);
    const ServiceSource& source = result->sources.at(0);
    CHECK(source.ocsp.line == 8);
    REQUIRE(source.certificates.size() == 2);
    CHECK(source.certificates[0].certificate.line == 10);
    CHECK(source.certificates[0].private_key.line == 11);
    CHECK(source.certificates[0].ocsp.line == 12);
    CHECK(source.certificates[1].ocsp.line == 14);  // that of the table
    REQUIRE(source.routes.size() == 2);
    CHECK(source.routes[1].size() == 2);
    CHECK(decode_service(encode(read)) == read);
}

TEST_CASE("what is wrong with a certificate") {
    CHECK(faults(certificate("")) == "");
    CHECK(faults(certificate("names = [\"f*.example\"]")) == "11 bad-name");
    CHECK(faults(certificate("names = [\"shop.example.\"]")) == "11 bad-name");
    CHECK(faults(certificate("names = []")) == "11 out-of-range");
    CHECK(faults(certificate("names = \"shop.example\"")) == "11 wrong-type");
    CHECK(faults(certificate("ocsp = \"o.der\"")) == "11 bad-path");
    CHECK(faults(certificate("name = [\"x\"]")) == "11 unknown-key");
    CHECK(faults(service("[[tls.service.certificates]]\ncertificate = \"/c2\"")) == "8 key-missing");
    CHECK(faults(service("[[tls.service.certificates]]\nprivate_key = \"file:/k\"")) == "8 key-missing");
    CHECK(faults(service("[[tls.service.certificates]]\ncertificate = \"/c\"\nprivate_key = \"/k\"")) ==
          "10 bad-key-reference");
    CHECK(faults(service("[tls.service.certificates]\ncertificate = \"/c\"")) == "8 wrong-type");
    std::string many;
    for (std::size_t i = 0; i <= kMostCertificates; ++i) {
        many += kCertificate;
    }
    CHECK(faults(service(many)) == fmt::format("{} out-of-range", 8 + 3 * kMostCertificates));
}

TEST_CASE("what is wrong with protocols and routes") {
    CHECK(faults(route("names = [\"*.example\"]")) == "");
    CHECK(faults(route("alpn = [\"http/1.1\"]")) == "");
    CHECK(faults(route("")) == "8 key-missing");
    CHECK(faults(route("alpn = [\"h3\"]")) == "10 not-a-choice");
    CHECK(faults(route("names = [\"*\"]")) == "10 bad-name");
    CHECK(faults(service("[[tls.service.routes]]\nnames = [\"a\"]")) == "8 key-missing");
    CHECK(faults(service("[[tls.service.routes]]\nnames = [\"a\"]\nconnect = [\"1\"]")) == "10 bad-endpoint");
    CHECK(faults(service("[[tls.service.routes]]\nnames = [\"a\"]\nconnect = [\"h:1\", \"submit:/s\"]")) ==
          "10 bad-endpoint");
    const std::string without =
        "[[tls.service]]\nname = \"a\"\nlisten = [\"0.0.0.0:443\"]\nconnect = [\"h:80\"]\n"
        "certificate = \"/c\"\nprivate_key = \"file:/k\"\n";
    CHECK(faults(without + "alpn = [\"\"]") == "7 bad-name");
    CHECK(faults(without + "alpn = [\"a b\"]") == "7 bad-name");
    CHECK(faults(without + "alpn = [\"" + std::string(256, 'x') + "\"]") == "7 bad-name");
    CHECK(faults(without + "alpn = [\"" + std::string(255, 'x') + "\"]") == "");
    std::string many;
    for (std::size_t i = 0; i <= kMostRoutes; ++i) {
        many += std::string(kRoute) + "names = [\"a\"]\n";
    }
    CHECK(faults(service(many)) == fmt::format("{} out-of-range", 8 + 3 * kMostRoutes));
}

TEST_CASE("a client has one certificate and goes where connect says") {
    const std::string client =
        "[[tls.service]]\nname = \"a\"\nmode = \"client\"\nlisten = [\"0.0.0.0:80\"]\n"
        "connect = [\"h:443\"]\nca = \"/a\"\nserver_name = \"h\"\n";
    CHECK(faults(client + "alpn = [\"imap\"]") == "");
    CHECK(faults(client + "ocsp = \"/o\"") == "8 wrong-mode");
    CHECK(faults(client + std::string(kCertificate)) == "8 wrong-mode");
    CHECK(faults(client + std::string(kRoute) + "names = [\"a\"]") == "8 wrong-mode");
}
