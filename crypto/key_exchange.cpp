#include "crypto/key_exchange.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>

#include <array>
#include <cassert>
#include <string>
#include <utility>

#include "crypto/openssl.hpp"

namespace keysluice::crypto {

namespace {

using BignumPtr = std::unique_ptr<BIGNUM, Free<BN_clear_free>>;
using BignumContextPtr = std::unique_ptr<BN_CTX, Free<BN_CTX_free>>;
using CurvePtr = std::unique_ptr<EC_GROUP, Free<EC_GROUP_free>>;
using PointPtr = std::unique_ptr<EC_POINT, Free<EC_POINT_clear_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;

enum class Kind { modp, ecp, montgomery };

struct Shape {
    Kind kind;
    std::size_t public_size;
    std::size_t shared_size;
    std::size_t private_size;
};

constexpr Shape modp(std::size_t bits) {
    return {Kind::modp, bits / 8, bits / 8, 64};
}
constexpr Shape ecp(std::size_t field_size) {
    return {Kind::ecp, 2 * field_size, field_size, field_size + 8};
}
constexpr Shape montgomery(std::size_t size) {
    return {Kind::montgomery, size, size, size};
}

Shape shape_of(Group group) {
    switch (group) {
        case Group::modp768:
            return modp(768);
        case Group::modp1024:
            return modp(1024);
        case Group::modp1536:
            return modp(1536);
        case Group::modp2048:
            return modp(2048);
        case Group::modp3072:
            return modp(3072);
        case Group::modp4096:
            return modp(4096);
        case Group::ecp256:
            return ecp(32);
        case Group::ecp384:
            return ecp(48);
        case Group::ecp521:
            return ecp(66);
        case Group::x25519:
            return montgomery(32);
        case Group::x448:
            return montgomery(56);
    }
    std::unreachable();
}

std::unexpected<Error> failed() {
    ERR_clear_error();
    return fail("key-exchange-failed",
                "OpenSSL could not compute a Diffie-Hellman value; is its default provider "
                "loaded?");
}

std::unexpected<Error> refused(std::string sentence) {
    ERR_clear_error();
    return fail("key-exchange-refused", std::move(sentence));
}

int as_int(std::size_t size) {
    return static_cast<int>(size);
}

BignumPtr to_number(Bytes bytes) {
    return BignumPtr{BN_bin2bn(bytes.data(), as_int(bytes.size()), nullptr)};
}

bool write_number(const BIGNUM* number, MutableBytes out) {
    return BN_bn2binpad(number, out.data(), as_int(out.size())) == as_int(out.size());
}

// ---- X25519, X448

const char* name_of(Group group) {
    return group == Group::x25519 ? "X25519" : "X448";
}

/// Reads keys of a group. Finding one costs a twentieth of an exchange: once per thread.
EVP_PKEY_CTX* key_reader_of(Group group) {
    const auto made = [](Group of) {
        KeyContextPtr context{EVP_PKEY_CTX_new_from_name(nullptr, name_of(of), nullptr)};
        return context && EVP_PKEY_fromdata_init(context.get()) > 0 ? std::move(context) : nullptr;
    };
    thread_local const KeyContextPtr x25519 = made(Group::x25519);
    thread_local const KeyContextPtr x448 = made(Group::x448);
    return group == Group::x25519 ? x25519.get() : x448.get();
}

OSSL_PARAM parameter(const char* name, Bytes value) {
    return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(value.data()), value.size());
}

/// A key without a part is one where that part is empty. With the public value at hand OpenSSL need not compute it
/// again, which costs as much as the exchange itself.
KeyPtr montgomery_key(Group group, Bytes private_value, Bytes public_value) {
    std::array<OSSL_PARAM, 3> parameters{};
    std::size_t count = 0;
    if (!private_value.empty()) {
        parameters.at(count++) = parameter(OSSL_PKEY_PARAM_PRIV_KEY, private_value);
    }
    if (!public_value.empty()) {
        parameters.at(count++) = parameter(OSSL_PKEY_PARAM_PUB_KEY, public_value);
    }
    parameters.at(count) = OSSL_PARAM_construct_end();
    EVP_PKEY_CTX* const reader = key_reader_of(group);
    const int selection = private_value.empty() ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR;
    EVP_PKEY* key = nullptr;
    if (reader == nullptr || EVP_PKEY_fromdata(reader, &key, selection, parameters.data()) <= 0) {
        return nullptr;
    }
    return KeyPtr{key};
}

Result<KeyPair> make_montgomery(Group group, Bytes random) {
    const KeyPtr key = montgomery_key(group, random, {});
    KeyPair pair{group, PrivateValue{random}, std::vector<std::uint8_t>(public_size(group))};
    std::size_t size = pair.public_value.size();
    if (!key || EVP_PKEY_get_raw_public_key(key.get(), pair.public_value.data(), &size) <= 0 ||
        size != pair.public_value.size()) {
        return failed();
    }
    return pair;
}

Result<SharedSecret> montgomery_secret(const KeyPair& own, Bytes peer_public) {
    const KeyPtr key = montgomery_key(own.group, own.private_value.expose(), own.public_value);
    const KeyPtr peer = montgomery_key(own.group, {}, peer_public);
    const KeyContextPtr context{key ? EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr) : nullptr};
    if (!context || !peer || EVP_PKEY_derive_init(context.get()) <= 0 ||
        EVP_PKEY_derive_set_peer_ex(context.get(), peer.get(), 0) <= 0) {
        return failed();
    }
    SharedSecret secret;
    const MutableBytes out = secret.writable(shared_size(own.group));
    std::size_t size = out.size();
    // RFC 7748 section 6 lets us refuse a shared secret of zeros: OpenSSL does, and it is the one way in which this
    // fails.
    if (EVP_PKEY_derive(context.get(), out.data(), &size) <= 0 || size != out.size()) {
        return refused("the peer's public value gives a shared secret of zeros");
    }
    return secret;
}

