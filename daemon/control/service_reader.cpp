#include "daemon/control/service_reader.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/suggestion.hpp"
#include "daemon/control/certificates_reader.hpp"
#include "daemon/control/cryptography_reader.hpp"
#include "daemon/control/delivery_reader.hpp"
#include "daemon/control/limits_reader.hpp"
#include "daemon/control/plaintext_reader.hpp"
#include "daemon/control/rekey_reader.hpp"
#include "daemon/control/secret_reference.hpp"
#include "daemon/control/section.hpp"
#include "daemon/control/trust_reader.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::control {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr DurationRange kHandshakeRange{milliseconds(10), hours(1)};
constexpr DurationRange kConnectRange{milliseconds(10), hours(1)};
constexpr DurationRange kCloseRange{milliseconds(10), hours(24)};
constexpr DurationRange kSessionRange{milliseconds(0), kLongestSession};
constexpr DurationRange kDrainRange{milliseconds(10), kLongestTimeout};

constexpr std::string_view kTitle = "[[tls.service]]";
constexpr SecretKey kPrivateKey{.key = "private_key", .example = "/etc/keysluice/shop.key", .engines = true};

bool is_address(const std::string& text) {
    std::array<unsigned char, sizeof(in6_addr)> address{};
    return text.find('\0') == std::string::npos && (::inet_pton(AF_INET, text.c_str(), address.data()) == 1 ||
                                                    ::inet_pton(AF_INET6, text.c_str(), address.data()) == 1);
}

void read_server_name(Section& section, std::string& into) {
    const std::string* const name = section.text("server_name", "a string");
    if (name == nullptr) {
        return;
    }
    if (is_host_name(*name) || is_address(*name)) {
        into = *name;
    } else {
        section.report(section.position("server_name"), "bad-server-name",
                       fmt::format("server_name = {}: expected a host name or an IP address without a port, as the "
                                   "server's certificate has it",
                                   in_quotes(*name)));
    }
}

