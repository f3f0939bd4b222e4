#include "daemon/control/certificates_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "daemon/control/delivery_reader.hpp"
#include "daemon/control/secret_reference.hpp"
#include "daemon/shared/quoted.hpp"
#include "tls/server_name.hpp"

namespace keysluice::control {
namespace {

constexpr std::string_view kCertificateTitle = "[[tls.service.certificates]]";
constexpr std::string_view kRouteTitle = "[[tls.service.routes]]";
constexpr SecretKey kPrivateKey{.key = "private_key", .example = "/etc/keysluice/shop-rsa.key", .engines = true};

void read_names(Section& section, std::vector<std::string>& into) {
    for (const PlacedText& name : section.texts("names", kMostNames, "shop.example")) {
        if (tls::is_name_pattern(name.text)) {
            into.push_back(tls::lower_case(name.text));
        } else {
            section.report(
                name.where, "bad-name",
                fmt::format("names: {}: expected a DNS name, as in \"shop.example\", or \"*.\" in front of "
                            "one for any one label",
                            in_quotes(name.text)));
        }
    }
}

/// RFC 7301 3.1: "Empty strings MUST NOT be included and byte strings MUST NOT be truncated." Their length is one
/// octet. Those that are registered are all printable.
bool is_protocol(std::string_view text) {
    return !text.empty() && text.size() <= kLongestName &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

std::vector<PlacedText> read_protocols(Section& section) {
    std::vector<PlacedText> protocols = section.texts("alpn", kMostNames, "http/1.1");
    std::erase_if(protocols, [&](const PlacedText& protocol) {
        const bool good = is_protocol(protocol.text);
        if (!good) {
            section.report(protocol.where, "bad-name",
                           fmt::format("alpn: {}: expected the name of a protocol, 1 to {} printable characters, as "
                                       "in \"http/1.1\"",
                                       in_quotes(protocol.text), kLongestName));
        }
        return !good;
    });
    return protocols;
}

/// The tables of an array, no more than there may be.
std::vector<PlacedTable> read_tables(Section& section, std::string_view key, std::string_view title,
                                     std::size_t most) {
    auto tables = section.tables(key, title.substr(2, title.size() - 4));
    if (tables.size() > most) {
        section.report(tables[most].where, "out-of-range",
                       fmt::format("{}: a service may have {} of them", title, most));
        tables.resize(most);
    }
    return tables;
}

void read_certificate(const PlacedTable& table, std::string_view credentials, ServiceEntry& entry,
                      Diagnostics& diagnostics) {
    Section section(*table.table, table.where, std::string(kCertificateTitle), diagnostics);
    ServiceCertificate& certificate = entry.service.certificates.emplace_back();
    section.path("certificate", certificate.certificate);
    SecretReference private_key;
    read_secret_reference(section, kPrivateKey, credentials, private_key);
    certificate.private_key = std::move(private_key.path);
    section.path("ocsp", certificate.ocsp);
    read_names(section, certificate.names);
    for (const std::string_view key : {"certificate", "private_key"}) {
        section.require(key, "every certificate");
    }
    section.refuse_the_rest();
    entry.source.certificates.push_back({.certificate = section.position("certificate"),
                                         .private_key = section.position("private_key"),
                                         .ocsp = section.position("ocsp")});
}

void read_route(const PlacedTable& table, ServiceEntry& entry, Diagnostics& diagnostics) {
    Section section(*table.table, table.where, std::string(kRouteTitle), diagnostics);
    Route& route = entry.service.routes.emplace_back();
    std::vector<Position>& places = entry.source.routes.emplace_back();
    read_names(section, route.names);
    for (PlacedText& protocol : read_protocols(section)) {
        if (std::ranges::find(entry.service.alpn, protocol.text) == entry.service.alpn.end()) {
            section.report(protocol.where, "not-a-choice",
                           fmt::format("alpn: {} is not in the service's own alpn, so no client agrees on it",
                                       in_quotes(protocol.text)));
        }
        route.alpn.push_back(std::move(protocol.text));
    }
    section.endpoints("connect", route.connect, places);
    refuse_submissions(section, route.connect, places);
    section.require("connect", "every route");
    if (!section.has("names") && !section.has("alpn")) {
        section.report(table.where, "key-missing",
                       fmt::format("this {} has neither names nor alpn: every client would go this way, which the "
                                   "service's own connect is for",
                                   kRouteTitle));
    }
    section.refuse_the_rest();
}

void check_mode(Section& section, const TlsService& service) {
    for (const std::string_view key : {"ocsp", "certificates", "routes"}) {
        if (service.mode == Mode::client && section.has(key)) {
            section.report(section.position(key), "wrong-mode",
                           fmt::format("{} is for mode = \"server\": a client has one certificate, and goes where "
                                       "connect says",
                                       key));
        }
    }
}

}  // namespace

void read_certificates_and_routes(Section& section, std::string_view credentials, ServiceEntry& entry,
                                  Diagnostics& diagnostics) {
    section.path("ocsp", entry.service.ocsp);
    entry.source.ocsp = section.position("ocsp");
    for (PlacedText& protocol : read_protocols(section)) {
        entry.service.alpn.push_back(std::move(protocol.text));
    }
    for (const PlacedTable& table : read_tables(section, "certificates", kCertificateTitle, kMostCertificates)) {
        read_certificate(table, credentials, entry, diagnostics);
    }
    for (const PlacedTable& table : read_tables(section, "routes", kRouteTitle, kMostRoutes)) {
        read_route(table, entry, diagnostics);
    }
    check_mode(section, entry.service);
}

}  // namespace keysluice::control