// ---- ECP

/// Making one costs more than an exchange on it: once per process.
const EC_GROUP* curve_of(Group group) {
    static const CurvePtr p256{EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1)};
    static const CurvePtr p384{EC_GROUP_new_by_curve_name(NID_secp384r1)};
    static const CurvePtr p521{EC_GROUP_new_by_curve_name(NID_secp521r1)};
    const EC_GROUP* const larger = group == Group::ecp384 ? p384.get() : p521.get();
    return group == Group::ecp256 ? p256.get() : larger;
}

/// On the wire a point is x and y (RFC 5903 section 7); OpenSSL puts a 4 before them.
constexpr std::uint8_t kUncompressed = 4;

/// random modulo (order - 1), plus 1.
BignumPtr scalar_of(const EC_GROUP* curve, Bytes random, BN_CTX* context) {
    BignumPtr scalar = to_number(random);
    const BignumPtr limit{BN_dup(EC_GROUP_get0_order(curve))};
    if (!scalar || !limit) {
        return nullptr;
    }
    BN_set_flags(scalar.get(), BN_FLG_CONSTTIME);
    if (BN_sub_word(limit.get(), 1) == 0 || BN_mod(scalar.get(), scalar.get(), limit.get(), context) == 0 ||
        BN_add_word(scalar.get(), 1) == 0) {
        return nullptr;
    }
    return scalar;
}

Result<KeyPair> make_ecp(Group group, Bytes random) {
    const EC_GROUP* const curve = curve_of(group);
    const BignumContextPtr context{BN_CTX_new()};
    if (curve == nullptr || !context) {
        return failed();
    }
    const BignumPtr scalar = scalar_of(curve, random, context.get());
    const PointPtr point{EC_POINT_new(curve)};
    KeyPair pair{group, {}, std::vector<std::uint8_t>(1 + public_size(group))};
    auto& encoded = pair.public_value;
    if (!scalar || !point || !write_number(scalar.get(), pair.private_value.writable(shared_size(group))) ||
        EC_POINT_mul(curve, point.get(), scalar.get(), nullptr, nullptr, context.get()) == 0 ||
        EC_POINT_point2oct(curve, point.get(), POINT_CONVERSION_UNCOMPRESSED, encoded.data(), encoded.size(),
                           context.get()) != encoded.size()) {
        return failed();
    }
    encoded.erase(encoded.begin());
    return pair;
}

Result<SharedSecret> ecp_secret(const KeyPair& own, Bytes peer_public) {
    const EC_GROUP* const curve = curve_of(own.group);
    const BignumContextPtr context{BN_CTX_new()};
    const BignumPtr scalar = to_number(own.private_value.expose());
    const BignumPtr x{BN_new()};
    if (curve == nullptr || !context || !scalar || !x) {
        return failed();
    }
    const PointPtr point{EC_POINT_new(curve)};
    std::vector<std::uint8_t> encoded{kUncompressed};
    encoded.insert(encoded.end(), peer_public.begin(), peer_public.end());
    // RFC 6989 section 2.3: coordinates below the field's prime that satisfy the curve's equation. The cofactor is 1,
    // so that such a point is one of the group.
    if (!point || EC_POINT_oct2point(curve, point.get(), encoded.data(), encoded.size(), context.get()) == 0) {
        return refused("the peer's public value is not a point of the curve");
    }
    SharedSecret secret;
    if (EC_POINT_mul(curve, point.get(), nullptr, point.get(), scalar.get(), context.get()) == 0 ||
        EC_POINT_get_affine_coordinates(curve, point.get(), x.get(), nullptr, context.get()) == 0 ||
        !write_number(x.get(), secret.writable(shared_size(own.group)))) {
        return failed();
    }
    return secret;
}