void read_listen(Section& section, std::vector<Endpoint>& listen, std::vector<Position>& places) {
    section.endpoints("listen", listen, places);
    for (std::size_t i = 0; i < listen.size();) {
        if (!std::holds_alternative<HostEndpoint>(listen[i])) {
            ++i;
            continue;
        }
        section.report(places[i], "bad-endpoint",
                       fmt::format("listen: {} is a host name: expected an address of this machine, as in "
                                   "\"0.0.0.0:443\" or \"[::]:443\"",
                                   in_quotes(to_string(listen[i]))));
        listen.erase(listen.begin() + static_cast<std::ptrdiff_t>(i));
        places.erase(places.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

void read_resumption(Section& section, TlsService& service) {
    milliseconds lifetime = service.session_lifetime;
    section.duration("session_lifetime", kSessionRange, lifetime);
    if (lifetime.count() == 0 || lifetime >= kShortestSession) {
        service.session_lifetime = lifetime;
    } else {
        section.report(section.position("session_lifetime"), "out-of-range",
                       "session_lifetime: expected a duration from 5s to 24h, or \"0s\" where no session is to be "
                       "resumed");
    }
    section.integer("session_max_uses", 0, kMostSessionUses, service.session_max_uses);
}

void check_server(Section& section, const TlsService& service) {
    section.require("certificate", "mode = \"server\"");
    section.require("private_key", "mode = \"server\"");
    if (service.client_certificate != ClientCertificate::none) {
        section.require("ca", fmt::format("client_certificate = \"{}\"", to_string(service.client_certificate)));
    }
    if (service.verify_peer == VerifyPeer::none) {
        section.report(section.position("verify_peer"), "wrong-mode",
                       "verify_peer = \"none\" is for mode = \"client\": whether clients show a certificate is "
                       "client_certificate's to say");
    }
}

void check_client(Section& section, const TlsService& service) {
    if (service.verify_peer == VerifyPeer::full) {
        section.require("ca", "mode = \"client\"");
        section.require("server_name", "mode = \"client\"");
    }
    if (section.has("certificate")) {
        section.require("private_key", "certificate");
    }
    if (section.has("private_key")) {
        section.require("certificate", "private_key");
    }
    if (service.client_certificate != ClientCertificate::none) {
        section.report(section.position("client_certificate"), "wrong-mode",
                       fmt::format("client_certificate = \"{}\" is for mode = \"server\": to show a certificate of "
                                   "our own to the server, set certificate and private_key",
                                   to_string(service.client_certificate)));
    }
}

void check_resumption(Section& section, const TlsService& service) {
    if (service.mode == Mode::client && section.has("session_max_uses")) {
        section.report(section.position("session_max_uses"), "wrong-mode",
                       "session_max_uses is for mode = \"server\": how often a session is resumed is the server's to "
                       "count");
    }
}

void check_mode(Section& section, const TlsService& service) {
    switch (service.mode) {
        case Mode::server:
            return check_server(section, service);
        case Mode::client:
            return check_client(section, service);
    }
}

}  // namespace

ServiceEntry read_service(const TomlTable& table, const Position& where, std::string_view credentials,
                          Diagnostics& diagnostics) {
    Section section(table, where, std::string(kTitle), diagnostics);
    ServiceEntry entry;
    TlsService& service = entry.service;
    section.name(service.name);
    section.groups(service.groups);
    const std::size_t faults = diagnostics.size();
    section.choice("mode", kModeNames, service.mode);
    const bool mode_known = diagnostics.size() == faults;
    read_listen(section, service.listen, entry.source.listen);
    section.endpoints("connect", service.connect, entry.source.connect);
    section.path("certificate", service.certificate);
    SecretReference private_key;
    read_secret_reference(section, kPrivateKey, credentials, private_key);
    service.private_key = std::move(private_key.path);
    read_certificates_and_routes(section, credentials, entry, diagnostics);
    section.path("ca", service.ca);
    section.choice("client_certificate", kClientCertificateNames, service.client_certificate);
    read_server_name(section, service.server_name);
    section.choice("verify_peer", kVerifyPeerNames, service.verify_peer);
    read_trust(section, service, entry.source);
    read_cryptography(section, service);
    section.choice("plaintext_remote", kPlaintextRemoteNames, service.plaintext_remote);
    section.choice("offload", kOffloadNames, service.offload);
    section.choice("send_proxy", kSendProxyNames, service.send_proxy);
    section.choice("accept_proxy", kAcceptProxyNames, service.accept_proxy);
    read_resumption(section, service);
    read_rekey_after(section, service);
    read_limits(section, service.limits);
    read_delivery(section, service, entry.source);  // behind all that it judges
    read_plaintext(section, service);
    section.duration("handshake_timeout", kHandshakeRange, service.handshake_timeout);
    section.duration("connect_timeout", kConnectRange, service.connect_timeout);
    section.duration("close_timeout", kCloseRange, service.close_timeout);
    section.duration("drain_timeout", kDrainRange, service.drain_timeout);

    for (const std::string_view key : {"name", "listen"}) {
        section.require(key, "every service");
    }
    if (!only_submitted(service)) {
        section.require("connect", "every service");
    }
    if (mode_known) {
        check_mode(section, service);
        check_resumption(section, service);
    }
    section.refuse_the_rest();
    if (const std::size_t size = encode(service).size(); size > kLargestService) {
        section.report(where, "service-too-large",
                       fmt::format("{}: names, paths and rules have {} octets together: expected at most {}", kTitle,
                                   size, kLargestService));
    }
    entry.source.section = where;
    entry.source.certificate = section.position("certificate");
    entry.source.private_key = section.position("private_key");
    entry.source.ca = section.position("ca");
    entry.source.verify_peer = section.position("verify_peer");
    entry.source.key_exchange_groups = section.position("key_exchange_groups");
    return entry;
}

}  // namespace keysluice::control
