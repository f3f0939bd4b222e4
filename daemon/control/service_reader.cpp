#include "daemon/control/service_reader.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "daemon/control/section.hpp"
#include "daemon/control/suggestion.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::control {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr DurationRange kHandshakeRange{milliseconds(10), hours(1)};
constexpr DurationRange kConnectRange{milliseconds(10), hours(1)};
constexpr DurationRange kCloseRange{milliseconds(10), hours(24)};
constexpr DurationRange kDrainRange{milliseconds(10), kLongestTimeout};

constexpr std::string_view kTitle = "[[tls.service]]";
constexpr std::string_view kFilePrefix = "file:";
constexpr std::string_view kCredentialPrefix = "credential:";
constexpr std::size_t kLongestCredentialName = 255;

bool is_address(const std::string& text) {
    std::array<unsigned char, sizeof(in6_addr)> address{};
    return text.find('\0') == std::string::npos && (::inet_pton(AF_INET, text.c_str(), address.data()) == 1 ||
                                                    ::inet_pton(AF_INET6, text.c_str(), address.data()) == 1);
}

/// systemd.exec(5): a credential's name is a file name of ASCII characters.
bool is_credential_name(std::string_view name) {
    return !name.empty() && name != "." && name != ".." && name.size() <= kLongestCredentialName &&
           std::ranges::all_of(name, [](char c) { return c > ' ' && c <= '~' && c != '/'; });
}

void read_name(Section& section, std::string& into) {
    const std::string* const name = section.text("name", "a string");
    if (name == nullptr) {
        return;
    }
    if (is_service_name(*name)) {
        into = *name;
    } else {
        section.report(section.position("name"), "bad-name",
                       fmt::format("name = {}: expected 1 to {} letters, digits, \"_\", \".\" or \"-\"",
                                   in_quotes(*name), kLongestServiceName));
    }
}

// No sentence in here repeats the value: somebody might have pasted the key itself.
void read_private_key(Section& section, std::string_view credentials, std::string& into) {
    const std::string* const found =
        section.text("private_key", "a string with \"file:/PATH\" or \"credential:NAME\"");
    if (found == nullptr) {
        return;
    }
    const std::string_view text = *found;
    const auto refuse = [&section](std::string_view reason, std::string_view sentence) {
        section.report(section.position("private_key"), reason, fmt::format("private_key: {}", sentence));
    };
    if (text.starts_with(kFilePrefix)) {
        const std::string_view path = text.substr(kFilePrefix.size());
        if (path_fault(path)) {
            refuse("bad-key-reference",
                   "expected an absolute path behind \"file:\", as in \"file:/etc/keysluice/shop.key\"");
        } else {
            into = path;
        }
    } else if (text.starts_with(kCredentialPrefix)) {
        const std::string_view name = text.substr(kCredentialPrefix.size());
        if (!is_credential_name(name)) {
            refuse("bad-key-reference", "expected the name of a systemd credential behind \"credential:\"");
        } else if (credentials.empty()) {
            refuse("no-credentials",
                   "this process was given no credentials: start it as a systemd service with LoadCredential=, or "
                   "write \"file:/PATH\"");
        } else {
            into = fmt::format("{}/{}", credentials, name);
        }
    } else {
        refuse("bad-key-reference",
               "expected \"file:/PATH\" or \"credential:NAME\" (what stands there is not repeated here, it could be "
               "the key itself)");
    }
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

void read_deliver(Section& section) {
    static constexpr std::array<std::string_view, 2> kNames{"relay", "handoff"};
    enum class Deliver : std::uint8_t { relay, handoff };
    Deliver deliver = Deliver::relay;
    section.choice("deliver", kNames, deliver);
    if (deliver == Deliver::handoff) {
        section.report(section.position("deliver"), "not-in-this-version",
                       "deliver = \"handoff\": this version of keysluice can't give the socket to an application "
                       "yet; expected \"relay\"");
    }
}

void require(Section& section, std::string_view key, std::string_view who) {
    if (!section.has(key)) {
        section.report(section.position(key), "key-missing",
                       fmt::format("this {} lacks the key {}, which {} needs", kTitle, key, who));
    }
}

void check_server(Section& section, const TlsService& service) {
    require(section, "certificate", "mode = \"server\"");
    require(section, "private_key", "mode = \"server\"");
    if (service.client_certificate != ClientCertificate::none) {
        require(section, "ca", fmt::format("client_certificate = \"{}\"", to_string(service.client_certificate)));
    }
}

void check_client(Section& section, const TlsService& service) {
    require(section, "ca", "mode = \"client\"");
    require(section, "server_name", "mode = \"client\"");
    if (section.has("certificate")) {
        require(section, "private_key", "certificate");
    }
    if (section.has("private_key")) {
        require(section, "certificate", "private_key");
    }
    if (service.client_certificate != ClientCertificate::none) {
        section.report(section.position("client_certificate"), "wrong-mode",
                       fmt::format("client_certificate = \"{}\" is for mode = \"server\": to show a certificate of "
                                   "our own to the server, set certificate and private_key",
                                   to_string(service.client_certificate)));
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
    std::vector<Position> connect_places;
    read_name(section, service.name);
    const std::size_t faults = diagnostics.size();
    section.choice("mode", kModeNames, service.mode);
    const bool mode_known = diagnostics.size() == faults;
    read_listen(section, service.listen, entry.source.listen);
    section.endpoints("connect", service.connect, connect_places);
    section.path("certificate", service.certificate);
    read_private_key(section, credentials, service.private_key);
    section.path("ca", service.ca);
    section.choice("client_certificate", kClientCertificateNames, service.client_certificate);
    read_server_name(section, service.server_name);
    section.choice("min_version", kMinVersionNames, service.min_version);
    section.choice("offload", kOffloadNames, service.offload);
    read_deliver(section);
    section.duration("handshake_timeout", kHandshakeRange, service.handshake_timeout);
    section.duration("connect_timeout", kConnectRange, service.connect_timeout);
    section.duration("close_timeout", kCloseRange, service.close_timeout);
    section.duration("drain_timeout", kDrainRange, service.drain_timeout);

    for (const std::string_view key : {"name", "listen", "connect"}) {
        require(section, key, "every service");
    }
    if (mode_known) {
        check_mode(section, service);
    }
    section.refuse_the_rest();
    entry.source.section = where;
    entry.source.certificate = section.position("certificate");
    entry.source.private_key = section.position("private_key");
    entry.source.ca = section.position("ca");
    return entry;
}

}  // namespace keysluice::control
