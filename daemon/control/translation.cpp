#include "daemon/control/translation.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace keysluice::control {
namespace {

namespace algorithms = xfrm::algorithms;

struct Hash {
    std::string_view name;
    std::uint16_t trunc_bits = 0;
};

Hash hash_of(ike::IntegrityId id) {
    switch (id) {
        case ike::IntegrityId::none:
            break;
        case ike::IntegrityId::hmac_md5_96:
            return {algorithms::kHmacMd5, 96};
        case ike::IntegrityId::hmac_sha1_96:
            return {algorithms::kHmacSha1, 96};
        case ike::IntegrityId::aes_xcbc_96:
            return {algorithms::kAesXcbc, 96};
        case ike::IntegrityId::hmac_sha2_256_128:
            return {algorithms::kHmacSha256, 128};
        case ike::IntegrityId::hmac_sha2_384_192:
            return {algorithms::kHmacSha384, 192};
        case ike::IntegrityId::hmac_sha2_512_256:
            return {algorithms::kHmacSha512, 256};
    }
    return {};
}

std::string_view cipher_of(ike::EncryptionId id) {
    switch (id) {
        case ike::EncryptionId::des3:
            return algorithms::k3DesCbc;
        case ike::EncryptionId::null:
            return algorithms::kNullCipher;
        case ike::EncryptionId::aes_cbc:
            return algorithms::kAesCbc;
        case ike::EncryptionId::aes_ctr:
            return algorithms::kAesCtr;
        case ike::EncryptionId::aes_ccm_16:
            return algorithms::kAesCcm;
        case ike::EncryptionId::aes_gcm_16:
            return algorithms::kAesGcm;
        case ike::EncryptionId::chacha20_poly1305:
            return algorithms::kChaCha20Poly1305;
    }
    assert(false);
    return {};
}

xfrm::Mode mode_of(ike::Mode mode) {
    switch (mode) {
        case ike::Mode::tunnel:
            return xfrm::Mode::tunnel;
        case ike::Mode::transport:
            return xfrm::Mode::transport;
    }
    assert(false);
    return xfrm::Mode::tunnel;
}

std::optional<xfrm::IfId> interface_of(const ike::ChildSaSpec& spec) {
    return spec.interface_id == 0 ? std::nullopt : std::optional(xfrm::IfId{spec.interface_id});
}

/// What both directions have in common.
xfrm::Sa sa_of(const ike::ChildSaSpec& spec, xfrm::ReqId reqid, ike::ChildDirectionKeys keys) {
    xfrm::Sa sa;
    sa.reqid = reqid;
    sa.mode = mode_of(spec.mode);
    sa.algorithms = kernel_algorithms(spec.suite, std::move(keys));
    sa.esn = spec.suite.esn;
    sa.if_id = interface_of(spec);
    sa.soft = {.bytes = spec.lifetime.bytes, .packets = spec.lifetime.packets, .seconds = 0};
    sa.hard = hard_limit(spec.lifetime);
    return sa;
}

}  // namespace

xfrm::Algorithms kernel_algorithms(const ike::EspSuite& suite, ike::ChildDirectionKeys keys) {
    const std::string_view name = cipher_of(suite.encryption.id);
    if (ike::is_aead(suite.encryption.id)) {
        return xfrm::Aead{.name = name, .key = std::move(keys.encryption), .icv_bits = 128};
    }
    const Hash hash = hash_of(suite.integrity);
    return xfrm::Classic{
        .cipher = {.name = name, .key = std::move(keys.encryption)},
        .auth = {.name = hash.name, .key = std::move(keys.integrity), .trunc_bits = hash.trunc_bits}};
}

xfrm::Limits hard_limit(const ike::ChildLifetime& lifetime) {
    const Duration limit = 2 * lifetime.time + std::chrono::hours(1);
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(limit).count();
    return {
        .bytes = 2 * lifetime.bytes, .packets = 2 * lifetime.packets, .seconds = static_cast<std::uint64_t>(seconds)};
}

bool is_ours(xfrm::ReqId reqid) {
    return reqid.value > kReqIdMark && reqid.value < kReqIdMark + kReqIdCount;
}

