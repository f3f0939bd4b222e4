#include "tests/support/certified_ends.hpp"

#include "crypto/credentials.hpp"

namespace keysluice::ike::testing {

const Issued& Vault::authority(const std::string& name) {
    return make(name, {.subject = name, .names = "", .authority = true, .key_usage = "keyCertSign,cRLSign"});
}

const Issued& Vault::leaf(const std::string& name, KeyType key) {
    return make(name + std::to_string(static_cast<int>(key)),
                {.subject = name, .names = "DNS:" + name, .key = key, .issuer = &authority()});
}

const Issued& Vault::make(const std::string& name, const CertificateRequest& request) {
    const auto known = made_.find(name);
    return known != made_.end() ? known->second : made_.emplace(name, folder.make(request)).first->second;
}

Vault& vault() {
    static Vault only;
    return only;
}

crypto::Certificate certificate_of(const Issued& issued) {
    X509_up_ref(issued.certificate.get());
    return crypto::Certificate(crypto::CertificatePtr(issued.certificate.get()));
}

std::shared_ptr<const crypto::Authorities> trust_in(const std::vector<const Issued*>& authorities,
                                                    const std::vector<std::filesystem::path>& revocation_lists) {
    std::vector<crypto::Certificate> trusted;
    for (const Issued* each : authorities) {
        trusted.push_back(certificate_of(*each));
    }
    std::vector<crypto::RevocationListPtr> revoked;
    for (const auto& file : revocation_lists) {
        revoked.push_back(std::move(crypto::read_revocation_lists(file).value().front()));
    }
    return std::make_shared<const crypto::Authorities>(trusted, revoked);
}

void show(End& end, Connection& connection, const std::vector<const Issued*>& chain) {
    const crypto::Certificate leaf = certificate_of(*chain.front());
    connection.auth = Auth::certificate;
    connection.certificate = {.chain = {}, .key_kind = leaf.key_kind().value(), .key_id = leaf.key_id()};
    for (const Issued* each : chain) {
        connection.certificate.chain.push_back(certificate_of(*each).der());
    }
    end.signing_keys[leaf.key_id()] = chain.front()->key;
}

void believe(Connection& connection, const Issued& authority) {
    connection.remote_auth = Auth::certificate;
    connection.authorities = trust_in({&authority});
}

}  // namespace keysluice::ike::testing
