#include "xfrm/encode.hpp"

#include <algorithm>
#include <cstring>

#include "xfrm/uapi.hpp"

namespace keysluice::xfrm {
namespace {

using netlink::bytes_of;
using netlink::Request;

constexpr std::uint32_t kAnyAlgorithm = UINT32_MAX;

// The key starts right where the structure ends.
static_assert(sizeof(xfrm_algo) == 68 && sizeof(xfrm_algo_auth) == 72 && sizeof(xfrm_algo_aead) == 72);

template <typename Struct>
Struct named(std::string_view name, Bytes key) {
    Struct raw{};
    std::ranges::copy(name.substr(0, sizeof(raw.alg_name) - 1), raw.alg_name);
    raw.alg_key_len = static_cast<unsigned int>(key.size() * 8);
    return raw;
}

void put_cipher(Request& request, const Cipher& cipher) {
    const Bytes key = cipher.key.expose();
    request.attribute(XFRMA_ALG_CRYPT, bytes_of(named<xfrm_algo>(cipher.name, key)), key);
}

void put_authentication(Request& request, const Authentication& authentication) {
    const Bytes key = authentication.key.expose();
    auto raw = named<xfrm_algo_auth>(authentication.name, key);
    raw.alg_trunc_len = authentication.trunc_bits;
    request.attribute(XFRMA_ALG_AUTH_TRUNC, bytes_of(raw), key);
}

struct PutAlgorithms {
    Request& request;

