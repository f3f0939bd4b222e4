#include "daemon/control/doubts.hpp"

#include <fmt/format.h>

#include "daemon/control/plaintext.hpp"
#include "tls/group_policy.hpp"

namespace keysluice::control {
namespace {

/// An address of this host's own; that no other one is plaintext's is check_plaintext()'s to see to.
struct OthersReach {
    bool operator()(const UnixEndpoint& /*endpoint*/) const { return false; }
    bool operator()(const SubmitEndpoint& /*endpoint*/) const { return false; }
    bool operator()(const HostEndpoint& /*endpoint*/) const { return false; }
    bool operator()(const auto& endpoint) const {
        const auto address = IpAddress::from_octets(endpoint.address);
        return address && !address->unspecified() && !is_loopback(*address);
    }
};

void doubt_client(const TlsService& service, const ServiceSource& source, Diagnostics& doubts) {
    if (service.verify_peer == VerifyPeer::none && service.peer_keys.empty()) {
        doubts.push_back(
            {source.verify_peer, "peer-not-verified",
             fmt::format("WARNING: verify_peer = \"none\": {} trusts any server. Anybody on the way can pose "
                         "as it, read everything and change it",
                         service.name)});
    }
    for (std::size_t i = 0; i < service.listen.size(); ++i) {
        if (service.plaintext_remote == PlaintextRemote::refuse && std::visit(OthersReach(), service.listen[i])) {
            doubts.push_back(
                {source.listen[i], "plaintext-reachable",
                 fmt::format("WARNING: listen: other hosts may reach {}, and what they send to {} there is "
                             "plaintext on its way",
                             to_string(service.listen[i]), service.name)});
        }
    }
}

void doubt_groups(const TlsService& service, const ServiceSource& source, Diagnostics& doubts) {
    for (const std::string_view group : service.key_exchange_groups) {
        if (!group.starts_with('?')) {
            continue;
        }
        if (const auto here = tls::check_group(group.substr(1)); !here) {
            doubts.push_back(
                {source.key_exchange_groups, "group-left-out",
                 fmt::format("note: key_exchange_groups: {} is left out, since this machine's OpenSSL lacks it",
                             group.substr(1))});
        }
    }
}

}  // namespace

Diagnostics doubts_about(const Configuration& configuration) {
    Diagnostics doubts;
    for (std::size_t i = 0; i < configuration.services.size(); ++i) {
        if (configuration.services[i].mode == Mode::client) {
            doubt_client(configuration.services[i], configuration.sources[i], doubts);
        }
        if (configuration.services[i].plaintext == Plaintext::relay) {
            doubts.push_back(
                {configuration.sources[i].section, "plaintext-passes",
                 fmt::format("WARNING: plaintext = \"relay\": clients that don't speak TLS get through {} "
                             "to its backend, unencrypted and not authenticated",
                             configuration.services[i].name)});
        }
        doubt_groups(configuration.services[i], configuration.sources[i], doubts);
    }
    return doubts;
}

}  // namespace keysluice::control