// ---- MODP

/// MODP groups are the first of all, in this order.
BignumPtr prime_of(Group group) {
    static constexpr std::array kPrimes{BN_get_rfc2409_prime_768,  BN_get_rfc2409_prime_1024,
                                        BN_get_rfc3526_prime_1536, BN_get_rfc3526_prime_2048,
                                        BN_get_rfc3526_prime_3072, BN_get_rfc3526_prime_4096};
    return BignumPtr{kPrimes.at(static_cast<std::size_t>(group))(nullptr)};
}

/// The test of RFC 6989 section 2.1 for safe primes: 1 < value < p - 1.
bool is_legal(const BIGNUM* value, const BIGNUM* prime) {
    const BignumPtr last{BN_dup(prime)};
    return last && BN_sub_word(last.get(), 1) == 1 && BN_cmp(value, BN_value_one()) > 0 &&
           BN_cmp(value, last.get()) < 0;
}

/// base ^ exponent modulo prime, in a time that doesn't tell the exponent.
bool power(const BIGNUM* base, Bytes exponent, const BIGNUM* prime, BIGNUM* result) {
    const BignumContextPtr context{BN_CTX_new()};
    const BignumPtr number = to_number(exponent);
    if (!context || !number) {
        return false;
    }
    BN_set_flags(number.get(), BN_FLG_CONSTTIME);
    return BN_mod_exp_mont_consttime(result, base, number.get(), prime, context.get(), nullptr) == 1;
}

Result<KeyPair> make_modp(Group group, Bytes random) {
    const BignumPtr prime = prime_of(group);
    const BignumPtr value{BN_new()};
    const BignumPtr generator{BN_new()};
    KeyPair pair{group, PrivateValue{random}, std::vector<std::uint8_t>(public_size(group))};
    if (!prime || !value || !generator || BN_set_word(generator.get(), 2) == 0 ||
        !power(generator.get(), random, prime.get(), value.get()) || !is_legal(value.get(), prime.get()) ||
        !write_number(value.get(), pair.public_value)) {
        return failed();
    }
    return pair;
}

Result<SharedSecret> modp_secret(const KeyPair& own, Bytes peer_public) {
    const BignumPtr prime = prime_of(own.group);
    const BignumPtr peer = to_number(peer_public);
    const BignumPtr value{BN_new()};
    if (!prime || !peer || !value) {
        return failed();
    }
    if (!is_legal(peer.get(), prime.get())) {
        return refused("the peer's public value is outside of 2 to p-2");
    }
    SharedSecret secret;
    if (!power(peer.get(), own.private_value.expose(), prime.get(), value.get()) ||
        !write_number(value.get(), secret.writable(shared_size(own.group)))) {
        return failed();
    }
    return secret;
}

}  // namespace

std::size_t public_size(Group group) {
    return shape_of(group).public_size;
}

std::size_t shared_size(Group group) {
    return shape_of(group).shared_size;
}

std::size_t private_size(Group group) {
    return shape_of(group).private_size;
}

Result<KeyPair> make_key_pair(Group group, Bytes random) {
    assert(random.size() == private_size(group));
    switch (shape_of(group).kind) {
        case Kind::modp:
            return make_modp(group, random);
        case Kind::ecp:
            return make_ecp(group, random);
        case Kind::montgomery:
            return make_montgomery(group, random);
    }
    std::unreachable();
}

Result<SharedSecret> shared_secret(const KeyPair& own, Bytes peer_public) {
    if (peer_public.size() != public_size(own.group)) {
        return refused("the peer's public value has " + std::to_string(peer_public.size()) + " bytes, expected " +
                       std::to_string(public_size(own.group)));
    }
    switch (shape_of(own.group).kind) {
        case Kind::modp:
            return modp_secret(own, peer_public);
        case Kind::ecp:
            return ecp_secret(own, peer_public);
        case Kind::montgomery:
            return montgomery_secret(own, peer_public);
    }
    std::unreachable();
}

}  // namespace keysluice::crypto