    void operator()(const Aead& aead) const {
        const Bytes key = aead.key.expose();
        auto raw = named<xfrm_algo_aead>(aead.name, key);
        raw.alg_icv_len = aead.icv_bits;
        request.attribute(XFRMA_ALG_AEAD, bytes_of(raw), key);
    }
    void operator()(const Classic& classic) const {
        if (!classic.auth.name.empty()) {
            put_authentication(request, classic.auth);
        }
        put_cipher(request, classic.cipher);
    }
    void operator()(const Authentication& authentication) const { put_authentication(request, authentication); }
};

struct Replay {
    std::uint32_t window;
    std::uint32_t words;
};

/// Linux 6.10, verify_newsa_info(): "Replay window should be 0 for output SA", "Replay bmp_len should 0 for output
/// SA". Before, xfrm_init_replay() wants a window of at least 1 with ESN, whatever the direction.
Replay replay_of(const Sa& sa, Dialect dialect) {
    const std::uint32_t without = sa.esn && !dialect.sa_direction ? 1 : 0;
    const std::uint32_t window = sa.direction == Direction::in ? sa.replay_window : without;
    return {window, (window + 31) / 32};
}

/// The old field holds up to 32 packets; larger windows and ESN have their own attribute, and then it must be 0.
bool needs_esn_state(const Sa& sa, const Replay& replay) {
    return sa.esn || replay.window > 32;
}

/// The structure alone: the kernel makes an empty bitmap of bmp_len words itself.
void put_esn_state(Request& request, const Replay& replay) {
    xfrm_replay_state_esn raw{};
    raw.bmp_len = replay.words;
    raw.replay_window = replay.window;
    request.attribute_of(XFRMA_REPLAY_ESN_VAL, raw);
}

std::uint64_t or_unlimited(std::uint64_t limit) {
    return limit == 0 ? uapi::kUnlimited : limit;
}

xfrm_lifetime_cfg lifetime(const Limits& hard, const Limits& soft) {
    xfrm_lifetime_cfg raw{};
    raw.soft_byte_limit = or_unlimited(soft.bytes);
    raw.hard_byte_limit = or_unlimited(hard.bytes);
    raw.soft_packet_limit = or_unlimited(soft.packets);
    raw.hard_packet_limit = or_unlimited(hard.packets);
    // Of seconds the kernel itself says: 0 is none.
    raw.soft_add_expires_seconds = soft.seconds;
    raw.hard_add_expires_seconds = hard.seconds;
    return raw;
}

xfrm_usersa_info information(const Sa& sa, const Replay& replay) {
    xfrm_usersa_info raw{};
    raw.id.daddr = uapi::address(sa.destination);
    raw.id.spi = htonl(sa.spi.value);
    raw.id.proto = uapi::number(sa.protocol);
    raw.saddr = uapi::address(sa.source);
    raw.lft = lifetime(sa.hard, sa.soft);
    raw.seq = sa.acquire_sequence;
    raw.reqid = sa.reqid.value;
    raw.family = uapi::number(sa.destination.family());
    raw.mode = uapi::number(sa.mode);
    raw.replay_window = needs_esn_state(sa, replay) ? 0 : static_cast<std::uint8_t>(replay.window);
    raw.flags = sa.esn ? XFRM_STATE_ESN : 0;
    if (sa.selector) {
        raw.sel = uapi::selector(*sa.selector);
    } else if (sa.mode == Mode::tunnel) {
        // Else the kernel fills in the outer family, and IPv6 does not pass through a tunnel over IPv4.
        raw.flags |= XFRM_STATE_AF_UNSPEC;
    }
    return raw;
}

xfrm_mark mark_of(const Mark& mark) {
    return {.v = mark.value, .m = mark.mask};
}

void put_encapsulation(Request& request, const UdpEncapsulation& ports) {
    xfrm_encap_tmpl raw{};
    raw.encap_type = uapi::kEspInUdp;
    raw.encap_sport = htons(ports.source_port);
    raw.encap_dport = htons(ports.destination_port);
    request.attribute_of(XFRMA_ENCAP, raw);
}

Request encode_sa(std::uint16_t type, const Sa& sa, Dialect dialect) {
    const Replay replay = replay_of(sa, dialect);
    Request request{type};
    request.structure(information(sa, replay));
    std::visit(PutAlgorithms{request}, sa.algorithms);
    if (sa.encapsulation) {
        put_encapsulation(request, *sa.encapsulation);
    }
    if (needs_esn_state(sa, replay)) {
        put_esn_state(request, replay);
    }
    if (sa.mark) {
        request.attribute_of(XFRMA_MARK, mark_of(*sa.mark));
    }
    if (sa.if_id) {
        request.attribute_of(XFRMA_IF_ID, sa.if_id->value);
    }
    if (sa.sequence_may_wrap) {
        request.attribute_of(XFRMA_SA_EXTRA_FLAGS, std::uint32_t{XFRM_SA_XFLAG_OSEQ_MAY_WRAP});
    }
    if (sa.offload) {
        put_offload(request, *sa.offload);
    }
    if (dialect.sa_direction) {
        request.attribute_of(uapi::kSaDir, sa.direction == Direction::in ? uapi::kSaDirIn : uapi::kSaDirOut);
    }
    return request;
}

Request encode_sa_id(std::uint16_t type, const SaId& id) {
    xfrm_usersa_id raw{};
    raw.daddr = uapi::address(id.destination);
    raw.spi = htonl(id.spi.value);
    raw.family = uapi::number(id.destination.family());
    raw.proto = uapi::number(id.protocol);
    Request request{type};
    request.structure(raw);
    if (id.mark) {
        request.attribute_of(XFRMA_MARK, mark_of(*id.mark));
    }
    return request;
}

xfrm_user_tmpl template_of(const Template& value, Family inner) {
    xfrm_user_tmpl raw{};
    raw.id.daddr = uapi::address(value.destination);
    raw.id.spi = htonl(value.spi.value_or(Spi{}).value);
    raw.id.proto = uapi::number(value.protocol);
    raw.family = uapi::number(value.mode == Mode::tunnel ? value.destination.family() : inner);
    raw.saddr = uapi::address(value.source);
    raw.reqid = value.reqid.value;
    raw.mode = uapi::number(value.mode);
    raw.optional = value.level == Level::use ? 1 : 0;
    raw.aalgos = raw.ealgos = raw.calgos = kAnyAlgorithm;
    return raw;
}

void put_templates(Request& request, const Policy& policy) {
    if (policy.templates.empty()) {
        return;
    }
    const Family inner = policy.selector.destination.address.family();
    std::vector<std::uint8_t> list;
    for (const Template& one : policy.templates) {
        const xfrm_user_tmpl raw = template_of(one, inner);
        list.insert(list.end(), bytes_of(raw).begin(), bytes_of(raw).end());
    }
    request.attribute(XFRMA_TMPL, list);
}

/// Both belong to a policy's name.
void put_mark_and_interface(Request& request, const std::optional<Mark>& mark, const std::optional<IfId>& if_id) {
    if (mark) {
        request.attribute_of(XFRMA_MARK, mark_of(*mark));
    }
    if (if_id) {
        request.attribute_of(XFRMA_IF_ID, if_id->value);
    }
}

Request encode_policy(std::uint16_t type, const Policy& policy) {
    xfrm_userpolicy_info raw{};
    raw.sel = uapi::selector(policy.selector);
    raw.lft = lifetime({}, {});
    raw.priority = policy.priority;
    raw.dir = uapi::policy_number(policy.direction);
    raw.action = policy.action == Action::allow ? XFRM_POLICY_ALLOW : XFRM_POLICY_BLOCK;
    Request request{type};
    request.structure(raw);
    put_templates(request, policy);
    put_mark_and_interface(request, policy.mark, policy.if_id);
    if (policy.offload_device) {
        put_offload(request, {.device = *policy.offload_device, .inbound = false, .packet = true});
    }
    return request;
}

}  // namespace

void put_offload(Request& request, const Offload& offload) {
    xfrm_user_offload raw{};
    raw.ifindex = static_cast<int>(offload.device);
    raw.flags = static_cast<std::uint8_t>((offload.inbound ? uapi::kOffloadInbound : 0U) |
                                          (offload.packet ? uapi::kOffloadPacket : 0U));
    request.attribute_of(XFRMA_OFFLOAD_DEV, raw);
}

Request encode_add(const Sa& sa, Dialect dialect) {
    return encode_sa(XFRM_MSG_NEWSA, sa, dialect);
}

Request encode_update(const Sa& sa, Dialect dialect) {
    return encode_sa(XFRM_MSG_UPDSA, sa, dialect);
}

Request encode_delete(const SaId& id) {
    return encode_sa_id(XFRM_MSG_DELSA, id);
}

Request encode_get(const SaId& id) {
    return encode_sa_id(XFRM_MSG_GETSA, id);
}

Request encode_sa_dump() {
    return Request{XFRM_MSG_GETSA};
}

Request encode_add(const Policy& policy) {
    return encode_policy(XFRM_MSG_NEWPOLICY, policy);
}

Request encode_update(const Policy& policy) {
    return encode_policy(XFRM_MSG_UPDPOLICY, policy);
}

Request encode_delete(const PolicyId& id) {
    xfrm_userpolicy_id raw{};
    raw.sel = uapi::selector(id.selector);
    raw.dir = uapi::policy_number(id.direction);
    Request request{XFRM_MSG_DELPOLICY};
    request.structure(raw);
    put_mark_and_interface(request, id.mark, id.if_id);
    return request;
}

Request encode_policy_dump() {
    return Request{XFRM_MSG_GETPOLICY};
}

Request encode_direction_question() {
    constexpr std::uint8_t kNoDirection = 0xff;
    Request request = encode_sa_id(XFRM_MSG_GETSA, {});
    request.attribute_of(uapi::kSaDir, kNoDirection);
    return request;
}

}  // namespace keysluice::xfrm
