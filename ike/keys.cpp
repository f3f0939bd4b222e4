#include "ike/keys.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

namespace keysluice::ike {

namespace {

/// SK_d, SK_pi, SK_pr of 64 bytes, integrity keys of 64 and encryption keys of 36.
constexpr std::size_t kMostMaterial = (5 * 64) + (2 * 36);

/// Cuts keying material into keys, in the order of the calls.
class Material {
   public:
    explicit Material(std::size_t size) { rest_ = bytes_.writable(size); }

    [[nodiscard]] MutableBytes whole() const { return rest_; }
    template <typename Key>
    void take(Key& key, std::size_t size) {
        assert(size <= rest_.size());
        key = Key{rest_.first(size)};
        rest_ = rest_.subspan(size);
    }

   private:
    Secret<kMostMaterial> bytes_;
    MutableBytes rest_;
};

Result<IkeKeys> expand(Toolbox& tools, const IkeSuite& suite, Bytes seed, Nonces nonces, IkeSpi initiator,
                       IkeSpi responder) {
    const crypto::Prf prf = prf_of(suite.prf);
    const std::size_t d = crypto::output_size(prf);
    const std::size_t a = integrity_key_size(suite.integrity);
    const std::size_t e = encryption_key_size(suite.encryption);
    Writer spis;
    spis.be(initiator.value).be(responder.value);
    Material material{(3 * d) + (2 * a) + (2 * e)};
    // RFC 7296 section 2.14: "{SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+ (SKEYSEED,
    // Ni | Nr | SPIi | SPIr)".
    const std::array parts{nonces.initiator, nonces.responder, spis.view()};
    if (auto filled = crypto::prf_plus(tools.macs, prf, seed, parts, material.whole()); !filled) {
        return pass_on(std::move(filled));
    }
    IkeKeys keys;
    material.take(keys.d, d);
    if (a > 0) {
        material.take(keys.initiator.integrity.emplace(), a);
        material.take(keys.responder.integrity.emplace(), a);
    }
    material.take(keys.initiator.encryption, e);
    material.take(keys.responder.encryption, e);
    ProofKeys& proof = keys.proof.emplace();
    material.take(proof.initiator, d);
    material.take(proof.responder, d);
    return keys;
}

/// prf(SK_p, id body), which ends what is signed.
Result<Secret<64>> maced_id(Toolbox& tools, crypto::Prf prf, const PrfKey& p, Bytes id_body) {
    Secret<64> maced;
    if (auto done = crypto::compute(tools.macs, prf, p.expose(), std::array{id_body},
                                    maced.writable(crypto::output_size(prf)));
        !done) {
        return pass_on(std::move(done));
    }
    return maced;
}

}  // namespace

Result<IkeKeys> derive_ike_keys(Toolbox& tools, const IkeSuite& suite, Nonces nonces, IkeSpi initiator,
                                IkeSpi responder, const crypto::SharedSecret& shared) {
    const crypto::Prf prf = prf_of(suite.prf);
    Bytes first = nonces.initiator;
    Bytes second = nonces.responder;
    // RFC 7296 section 2.14, of these two: "only the first 64 bits of Ni and the first 64 bits of Nr are used in
    // calculating SKEYSEED, but all the bits are used for input to the prf+ function."
    if (suite.prf == PrfId::aes128_xcbc || suite.prf == PrfId::aes128_cmac) {
        first = first.first(std::min<std::size_t>(8, first.size()));
        second = second.first(std::min<std::size_t>(8, second.size()));
    }
    Writer both;
    both.raw(first).raw(second);
    PrfKey seed;
    if (auto done = crypto::compute(tools.macs, prf, both.view(), std::array{shared.expose()},
                                    seed.writable(crypto::output_size(prf)));
        !done) {
        return pass_on(std::move(done));
    }
    return expand(tools, suite, seed.expose(), nonces, initiator, responder);
}

Result<IkeKeys> derive_rekeyed_ike_keys(Toolbox& tools, PrfId old_prf, const PrfKey& old_d, const IkeSuite& suite,
                                        Nonces nonces, IkeSpi initiator, IkeSpi responder,
                                        const crypto::SharedSecret& shared) {
    // RFC 7296 section 2.18: "Because the rekeying exchange belongs to the old IKE SA, it is the old IKE SA's PRF
    // that is used to generate SKEYSEED."
    const crypto::Prf prf = prf_of(old_prf);
    const std::array parts{shared.expose(), nonces.initiator, nonces.responder};
    PrfKey seed;
    if (auto done = crypto::compute(tools.macs, prf, old_d.expose(), parts, seed.writable(crypto::output_size(prf)));
        !done) {
        return pass_on(std::move(done));
    }
    return expand(tools, suite, seed.expose(), nonces, initiator, responder);
}

Result<ChildKeys> derive_child_keys(Toolbox& tools, PrfId prf, const PrfKey& d, const EspSuite& suite, Nonces nonces,
                                    const crypto::SharedSecret* shared) {
    const std::size_t e = encryption_key_size(suite.encryption);
    const std::size_t a = integrity_key_size(suite.integrity);
    Material material{2 * (e + a)};
    const Bytes exchanged = shared == nullptr ? Bytes{} : shared->expose();
    const std::array parts{exchanged, nonces.initiator, nonces.responder};
    if (auto filled = crypto::prf_plus(tools.macs, prf_of(prf), d.expose(), parts, material.whole()); !filled) {
        return pass_on(std::move(filled));
    }
    // RFC 7296 section 2.17: "All keys for SAs carrying data from the initiator to the responder are taken before SAs
    // going from the responder to the initiator." And "the encryption key (if any) MUST be taken from the first bits
    // and the integrity key (if any) MUST be taken from the remaining bits."
    ChildKeys keys;
    material.take(keys.initiator.encryption, e);
    material.take(keys.initiator.integrity, a);
    material.take(keys.responder.encryption, e);
    material.take(keys.responder.integrity, a);
    return keys;
}

Result<Secret<64>> shared_key_auth(Toolbox& tools, PrfId prf, Bytes psk, Bytes first_message, Bytes peer_nonce,
                                   const PrfKey& p, Bytes id_body) {
    const crypto::Prf function = prf_of(prf);
    const std::size_t size = crypto::output_size(function);
    auto maced = maced_id(tools, function, p, id_body);
    if (!maced) {
        return maced;
    }
    // RFC 7296 section 2.15: "the string "Key Pad for IKEv2" is 17 ASCII characters without null termination".
    PrfKey key;
    if (auto done =
            crypto::compute(tools.macs, function, psk, std::array{as_bytes("Key Pad for IKEv2")}, key.writable(size));
        !done) {
        return pass_on(std::move(done));
    }
    Secret<64> auth;
    const std::array octets{first_message, peer_nonce, maced->expose()};
    if (auto done = crypto::compute(tools.macs, function, key.expose(), octets, auth.writable(size)); !done) {
        return pass_on(std::move(done));
    }
    return auth;
}

Result<std::vector<std::uint8_t>> signed_octets(Toolbox& tools, PrfId prf, Bytes first_message, Bytes peer_nonce,
                                                const PrfKey& p, Bytes id_body) {
    auto maced = maced_id(tools, prf_of(prf), p, id_body);
    if (!maced) {
        return pass_on(std::move(maced));
    }
    Writer octets;
    octets.raw(first_message).raw(peer_nonce).raw(maced->expose());
    return std::move(octets).release();
}

std::size_t encryption_key_size(const Encryption& encryption) {
    const std::size_t key = encryption.key_bits / 8U;
    switch (encryption.id) {
        case EncryptionId::des3:
            return 24;
        case EncryptionId::null:
            return 0;
        case EncryptionId::aes_cbc:
            return key;
        case EncryptionId::aes_ctr:
        case EncryptionId::aes_gcm_16:
            return key + 4;
        case EncryptionId::aes_ccm_16:
            return key + 3;
        case EncryptionId::chacha20_poly1305:
            return 32 + 4;
    }
    std::unreachable();
}

std::size_t integrity_key_size(IntegrityId integrity) {
    switch (integrity) {
        case IntegrityId::none:
            return 0;
        case IntegrityId::hmac_md5_96:
        case IntegrityId::aes_xcbc_96:
            return 16;
        case IntegrityId::hmac_sha1_96:
            return 20;
        case IntegrityId::hmac_sha2_256_128:
            return 32;
        case IntegrityId::hmac_sha2_384_192:
            return 48;
        case IntegrityId::hmac_sha2_512_256:
            return 64;
    }
    std::unreachable();
}

crypto::Prf prf_of(PrfId id) {
    switch (id) {
        case PrfId::hmac_md5:
            return crypto::Prf::hmac_md5;
        case PrfId::hmac_sha1:
            return crypto::Prf::hmac_sha1;
        case PrfId::aes128_xcbc:
            return crypto::Prf::aes128_xcbc;
        case PrfId::hmac_sha2_256:
            return crypto::Prf::hmac_sha256;
        case PrfId::hmac_sha2_384:
            return crypto::Prf::hmac_sha384;
        case PrfId::hmac_sha2_512:
            return crypto::Prf::hmac_sha512;
        case PrfId::aes128_cmac:
            return crypto::Prf::aes128_cmac;
    }
    std::unreachable();
}

crypto::Group group_of(GroupId id) {
    assert(id != GroupId::none);
    switch (id) {
        case GroupId::none:
            break;
        case GroupId::modp768:
            return crypto::Group::modp768;
        case GroupId::modp1024:
            return crypto::Group::modp1024;
        case GroupId::modp1536:
            return crypto::Group::modp1536;
        case GroupId::modp2048:
            return crypto::Group::modp2048;
        case GroupId::modp3072:
            return crypto::Group::modp3072;
        case GroupId::modp4096:
            return crypto::Group::modp4096;
        case GroupId::ecp256:
            return crypto::Group::ecp256;
        case GroupId::ecp384:
            return crypto::Group::ecp384;
        case GroupId::ecp521:
            return crypto::Group::ecp521;
        case GroupId::x25519:
            return crypto::Group::x25519;
        case GroupId::x448:
            return crypto::Group::x448;
    }
    std::unreachable();
}

bool is_aead(EncryptionId id) {
    switch (id) {
        case EncryptionId::aes_ccm_16:
        case EncryptionId::aes_gcm_16:
        case EncryptionId::chacha20_poly1305:
            return true;
        case EncryptionId::des3:
        case EncryptionId::null:
        case EncryptionId::aes_cbc:
        case EncryptionId::aes_ctr:
            return false;
    }
    std::unreachable();
}

}  // namespace keysluice::ike
