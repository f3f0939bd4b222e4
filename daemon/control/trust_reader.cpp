#include "daemon/control/trust_reader.hpp"

#include <fmt/format.h>

#include <array>
#include <functional>
#include <string_view>
#include <utility>

#include "crypto/peer_rules.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::control {
namespace {

struct RuleKey {
    std::string_view key;
    std::string_view example;
    /// What is wrong with a rule, or nothing.
    std::optional<Error> (*fault)(std::string_view rule);
    std::vector<std::string> TlsService::* list;
};

template <auto Parse>
std::optional<Error> fault_of(std::string_view rule) {
    const auto parsed = Parse(rule);
    return parsed ? std::nullopt : std::optional(parsed.error());
}

constexpr std::array kRules{
    RuleKey{"peer_subjects", "CN=*,O=Shop", fault_of<crypto::parse_subject_rule>, &TlsService::peer_subjects},
    RuleKey{"peer_names", "dns:*.shop.example", fault_of<crypto::parse_name_rule>, &TlsService::peer_names},
    RuleKey{"peer_keys", "sha256:…", fault_of<crypto::parse_key_pin>, &TlsService::peer_keys}};

void read_rules(Section& section, const RuleKey& of, TlsService& service) {
    for (PlacedText& rule : section.texts(of.key, kMostPeerRules, of.example)) {
        if (rule.text.size() > kLongestPeerRule) {
            section.report(rule.where, "peer-rule-malformed",
                           fmt::format("{}: expected at most {} characters", of.key, kLongestPeerRule));
        } else if (const auto fault = of.fault(rule.text)) {
            section.report(rule.where, fault->reason,
                           fmt::format("{}: {}: {}", of.key, in_quotes(rule.text), fault->sentence));
        } else {
            (service.*of.list).push_back(std::move(rule.text));
        }
    }
}

void read_crl(Section& section, TlsService& service) {
    for (PlacedText& file : section.texts("crl", kMostRevocationLists, "/etc/keysluice/ca.crl")) {
        if (const auto fault = path_fault(file.text)) {
            section.report(file.where, "bad-path", fmt::format("crl = {}: {}", in_quotes(file.text), *fault));
        } else {
            service.crl.push_back(std::move(file.text));
        }
    }
}

/// A rule for certificates that nobody looks at would keep nobody out.
void refuse_without_certificates(Section& section, const TlsService& service) {
    const bool server = service.mode == Mode::server;
    const bool none = server && service.client_certificate == ClientCertificate::none;
    const bool unverified = !server && service.verify_peer == VerifyPeer::none;
    for (const std::string_view key : {"crl", "peer_subjects", "peer_names", "peer_keys"}) {
        if (section.has(key) && (none || (unverified && key != "peer_keys"))) {
            section.report(section.position(key), "rule-without-certificate",
                           fmt::format("{} has no effect with {}", key,
                                       server ? "client_certificate = \"none\": expected \"optional\" or \"required\""
                                              : "verify_peer = \"none\", which believes nothing that a certificate "
                                                "says; only peer_keys hold then"));
        }
    }
}

}  // namespace

void read_trust(Section& section, TlsService& service, ServiceSource& source) {
    read_crl(section, service);
    source.crl = section.position("crl");
    for (const RuleKey& each : kRules) {
        read_rules(section, each, service);
    }
    refuse_without_certificates(section, service);
}

}  // namespace keysluice::control
