#include "daemon/shared/service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <span>
#include <variant>

#include "daemon/shared/secret_path.hpp"

namespace keysluice {
namespace {

constexpr std::uint8_t kVersion = 2;

void put(Writer& out, std::string_view text) {
    assert(text.size() <= kLongestPath);
    out.prefixed<std::uint16_t>(as_bytes(text));
}

void put(Writer& out, const std::vector<Endpoint>& endpoints) {
    assert(endpoints.size() <= kMostEndpoints);
    out.be(static_cast<std::uint8_t>(endpoints.size()));
    for (const Endpoint& endpoint : endpoints) {
        put(out, to_string(endpoint));
    }
}

void put(Writer& out, const std::vector<std::string>& texts) {
    assert(texts.size() <= std::max(kMostAlgorithms, kMostNames));
    out.be(static_cast<std::uint8_t>(texts.size()));
    for (const std::string& text : texts) {
        put(out, text);
    }
}

void put(Writer& out, std::chrono::milliseconds timeout) {
    out.be(static_cast<std::uint32_t>(timeout.count()));
}

void put(Writer& out, const RekeyAfter& rekey_after) {
    out.be(rekey_after.volume);
    put(out, rekey_after.time);
}

void put(Writer& out, const std::vector<ServiceCertificate>& certificates) {
    assert(certificates.size() <= kMostCertificates);
    out.be(static_cast<std::uint8_t>(certificates.size()));
    for (const ServiceCertificate& each : certificates) {
        put(out, each.certificate);
        put(out, each.private_key);
        put(out, each.ocsp);
        put(out, each.names);
    }
}

void put(Writer& out, const std::vector<Route>& routes) {
    assert(routes.size() <= kMostRoutes);
    out.be(static_cast<std::uint8_t>(routes.size()));
    for (const Route& route : routes) {
        put(out, route.names);
        put(out, route.alpn);
        put(out, route.connect);
    }
}

void put(Writer& out, const Limits& limits) {
    out.be(limits.connections)
        .be(limits.connections_per_address)
        .be(limits.handshakes_per_second)
        .be(limits.handshakes_per_second_per_address);
    put(out, limits.idle);
    put(out, limits.lifetime);
}

bool is_plain(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/// Takes the members out of a message. What is wrong is remembered, and the values after that mean nothing.
class Decoder {
   public:
    explicit Decoder(Bytes message) : in_(message) {}

    std::uint8_t byte() { return in_.be<std::uint8_t>(); }

    std::string text() {
        const std::string_view text = as_text(in_.prefixed<std::uint16_t>());
        expect(text.size() <= kLongestPath && text.find('\0') == std::string_view::npos, "a text");
        return std::string(text);
    }

    std::string path() {
        std::string path = text();
        expect(path.empty() || path.starts_with('/'), "an absolute path");
        return path;
    }

    std::string secret() {
        std::string secret = text();
        expect(secret.empty() || secret.starts_with('/') || secret.starts_with(kCredentialPrefix),
               "a secret's place");
        return secret;
    }

    std::vector<Endpoint> endpoints(bool host_names) {
        const std::size_t count = byte();
        expect(count <= kMostEndpoints, "the number of endpoints");
        std::vector<Endpoint> endpoints;
        for (std::size_t i = 0; i < count && ok(); ++i) {
            const std::string spelling = text();
            Result<Endpoint> endpoint = parse_endpoint(spelling);
            expect(endpoint && to_string(*endpoint) == spelling &&
                       (host_names || !std::holds_alternative<HostEndpoint>(*endpoint)),
                   "an endpoint");
            if (ok()) {
                endpoints.push_back(*std::move(endpoint));
            }
        }
        return endpoints;
    }

    std::vector<std::string> algorithms() {
        const std::size_t count = byte();
        expect(count <= kMostAlgorithms, "the number of algorithms");
        std::vector<std::string> algorithms;
        for (std::size_t i = 0; i < count && ok(); ++i) {
            algorithms.push_back(text());
            expect(is_algorithm_name(algorithms.back()), "an algorithm");
        }
        return algorithms;
    }

    std::vector<std::string> paths(std::size_t most) {
        const std::size_t count = byte();
        expect(count <= most, "the number of paths");
        std::vector<std::string> paths;
        for (std::size_t i = 0; i < count && ok(); ++i) {
            paths.push_back(path());
        }
        return paths;
    }

    std::vector<std::string> peer_rules() {
        const std::size_t count = byte();
        expect(count <= kMostPeerRules, "the number of rules");
        std::vector<std::string> rules;
        for (std::size_t i = 0; i < count && ok(); ++i) {
            rules.push_back(text());
            expect(rules.back().size() <= kLongestPeerRule, "a rule");
        }
        return rules;
    }

    std::vector<std::string> names() {
        const std::size_t count = byte();
        expect(count <= kMostNames, "the number of names");
        std::vector<std::string> names;
        for (std::size_t i = 0; i < count && ok(); ++i) {
            names.push_back(text());
            expect(!names.back().empty() && names.back().size() <= kLongestName, "a name");
        }
        return names;
    }

    std::vector<ServiceCertificate> certificates() {
        const std::size_t count = byte();
        std::vector<ServiceCertificate> certificates;
        for (std::size_t i = 0; i < count && ok(); ++i) {
            ServiceCertificate& each = certificates.emplace_back();
            each.certificate = path();
            each.private_key = secret();
            each.ocsp = path();
            each.names = names();
        }
        return certificates;
    }

    std::vector<Route> routes() {
        const std::size_t count = byte();
        expect(count <= kMostRoutes, "the number of routes");
        std::vector<Route> routes;
        for (std::size_t i = 0; i < count && ok(); ++i) {
            Route& route = routes.emplace_back();
            route.names = names();
            route.alpn = names();
            route.connect = endpoints(true);
        }
        return routes;
    }

    Limits limits() {
        const auto limit = [this] {
            const auto value = in_.be<std::uint32_t>();
            expect(value <= kHighestLimit, "a limit");
            return value;
        };
        const auto time = [this] {
            const std::chrono::milliseconds value(in_.be<std::uint32_t>());
            expect(value <= kLongestTimeout, "a timeout");
            return value;
        };
        Limits limits;
        limits.connections = limit();
        limits.connections_per_address = limit();
        limits.handshakes_per_second = limit();
        limits.handshakes_per_second_per_address = limit();
        limits.idle = time();
        limits.lifetime = time();
        return limits;
    }

    template <typename Enum>
    Enum choice(std::span<const std::string_view> names) {
        const std::uint8_t value = byte();
        expect(value < names.size(), "an enumerator");
        return static_cast<Enum>(ok() ? value : 0);
    }

    std::chrono::milliseconds timeout() {
        const std::chrono::milliseconds timeout(in_.be<std::uint32_t>());
        expect(timeout >= kShortestTimeout && timeout <= kLongestTimeout, "a timeout");
        return timeout;
    }

    std::chrono::milliseconds session_lifetime() {
        const std::chrono::milliseconds lifetime(in_.be<std::uint32_t>());
        expect(lifetime.count() == 0 || (lifetime >= kShortestSession && lifetime <= kLongestSession), "a lifetime");
        return lifetime;
    }

    std::uint32_t session_uses() {
        const auto uses = in_.be<std::uint32_t>();
        expect(uses <= kMostSessionUses, "a number of uses");
        return uses;
    }

    RekeyAfter rekey_after() {
        const RekeyAfter after{.volume = in_.be<std::uint64_t>(),
                               .time = std::chrono::milliseconds(in_.be<std::uint32_t>())};
        expect(after.volume == 0 || (after.volume >= RekeyAfter::kLeast && after.volume <= RekeyAfter::kMost),
               "a volume");
        expect(after.time.count() == 0 || (after.time >= RekeyAfter::kShortest && after.time <= RekeyAfter::kLongest),
               "a time");
        return after;
    }

    void expect(bool as_expected, std::string_view what) {
        if (!as_expected && ok()) {
            wrong_ = what;
        }
    }

    bool ok() const { return in_.ok() && wrong_.empty(); }

    Result<void> finish() {
        if (!wrong_.empty()) {
            return fail("bad-service-message", fmt::format("a service message has {} out of its range", wrong_));
        }
        if (!in_.ok()) {
            return fail("bad-service-message", "a service message ends too early");
        }
        if (!in_.finished()) {
            return fail("bad-service-message",
                        fmt::format("a service message has {} bytes behind its end", in_.rest().size()));
        }
        return {};
    }

   private:
    Reader in_;
    std::string_view wrong_;
};

}  // namespace

bool is_service_name(std::string_view text) {
    return !text.empty() && text.size() <= kLongestServiceName &&
           std::ranges::all_of(text, [](char c) { return is_plain(c) || c == '.'; });
}

bool is_algorithm_name(std::string_view text) {
    const std::string_view name = text.substr(text.starts_with('?') ? 1 : 0);
    return !name.empty() && name.size() < kLongestAlgorithm && std::ranges::all_of(name, is_plain);
}

std::vector<std::uint8_t> encode(const TlsService& service) {
    Writer out;
    out.be(kVersion);
    put(out, service.name);
    out.be(static_cast<std::uint8_t>(service.mode));
    put(out, service.listen);
    put(out, service.connect);
    put(out, service.certificate);
    put(out, service.private_key);
    put(out, service.ocsp);
    put(out, service.certificates);
    put(out, service.alpn);
    put(out, service.routes);
    put(out, service.ca);
    put(out, service.crl);
    out.be(static_cast<std::uint8_t>(service.client_certificate));
    put(out, service.peer_subjects);
    put(out, service.peer_names);
    put(out, service.peer_keys);
    out.be(static_cast<std::uint8_t>(service.verify_peer));
    put(out, service.server_name);
    out.be(static_cast<std::uint8_t>(service.min_version));
    out.be(static_cast<std::uint8_t>(service.max_version));
    put(out, service.ciphers);
    put(out, service.ciphersuites);
    put(out, service.key_exchange_groups);
    put(out, service.session_lifetime);
    out.be(service.session_max_uses);
    out.be(static_cast<std::uint8_t>(service.plaintext));
    out.be(static_cast<std::uint8_t>(service.offload));
    out.be(static_cast<std::uint8_t>(service.deliver));
    put(out, service.application_users);
    put(out, service.limits);
    out.be(static_cast<std::uint8_t>(service.send_proxy));
    out.be(static_cast<std::uint8_t>(service.accept_proxy));
    put(out, service.rekey_after);
    put(out, service.handshake_timeout);
    put(out, service.connect_timeout);
    put(out, service.close_timeout);
    put(out, service.drain_timeout);
    return std::move(out).release();
}

Result<TlsService> decode_service(Bytes message) {
    Decoder in(message);
    if (const std::uint8_t version = in.byte(); in.ok() && version != kVersion) {
        return fail("bad-service-message",
                    fmt::format("a service message has version {}, this program knows version {}: the processes of "
                                "keysluice come from different releases, restart all of them",
                                version, kVersion));
    }
    TlsService service;
    service.name = in.text();
    in.expect(is_service_name(service.name), "a name");
    service.mode = in.choice<Mode>(kModeNames);
    service.listen = in.endpoints(false);
    service.connect = in.endpoints(true);
    service.certificate = in.path();
    service.private_key = in.secret();
    service.ocsp = in.path();
    service.certificates = in.certificates();
    service.alpn = in.names();
    service.routes = in.routes();
    service.ca = in.path();
    service.crl = in.paths(kMostRevocationLists);
    service.client_certificate = in.choice<ClientCertificate>(kClientCertificateNames);
    service.peer_subjects = in.peer_rules();
    service.peer_names = in.peer_rules();
    service.peer_keys = in.peer_rules();
    service.verify_peer = in.choice<VerifyPeer>(kVerifyPeerNames);
    service.server_name = in.text();
    service.min_version = in.choice<TlsVersion>(kTlsVersionNames);
    service.max_version = in.choice<TlsVersion>(kTlsVersionNames);
    in.expect(service.min_version <= service.max_version, "a version");
    service.ciphers = in.algorithms();
    service.ciphersuites = in.algorithms();
    service.key_exchange_groups = in.algorithms();
    service.session_lifetime = in.session_lifetime();
    service.session_max_uses = in.session_uses();
    service.plaintext = in.choice<Plaintext>(kPlaintextNames);
    service.offload = in.choice<Offload>(kOffloadNames);
    service.deliver = in.choice<Deliver>(kDeliverNames);
    service.application_users = in.names();
    service.limits = in.limits();
    service.send_proxy = in.choice<SendProxy>(kSendProxyNames);
    service.accept_proxy = in.choice<AcceptProxy>(kAcceptProxyNames);
    service.rekey_after = in.rekey_after();
    service.handshake_timeout = in.timeout();
    service.connect_timeout = in.timeout();
    service.close_timeout = in.timeout();
    service.drain_timeout = in.timeout();
    if (Result<void> finished = in.finish(); !finished) {
        return pass_on(std::move(finished));
    }
    return service;
}

}  // namespace keysluice
