#include "daemon/control/ike_certificates.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <utility>

#include "crypto/credentials.hpp"
#include "crypto/given_key.hpp"
#include "daemon/shared/secret_path.hpp"
#include "ike/peer_certificate.hpp"
#include "ike/wire/message.hpp"

namespace keysluice::control {
namespace {

using std::chrono::system_clock;

/// What sentences call a certificate that stands in the configuration.
constexpr std::string_view kCertificate = "certificate";

/// The private key that came with this connection is for this connection.
std::string given_reference(const IkeConnection& connection) {
    return fmt::format("option:private_key of connection {}", connection.rules->name);
}

/// The certificates of one connection.
class CertificateLoader {
   public:
    CertificateLoader(IkeConnection& connection, system_clock::time_point now, Diagnostics& faults,
                      Diagnostics& warnings)
        : connection_(connection), rules_(*connection.rules), now_(now), faults_(faults), warnings_(warnings) {}

    void load() {
        if (!connection_.certificate.empty()) {
            load_own();
            look_at_key_file();
        }
        if (!connection_.ca.empty()) {
            load_authorities();
        }
    }

   private:
    void report(const Position& where, const Error& error) {
        faults_.push_back({where, error.reason, error.sentence});
    }

    void load_own() {
        const std::string& source = connection_.certificate;
        auto chain = is_pem(source) ? crypto::parse_certificate_chain(source, kCertificate, now_)
                                    : crypto::read_certificate_chain(source, now_);
        if (!chain) {
            report(connection_.certificate_at, chain.error());
            return;
        }
        const crypto::Certificate leaf(std::move(chain->leaf));
        const auto kind = crypto::check_key(leaf);
        auto usable = kind ? crypto::check_purpose(leaf) : Result<void>(std::unexpected(kind.error()));
        if (chain->intermediates.size() >= crypto::kLongestChain) {
            usable =
                fail("certificate-chain-long",
                     fmt::format("a chain has {} certificates at most, its own included", crypto::kLongestChain));
        }
        if (!usable) {
            report(connection_.certificate_at,
                   {usable.error().reason, fmt::format("{}: {}", certificate_name(), usable.error().sentence)});
            return;
        }
        const bool given = connection_.private_key.kind == SecretReference::Kind::option;
        rules_.certificate = {
            .chain = {leaf.der()},
            .key_kind = *kind,
            .key_id = given ? crypto::given_key_name(leaf.key_id(), given_reference(connection_)) : leaf.key_id()};
        for (crypto::CertificatePtr& each : chain->intermediates) {
            rules_.certificate.chain.push_back(crypto::Certificate(std::move(each)).der());
        }
        choose_identity(leaf);
    }

    [[nodiscard]] std::string_view certificate_name() const {
        return is_pem(connection_.certificate) ? kCertificate : connection_.certificate;
    }

    void look_at_key_file() {
        const SecretReference& key = connection_.private_key;
        if (key.kind == SecretReference::Kind::option) {
            return;
        }
        struct stat status{};
        const auto path = secret_path(key.path);
        if (path && ::stat(path->c_str(), &status) == 0 && (status.st_mode & S_IROTH) != 0) {
            warnings_.push_back(
                {key.where, "private-key-open-to-all",
                 fmt::format("private_key: everybody on this machine can read {}: chmod o-r it", *path)});
        }
    }

    void choose_identity(const crypto::Certificate& leaf) {
        if (rules_.auth == ike::Auth::eap_tls) {
            // Whether the certificate has this name, only the server of EAP can say.
            if (connection_.eap_by_subject) {
                rules_.local_id = {.type = ike::wire::IdType::dn, .data = leaf.subject_der()};
                rules_.eap_rules.identity = ike::wire::print(rules_.local_id);
            }
        } else if (!connection_.own_id) {
            rules_.local_id = {.type = ike::wire::IdType::dn, .data = leaf.subject_der()};
        } else if (!ike::belongs_to(leaf, rules_.local_id)) {
            report(connection_.local_id,
                   {"certificate-identity",
                    fmt::format("local_id: {} is neither the subject nor an alternative name of {}, so no peer would "
                                "believe it; leave local_id out to be {}",
                                ike::wire::print(rules_.local_id), certificate_name(), leaf.subject())});
        }
    }

    void load_authorities() {
        const std::string& source = connection_.ca;
        auto read = is_pem(source) ? crypto::parse_authorities(source, "ca") : crypto::read_authorities(source);
        if (!read) {
            report(connection_.ca_at, read.error());
            return;
        }
        std::vector<crypto::Certificate> trusted;
        for (crypto::CertificatePtr& each : *read) {
            trusted.emplace_back(std::move(each));
        }
        std::vector<crypto::RevocationListPtr> revoked;
        for (std::size_t i = 0; i < connection_.crl.size(); ++i) {
            const std::string& list = connection_.crl[i];
            auto lists =
                is_pem(list) ? crypto::parse_revocation_lists(list, "crl") : crypto::read_revocation_lists(list);
            if (!lists) {
                report(connection_.crl_at[i], lists.error());
                continue;
            }
            std::ranges::move(*lists, std::back_inserter(revoked));
        }
        rules_.authorities = std::make_shared<const crypto::Authorities>(trusted, revoked);
    }

    IkeConnection& connection_;
    ike::Connection& rules_;
    system_clock::time_point now_;
    Diagnostics& faults_;
    Diagnostics& warnings_;
};

}  // namespace

Diagnostics load_certificates(IkeConfiguration& ike, system_clock::time_point now, Diagnostics& warnings) {
    Diagnostics faults;
    for (IkeConnection& connection : ike.connections) {
        CertificateLoader(connection, now, faults, warnings).load();
    }
    return faults;
}

Diagnostics check_private_keys(const IkeConfiguration& ike) {
    Diagnostics faults;
    for (const IkeConnection& connection : ike.connections) {
        const auto& chain = connection.rules->certificate.chain;
        if (chain.empty() || connection.private_key.kind == SecretReference::Kind::option) {
            continue;
        }
        const auto path = secret_path(connection.private_key.path);
        const auto leaf = crypto::Certificate::parse(chain.front());
        const auto key = path ? crypto::read_private_key(*path, *leaf->get()) : std::unexpected(path.error());
        if (!key) {
            faults.push_back({connection.private_key.where, key.error().reason, key.error().sentence});
        }
    }
    return faults;
}

std::vector<Signers::Key> signing_keys(const IkeConfiguration& ike) {
    std::vector<Signers::Key> keys;
    std::set<KeyId> known;
    for (const IkeConnection& connection : ike.connections) {
        const ike::OwnCertificate& own = connection.rules->certificate;
        const bool unknown = connection.given_private_key && !*connection.given_private_key;
        if (!own.chain.empty() && !unknown && known.insert(own.key_id).second) {
            const bool given = connection.private_key.kind == SecretReference::Kind::option;
            const auto leaf = crypto::Certificate::parse(own.chain.front());
            keys.push_back({.id = own.key_id,
                            .path = given ? given_reference(connection) : connection.private_key.path,
                            .owner = fmt::format("{}: connection {}", to_string(connection.private_key.where),
                                                 connection.rules->name),
                            .given = connection.given_private_key,
                            .of_certificate = leaf ? leaf->key_id() : KeyId{}});
        }
    }
    return keys;
}

}  // namespace keysluice::control
