#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/exchange/two_ends.hpp"
#include "tests/support/certificates.hpp"

namespace keysluice::ike::testing {

using keysluice::testing::CertificateRequest;
using keysluice::testing::Issued;
using keysluice::testing::KeyType;

/// Certificates that are made once for all tests, since keys take their time.
class Vault {
   public:
    /// An authority.
    const Issued& authority(const std::string& name = "root");
    /// A certificate of the authority "root", for the FQDN `name`.
    const Issued& leaf(const std::string& name, KeyType key);
    /// Whatever else; the same name is the same certificate.
    const Issued& make(const std::string& name, const CertificateRequest& request);

    keysluice::testing::CertificateFolder folder;

   private:
    std::map<std::string, Issued> made_;
};
[[nodiscard]] Vault& vault();

[[nodiscard]] crypto::Certificate certificate_of(const Issued& issued);
[[nodiscard]] std::shared_ptr<const crypto::Authorities> trust_in(
    const std::vector<const Issued*>& authorities, const std::vector<std::filesystem::path>& revocation_lists = {});

/// This end shows these certificates, leaf first, and has the leaf's private key.
void show(End& end, Connection& connection, const std::vector<const Issued*>& chain);
/// This end believes certificates of the authority.
void believe(Connection& connection, const Issued& authority);

}  // namespace keysluice::ike::testing
