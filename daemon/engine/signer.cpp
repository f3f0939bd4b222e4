#include "daemon/engine/signer.hpp"

#include <fmt/format.h>

#include <utility>

#include "crypto/certificate.hpp"
#include "crypto/credentials.hpp"
#include "crypto/given_key.hpp"
#include "crypto/signature.hpp"
#include "daemon/shared/secret_path.hpp"

namespace keysluice {

namespace {

Result<crypto::PrivateKeyPtr> read_key(const std::string& reference, const UniqueFd& given) {
    if (given) {
        return crypto::read_private_key(given.get(), reference);
    }
    const auto path = secret_path(reference);
    return path ? crypto::read_private_key(*path) : std::unexpected(path.error());
}

}  // namespace

SigningKeyLoaded Signer::load(const SigningKey& key, const UniqueFd& given) {
    SigningKeyLoaded answer{
        .key = given ? crypto::given_key_name(key.key, key.path) : key.key, .reason = {}, .sentence = {}};
    heard_of_.insert(answer.key);
    if (given) {
        keys_.erase(answer.key);  // who can't give it again does not have it any more
    }
    auto read = read_key(key.path, given);
    if (!read) {
        answer.reason = read.error().reason;
        answer.sentence = read.error().sentence;
    } else if (crypto::key_id(**read) != key.key) {
        answer.reason = "private-key-mismatch";
        answer.sentence =
            fmt::format("{}: this private key does not belong to the connection's certificate", key.path);
    } else {
        keys_[answer.key] = *std::move(read);
    }
    return answer;
}

void Signer::forget_others() {
    const auto heard_of = std::exchange(heard_of_, {});
    std::erase_if(keys_, [&](const auto& each) { return !heard_of.contains(each.first); });
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
