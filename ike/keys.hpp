#pragma once

#include "base/rare.hpp"
#include "base/secret.hpp"
#include "crypto/key_exchange.hpp"
#include "crypto/prf.hpp"
#include "ike/algorithms.hpp"
#include "ike/ids.hpp"
#include "ike/toolbox.hpp"

namespace keysluice::ike {

using PrfKey = Secret<64>;
/// Encryption key with its salt (RFC 5282 section 7.1, RFC 7634 section 2), 36 bytes at most.
using EncryptionKey = Secret<36>;
using IntegrityKey = Secret<64>;

/// Keys of one direction of an IKE SA.
struct DirectionKeys {
    EncryptionKey encryption;
    Rare<IntegrityKey> integrity;  ///< none with an AEAD
};

/// What both ends prove their identities with.
struct ProofKeys {
    PrfKey initiator;
    PrfKey responder;
};

/// RFC 7296 section 2.14: "SKEYSEED = prf(Ni | Nr, g^ir); {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} =
/// prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr)".
struct IkeKeys {
    PrfKey d;
    DirectionKeys initiator;  ///< what the IKE SA's original initiator sends with
    DirectionKeys responder;
    Rare<ProofKeys> proof;  ///< SK_pi and SK_pr, until IKE_AUTH is over
};

/// Keys of one direction of a CHILD SA, as the kernel wants them: the encryption key with its salt.
struct ChildDirectionKeys {
    EncryptionKey encryption;
    IntegrityKey integrity;
};
struct ChildKeys {
    ChildDirectionKeys initiator;  ///< from the exchange's initiator to its responder
    ChildDirectionKeys responder;
};

/// What a key exchange makes.
struct Exchanged {
    crypto::KeyPair own;
    crypto::SharedSecret shared;  ///< empty where there was no value of the peer's yet
};

struct Nonces {
    Bytes initiator;
    Bytes responder;
};

[[nodiscard]] Result<IkeKeys> derive_ike_keys(Toolbox& tools, const IkeSuite& suite, Nonces nonces, IkeSpi initiator,
                                              IkeSpi responder, const crypto::SharedSecret& shared);
/// RFC 7296 section 2.18: "SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr)", with the old SA's PRF for this step.
[[nodiscard]] Result<IkeKeys> derive_rekeyed_ike_keys(Toolbox& tools, PrfId old_prf, const PrfKey& old_d,
                                                      const IkeSuite& suite, Nonces nonces, IkeSpi initiator,
                                                      IkeSpi responder, const crypto::SharedSecret& shared);
/// RFC 7296 section 2.17: KEYMAT = prf+(SK_d, [g^ir (new) |] Ni | Nr). `shared` is null without a key exchange of its
/// own.
[[nodiscard]] Result<ChildKeys> derive_child_keys(Toolbox& tools, PrfId prf, const PrfKey& d, const EspSuite& suite,
                                                  Nonces nonces, const crypto::SharedSecret* shared);
/// RFC 7296 section 2.15: prf(prf(secret, "Key Pad for IKEv2"), first message | peer's nonce | prf(SK_p, id body)).
[[nodiscard]] Result<Secret<64>> shared_key_auth(Toolbox& tools, PrfId prf, Bytes psk, Bytes first_message,
                                                 Bytes peer_nonce, const PrfKey& p, Bytes id_body);
/// What a signature signs: first message | peer's nonce | prf(SK_p, id body).
[[nodiscard]] Result<std::vector<std::uint8_t>> signed_octets(Toolbox& tools, PrfId prf, Bytes first_message,
                                                              Bytes peer_nonce, const PrfKey& p, Bytes id_body);

/// Bytes of key (with salt) that the suite's encryption and integrity take.
[[nodiscard]] std::size_t encryption_key_size(const Encryption& encryption);
[[nodiscard]] std::size_t integrity_key_size(IntegrityId integrity);
[[nodiscard]] crypto::Prf prf_of(PrfId id);
/// Must be a group, not "none".
[[nodiscard]] crypto::Group group_of(GroupId id);
[[nodiscard]] bool is_aead(EncryptionId id);

}  // namespace keysluice::ike
