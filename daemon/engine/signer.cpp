#include "daemon/engine/signer.hpp"

#include <fmt/format.h>

#include "crypto/certificate.hpp"
#include "crypto/credentials.hpp"
#include "crypto/signature.hpp"
#include "daemon/shared/secret_path.hpp"

namespace keysluice {

SigningKeyLoaded Signer::load(const SigningKey& key) {
    SigningKeyLoaded answer{.key = key.key, .reason = {}, .sentence = {}};
    const auto path = secret_path(key.path);
    auto read = path ? crypto::read_private_key(*path) : std::unexpected(path.error());
    if (!read) {
        answer.reason = read.error().reason;
        answer.sentence = read.error().sentence;
    } else if (crypto::key_id(**read) != key.key) {
        answer.reason = "private-key-mismatch";
        answer.sentence =
            fmt::format("{}: this private key does not belong to the connection's certificate", key.path);
    } else {
        keys_[key.key] = *std::move(read);
    }
    return answer;
}

EVP_PKEY* Signer::find(const KeyId& key) const {
    const auto found = keys_.find(key);
    return found == keys_.end() ? nullptr : found->second.get();
}

SignatureMade Signer::sign(const SignatureWanted& wanted) const {
    SignatureMade answer{.token = wanted.token, .signature = {}, .sentence = {}};
    EVP_PKEY* const key = find(wanted.key);
    if (key == nullptr || wanted.scheme >= crypto::kSignatureSchemes) {
        answer.sentence = "the engine has no such private key, or knows no such way to sign";
        return answer;
    }
    auto made = crypto::sign(*key, static_cast<crypto::SignatureScheme>(wanted.scheme), wanted.octets);
    if (made) {
        answer.signature = *std::move(made);
    } else {
        answer.sentence = made.error().sentence;
    }
    return answer;
}

}  // namespace keysluice
