#include "xfrm/decode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "netlink/attribute_set.hpp"
#include "xfrm/uapi.hpp"

namespace keysluice::xfrm {
namespace {

using netlink::AttributeRule;
using netlink::AttributeSet;

constexpr auto kSaRules = std::to_array<AttributeRule>({
    {XFRMA_ALG_AEAD, sizeof(xfrm_algo_aead)},
    {XFRMA_ALG_CRYPT, sizeof(xfrm_algo)},
    {XFRMA_ALG_AUTH, sizeof(xfrm_algo)},
    {XFRMA_ALG_AUTH_TRUNC, sizeof(xfrm_algo_auth)},
    {XFRMA_ENCAP, sizeof(xfrm_encap_tmpl)},
    {XFRMA_REPLAY_VAL, sizeof(xfrm_replay_state)},
    {XFRMA_REPLAY_ESN_VAL, sizeof(xfrm_replay_state_esn)},
    {XFRMA_MARK, sizeof(xfrm_mark)},
    {XFRMA_IF_ID, sizeof(std::uint32_t)},
    {XFRMA_OFFLOAD_DEV, sizeof(xfrm_user_offload)},
    {uapi::kSaDir, sizeof(std::uint8_t)},
});
constexpr auto kPolicyRules = std::to_array<AttributeRule>({
    {XFRMA_TMPL, sizeof(xfrm_user_tmpl)},
    {XFRMA_MARK, sizeof(xfrm_mark)},
    {XFRMA_IF_ID, sizeof(std::uint32_t)},
    {XFRMA_OFFLOAD_DEV, sizeof(xfrm_user_offload)},
});

/// A structure at the start of a message and the attributes behind it.
template <typename Struct>
struct Parts {
    Struct fixed;
    AttributeSet attributes;
};

/// `least`: how much of the structure there must be; padding at its end may be missing.
template <typename Struct>
Result<Parts<Struct>> take(Bytes payload, std::span<const AttributeRule> rules, std::string_view what,
                           std::size_t least = sizeof(Struct)) {
    if (payload.size() < least) {
        return fail("netlink-malformed",
                    fmt::format("{} has {} bytes, expected at least {}", what, payload.size(), least));
    }
    Parts<Struct> parts{};
    std::memcpy(&parts.fixed, payload.data(), std::min(payload.size(), sizeof(Struct)));
    auto attributes = AttributeSet::parse(netlink::behind(payload, sizeof(Struct)), rules, what);
    if (!attributes) {
        return pass_on(std::move(attributes));
    }
    parts.attributes = *std::move(attributes);
    return parts;
}

template <std::size_t Size>
std::string text_of(const std::array<char, Size>& letters) {
    return {letters.begin(), std::ranges::find(letters, '\0')};
}

std::optional<Mark> mark_in(const AttributeSet& attributes) {
    const auto raw = attributes.get<xfrm_mark>(XFRMA_MARK);
    return raw ? std::optional(Mark{raw->v, raw->m}) : std::nullopt;
}

std::optional<IfId> if_id_in(const AttributeSet& attributes) {
    const auto raw = attributes.get<std::uint32_t>(XFRMA_IF_ID);
    return raw ? std::optional(IfId{*raw}) : std::nullopt;
}

std::uint64_t or_none(std::uint64_t limit) {
    return limit == uapi::kUnlimited ? 0 : limit;
}

/// Every description of an algorithm starts with its name. What follows it, the key above all, is not read.
using AlgorithmName = std::array<char, sizeof(xfrm_algo::alg_name)>;

void read_algorithms(SaState& state, const AttributeSet& attributes) {
    for (const std::uint16_t type : {XFRMA_ALG_AEAD, XFRMA_ALG_CRYPT}) {
        if (const auto name = attributes.get<AlgorithmName>(type)) {
            state.algorithm = text_of(*name);
        }
    }
    for (const std::uint16_t type : {XFRMA_ALG_AUTH, XFRMA_ALG_AUTH_TRUNC}) {
        if (const auto name = attributes.get<AlgorithmName>(type)) {
            state.authentication = text_of(*name);
        }
    }
}

/// xfrm_replay_state_esn without its bitmap.
struct EsnState {
    std::uint32_t bmp_len;
    std::uint32_t oseq;
    std::uint32_t seq;
    std::uint32_t oseq_hi;
    std::uint32_t seq_hi;
    std::uint32_t replay_window;
};
static_assert(sizeof(EsnState) == sizeof(xfrm_replay_state_esn));

std::uint64_t joined(std::uint32_t high, std::uint32_t low) {
    return std::uint64_t{high} << 32U | low;
}

void read_replay(SaState& state, const xfrm_usersa_info& fixed, const AttributeSet& attributes) {
    state.esn = (fixed.flags & XFRM_STATE_ESN) != 0;
    state.replay_window = fixed.replay_window;
    state.outside_window = fixed.stats.replay_window;
    state.replayed = fixed.stats.replay;
    state.integrity_failed = fixed.stats.integrity_failed;
    if (const auto replay = attributes.get<xfrm_replay_state>(XFRMA_REPLAY_VAL)) {
        state.sent = replay->oseq;
        state.received = replay->seq;
    }
    if (const auto replay = attributes.get<EsnState>(XFRMA_REPLAY_ESN_VAL)) {
        state.sent = joined(replay->oseq_hi, replay->oseq);
        state.received = joined(replay->seq_hi, replay->seq);
        state.replay_window = replay->replay_window;
    }
}

void read_options(SaState& state, const AttributeSet& attributes) {
    if (const auto raw = attributes.get<xfrm_encap_tmpl>(XFRMA_ENCAP)) {
        state.encapsulation = {.source_port = ntohs(raw->encap_sport), .destination_port = ntohs(raw->encap_dport)};
    }
    if (const auto raw = attributes.get<xfrm_user_offload>(XFRMA_OFFLOAD_DEV)) {
        state.offload = {.device = static_cast<std::uint32_t>(raw->ifindex),
                         .inbound = (raw->flags & uapi::kOffloadInbound) != 0,
                         .packet = (raw->flags & uapi::kOffloadPacket) != 0};
    }
    if (const auto raw = attributes.get<std::uint8_t>(uapi::kSaDir)) {
        state.direction = *raw == uapi::kSaDirIn ? Direction::in : Direction::out;
    }
    state.id.mark = mark_in(attributes);
    state.if_id = if_id_in(attributes);
}

void read_use(SaState& state, const xfrm_usersa_info& fixed) {
    state.bytes = fixed.curlft.bytes;
    state.packets = fixed.curlft.packets;
    state.added_at = fixed.curlft.add_time;
    state.used_at = fixed.curlft.use_time;
    state.hard = {.bytes = or_none(fixed.lft.hard_byte_limit),
                  .packets = or_none(fixed.lft.hard_packet_limit),
                  .seconds = fixed.lft.hard_add_expires_seconds};
    state.soft = {.bytes = or_none(fixed.lft.soft_byte_limit),
                  .packets = or_none(fixed.lft.soft_packet_limit),
                  .seconds = fixed.lft.soft_add_expires_seconds};
}

/// A whole list of templates; nothing where one of them is not of a kind that this program installs.
std::optional<std::vector<Template>> read_templates(const AttributeSet& attributes) {
    std::vector<Template> templates;
    Bytes rest = attributes.find(XFRMA_TMPL).value_or(Bytes{});
    while (rest.size() >= sizeof(xfrm_user_tmpl) && templates.size() < uapi::kMaxTemplates) {
        xfrm_user_tmpl raw{};
        std::memcpy(&raw, rest.data(), sizeof(raw));
        rest = rest.subspan(sizeof(raw));
        const auto family = uapi::family_of(raw.family);
        const auto protocol = uapi::protocol_of(raw.id.proto);
        const auto mode = uapi::mode_of(raw.mode);
        if (!family || !protocol || !mode) {
            return std::nullopt;
        }
        const Spi spi{ntohl(raw.id.spi)};
        templates.push_back({.source = uapi::address_of(raw.saddr, *family),
                             .destination = uapi::address_of(raw.id.daddr, *family),
                             .protocol = *protocol,
                             .mode = *mode,
                             .reqid = {raw.reqid},
                             .spi = spi == Spi{} ? std::nullopt : std::optional(spi),
                             .level = raw.optional != 0 ? Level::use : Level::required});
    }
    return templates;
}

Result<std::optional<Event>> decode_acquire(Bytes payload) {
    const auto parts = take<xfrm_user_acquire>(payload, kPolicyRules, "the kernel's request for an SA");
    if (!parts) {
        return std::unexpected(parts.error());
    }
    const auto& [fixed, attributes] = *parts;
    const auto packet = uapi::selector_of(fixed.sel);
    const auto policy = uapi::selector_of(fixed.policy.sel);
    auto templates = read_templates(attributes);
    if (!packet || !policy || !templates) {
        return std::nullopt;
    }
    // The structure does not say of which family its outer addresses are.
    const Family outer = templates->empty() ? packet->source.address.family() : templates->front().source.family();
    return Acquire{.source = uapi::address_of(fixed.saddr, outer),
                   .destination = uapi::address_of(fixed.id.daddr, outer),
                   .packet = *packet,
                   .policy = *policy,
                   .policy_index = fixed.policy.index,
                   .templates = *std::move(templates),
                   .if_id = if_id_in(attributes),
                   .mark = mark_in(attributes),
                   .sequence = fixed.seq};
}

Result<std::optional<Event>> decode_expire(Bytes payload) {
    // Behind `hard` there is only padding, which a short layout leaves out.
    const auto parts = take<xfrm_user_expire>(payload, kSaRules, "the kernel's note that an SA has expired",
                                              offsetof(xfrm_user_expire, hard) + sizeof(xfrm_user_expire::hard));
    if (!parts) {
        return std::unexpected(parts.error());
    }
    const auto& [fixed, attributes] = *parts;
    const auto family = uapi::family_of(fixed.state.family);
    const auto protocol = uapi::protocol_of(fixed.state.id.proto);
    if (!family || !protocol) {
        return std::nullopt;
    }
    return Expire{.id = {uapi::address_of(fixed.state.id.daddr, *family), Spi{ntohl(fixed.state.id.spi)}, *protocol,
                         mark_in(attributes)},
                  .source = uapi::address_of(fixed.state.saddr, *family),
                  .reqid = {fixed.state.reqid},
                  .hard = fixed.hard != 0,
                  .bytes = fixed.state.curlft.bytes,
                  .packets = fixed.state.curlft.packets};
}

Result<std::optional<Event>> decode_mapping(Bytes payload) {
    const auto parts = take<xfrm_user_mapping>(payload, {}, "the kernel's note of a changed UDP encapsulation");
    if (!parts) {
        return std::unexpected(parts.error());
    }
    const xfrm_user_mapping& fixed = parts->fixed;
    const auto family = uapi::family_of(fixed.id.family);
    const auto protocol = uapi::protocol_of(fixed.id.proto);
    if (!family || !protocol) {
        return std::nullopt;
    }
    return MappingChange{
        .id = {uapi::address_of(fixed.id.daddr, *family), Spi{ntohl(fixed.id.spi)}, *protocol},
        .reqid = {fixed.reqid},
        .before = {.address = uapi::address_of(fixed.old_saddr, *family), .port = ntohs(fixed.old_sport)},
        .after = {.address = uapi::address_of(fixed.new_saddr, *family), .port = ntohs(fixed.new_sport)}};
}

}  // namespace

Result<std::optional<SaState>> decode_sa(Bytes payload) {
    const auto parts = take<xfrm_usersa_info>(payload, kSaRules, "the kernel's description of an SA");
    if (!parts) {
        return std::unexpected(parts.error());
    }
    const auto& [fixed, attributes] = *parts;
    const auto family = uapi::family_of(fixed.family);
    const auto protocol = uapi::protocol_of(fixed.id.proto);
    const auto mode = uapi::mode_of(fixed.mode);
    if (!family || !protocol || !mode) {
        return std::nullopt;
    }
    SaState state;
    state.id = {uapi::address_of(fixed.id.daddr, *family), Spi{ntohl(fixed.id.spi)}, *protocol};
    state.source = uapi::address_of(fixed.saddr, *family);
    state.reqid = {fixed.reqid};
    state.mode = *mode;
    state.selector = uapi::selector_of(fixed.sel);
    state.acquire_sequence = fixed.seq;
    read_use(state, fixed);
    read_algorithms(state, attributes);
    read_replay(state, fixed, attributes);
    read_options(state, attributes);
    return state;
}

Result<std::optional<PolicyState>> decode_policy(Bytes payload) {
    const auto parts = take<xfrm_userpolicy_info>(payload, kPolicyRules, "the kernel's description of a policy");
    if (!parts) {
        return std::unexpected(parts.error());
    }
    const auto& [fixed, attributes] = *parts;
    const auto direction = uapi::direction_of_policy(fixed.dir);
    const auto selector = uapi::selector_of(fixed.sel);
    auto templates = read_templates(attributes);
    if (!direction || !selector || !templates) {
        return std::nullopt;
    }
    PolicyState state{.policy = {.direction = *direction,
                                 .selector = *selector,
                                 .priority = fixed.priority,
                                 .action = fixed.action == XFRM_POLICY_ALLOW ? Action::allow : Action::block,
                                 .templates = *std::move(templates),
                                 .if_id = if_id_in(attributes),
                                 .mark = mark_in(attributes)},
                      .index = fixed.index,
                      .added_at = fixed.curlft.add_time,
                      .used_at = fixed.curlft.use_time};
    if (const auto raw = attributes.get<xfrm_user_offload>(XFRMA_OFFLOAD_DEV)) {
        state.policy.offload_device = static_cast<std::uint32_t>(raw->ifindex);
    }
    return state;
}

Result<std::optional<Event>> decode_event(std::uint16_t type, Bytes payload) {
    switch (type) {
        case XFRM_MSG_ACQUIRE:
            return decode_acquire(payload);
        case XFRM_MSG_EXPIRE:
            return decode_expire(payload);
        case XFRM_MSG_MAPPING:
            return decode_mapping(payload);
        default:
            return std::nullopt;
    }
}

}  // namespace keysluice::xfrm