bool is_ours(const xfrm::Policy& policy) {
    return std::ranges::any_of(policy.templates, [](const xfrm::Template& each) { return is_ours(each.reqid); });
}

xfrm::SaId inbound_id(const ike::ChildSaSpec& spec) {
    return {.destination = spec.local, .spi = {spec.inbound.value}};
}

xfrm::SaId outbound_id(const ike::ChildSaSpec& spec) {
    return {.destination = spec.remote, .spi = {spec.outbound.value}};
}

xfrm::Sa inbound_sa(const ike::ChildSaSpec& spec, xfrm::ReqId reqid, ike::ChildDirectionKeys keys) {
    xfrm::Sa sa = sa_of(spec, reqid, std::move(keys));
    sa.direction = xfrm::Direction::in;
    sa.source = spec.remote;
    sa.destination = spec.local;
    sa.spi = {spec.inbound.value};
    if (spec.udp_ports) {
        const auto [local, remote] = *spec.udp_ports;
        sa.encapsulation = xfrm::UdpEncapsulation{.source_port = remote, .destination_port = local};
    }
    return sa;
}

xfrm::Sa outbound_sa(const ike::ChildSaSpec& spec, xfrm::ReqId reqid, ike::ChildDirectionKeys keys,
                     std::uint32_t acquire_sequence) {
    xfrm::Sa sa = sa_of(spec, reqid, std::move(keys));
    sa.direction = xfrm::Direction::out;
    sa.source = spec.local;
    sa.destination = spec.remote;
    sa.spi = {spec.outbound.value};
    if (spec.udp_ports) {
        const auto [local, remote] = *spec.udp_ports;
        sa.encapsulation = xfrm::UdpEncapsulation{.source_port = local, .destination_port = remote};
    }
    sa.acquire_sequence = acquire_sequence;
    return sa;
}

xfrm::Relocation relocation_of(const xfrm::SaId& id, const xfrm::Sa& to) {
    return {.id = id,
            .reqid = to.reqid,
            .source = to.source,
            .destination = to.destination,
            .encapsulation = to.encapsulation};
}

xfrm::Sa given_to(const std::optional<xfrm::Offload>& offload, xfrm::Sa sa) {
    if (offload) {
        sa.offload = {
            .device = offload->device, .inbound = sa.direction == xfrm::Direction::in, .packet = offload->packet};
    }
    return sa;
}

xfrm::Policy given_to(const std::optional<xfrm::Offload>& offload, xfrm::Policy policy) {
    if (offload && offload->packet) {
        policy.offload_device = offload->device;
    }
    return policy;
}

ike::ChildDirectionKeys keys_of_zeros(const ike::EspSuite& suite) {
    ike::ChildDirectionKeys keys;
    std::ranges::fill(keys.encryption.writable(ike::encryption_key_size(suite.encryption)), std::uint8_t{0});
    std::ranges::fill(keys.integrity.writable(ike::integrity_key_size(suite.integrity)), std::uint8_t{0});
    return keys;
}

xfrm::Policy policy_of(const ike::ChildSaSpec& spec, xfrm::Direction direction, const xfrm::Selector& selector,
                       xfrm::ReqId reqid, xfrm::Purpose purpose) {
    xfrm::Template protection;
    protection.mode = mode_of(spec.mode);
    protection.reqid = reqid;
    const bool out = direction == xfrm::Direction::out;
    if (spec.mode == ike::Mode::tunnel && spec.several_gateways && !out) {
        // Only SAs of this child have the number, and on the way from one gateway to another both may send.
        protection.source = IpAddress::lowest(spec.remote.family());
        protection.destination = protection.source;
    } else if (spec.mode == ike::Mode::tunnel) {
        protection.source = out ? spec.local : spec.remote;
        protection.destination = out ? spec.remote : spec.local;
    } else {
        protection.source = IpAddress::lowest(selector.source.address.family());
        protection.destination = protection.source;
    }
    return {.direction = direction,
            .selector = selector,
            .priority = xfrm::priority_of(selector, purpose),
            .action = xfrm::Action::allow,
            .templates = {protection},
            .if_id = interface_of(spec)};
}

}  // namespace keysluice::control
