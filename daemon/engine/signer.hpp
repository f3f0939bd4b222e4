#pragma once

#include <map>
#include <set>

#include "base/unique_fd.hpp"
#include "crypto/openssl.hpp"
#include "daemon/shared/messages.hpp"

namespace keysluice {

/// Signs for IKE, with private keys that never leave this process.
class Signer {
   public:
    /// The same key may come again: what was loaded stays when its file is gone.
    /// `given`: a memory file with it, or none where `key` names a file. Such a key is called by its
    /// crypto::given_key_name() from then on.
    [[nodiscard]] SigningKeyLoaded load(const SigningKey& key, const UniqueFd& given = {});
    /// Forgets the keys of which load() has not heard since this was called last.
    void forget_others();
    [[nodiscard]] SignatureMade sign(const SignatureWanted& wanted) const;
    /// Null: it was not loaded.
    [[nodiscard]] EVP_PKEY* find(const KeyId& key) const;

   private:
    std::map<KeyId, crypto::PrivateKeyPtr> keys_;
    std::set<KeyId> heard_of_;
};

}  // namespace keysluice
