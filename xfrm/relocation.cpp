#include "xfrm/relocation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "netlink/attribute_set.hpp"
#include "xfrm/encode.hpp"
#include "xfrm/uapi.hpp"

namespace keysluice::xfrm {
namespace {

using netlink::AttributeRule;
using netlink::AttributeSet;
using netlink::Request;

constexpr std::string_view kWhat = "the kernel's description of an SA that moves";

/// What the kernel says of an SA and does not take back, or what is not to be as it was.
constexpr std::array kLeftOut{
    static_cast<std::uint16_t>(XFRMA_SA),
    static_cast<std::uint16_t>(XFRMA_LASTUSED),
    static_cast<std::uint16_t>(XFRMA_OFFLOAD_DEV),
    static_cast<std::uint16_t>(XFRMA_PAD),
};

void put_encapsulation(Request& request, const std::optional<UdpEncapsulation>& ports) {
    xfrm_encap_tmpl raw{};
    if (ports) {
        raw.encap_type = uapi::kEspInUdp;
        raw.encap_sport = htons(ports->source_port);
        raw.encap_dport = htons(ports->destination_port);
    }
    request.attribute_of(XFRMA_ENCAP, raw);
}

bool is_about(const xfrm_usersa_info& sa, const SaId& id) {
    return sa.id.spi == htonl(id.spi.value) && sa.id.proto == uapi::number(id.protocol) &&
           sa.family == uapi::number(id.destination.family()) &&
           uapi::address_of(sa.id.daddr, id.destination.family()) == id.destination;
}

/// The key behind an algorithm's description of `size` bytes; all of them start as xfrm_algo does.
bool is_zeros(Bytes description, std::size_t size) {
    const Bytes key = description.size() > size ? description.subspan(size) : Bytes{};
    return !key.empty() && std::ranges::all_of(key, [](std::uint8_t octet) { return octet == 0; });
}

/// A deleted SA as it was.
struct Deleted {
    xfrm_usersa_info sa{};
    Bytes all;  ///< its attributes

    [[nodiscard]] Request again(std::optional<std::uint16_t> left_out) const {
        Request request{XFRM_MSG_NEWSA};
        request.structure(sa);
        Bytes rest = all;
        while (const auto attribute = netlink::next_attribute(rest)) {
            const bool kept = std::ranges::find(kLeftOut, attribute->type) == kLeftOut.end();
            if (kept && attribute->type != left_out) {
                request.attribute(attribute->type, attribute->payload);
            }
        }
        // The structure has the counters too, and there the kernel does not read them.
        request.attribute_of(XFRMA_LTIME_VAL, sa.curlft);
        return request;
    }
};

/// Nothing where the note is about another SA.
Result<std::optional<Deleted>> parse_deletion(Bytes deletion, const SaId& id) {
    static constexpr auto kWhole = std::to_array<AttributeRule>({{XFRMA_SA, sizeof(xfrm_usersa_info)}});
    const Bytes all = netlink::behind(deletion, sizeof(xfrm_usersa_id));
    const auto attributes = AttributeSet::parse(all, kWhole, kWhat);
    if (!attributes) {
        return std::unexpected(attributes.error());
    }
    const auto found = attributes->get<xfrm_usersa_info>(XFRMA_SA);
    if (!found || !is_about(*found, id)) {
        return std::optional<Deleted>{};
    }
    Deleted deleted{.sa = *found, .all = all};
    deleted.sa.seq = 0;
    return std::optional(deleted);
}

}  // namespace

Request encode_migration(const Relocation& relocation) {
    uapi::MigrateState raw{};
    raw.id.daddr = uapi::address(relocation.id.destination);
    raw.id.spi = htonl(relocation.id.spi.value);
    raw.id.family = uapi::number(relocation.id.destination.family());
    raw.id.proto = uapi::number(relocation.id.protocol);
    raw.new_daddr = uapi::address(relocation.destination);
    raw.new_saddr = uapi::address(relocation.source);
    raw.new_reqid = relocation.reqid.value;
    raw.new_family = uapi::number(relocation.destination.family());
    raw.flags = uapi::kMigrateClearOffload;
    if (relocation.id.mark) {
        raw.old_mark = {.v = relocation.id.mark->value, .m = relocation.id.mark->mask};
    }
    Request request{uapi::kMigrateState};
    request.structure(raw);
    put_encapsulation(request, relocation.encapsulation);
    return request;
}

Request encode_migration_question() {
    constexpr Spi kNobodys{0xffffffff};
    const IpAddress nowhere = IpAddress::highest(Family::ipv4);
    return encode_migration(
        {.id = {.destination = nowhere, .spi = kNobodys}, .reqid = {}, .source = nowhere, .destination = nowhere});
}

Result<bool> hides_keys(Bytes payload) {
    static constexpr auto kAlgorithms = std::to_array<AttributeRule>({
        {XFRMA_ALG_AEAD, sizeof(xfrm_algo_aead)},
        {XFRMA_ALG_CRYPT, sizeof(xfrm_algo)},
        {XFRMA_ALG_AUTH_TRUNC, sizeof(xfrm_algo_auth)},
    });
    const auto attributes =
        AttributeSet::parse(netlink::behind(payload, sizeof(xfrm_usersa_info)), kAlgorithms, kWhat);
    if (!attributes) {
        return std::unexpected(attributes.error());
    }
    return std::ranges::any_of(kAlgorithms, [&](const AttributeRule& each) {
        const auto found = attributes->find(each.type);
        return found && is_zeros(*found, each.minimum);
    });
}

Result<std::optional<Request>> encode_again(Bytes deletion, const Relocation& relocation) {
    auto parsed = parse_deletion(deletion, relocation.id);
    if (!parsed) {
        return std::unexpected(parsed.error());
    }
    std::optional<Deleted>& deleted = *parsed;
    if (!deleted) {
        return std::optional<Request>{};
    }
    xfrm_usersa_info& sa = deleted->sa;
    sa.id.daddr = uapi::address(relocation.destination);
    sa.saddr = uapi::address(relocation.source);
    sa.family = uapi::number(relocation.destination.family());
    Request request = deleted->again(XFRMA_ENCAP);
    if (relocation.encapsulation) {
        put_encapsulation(request, relocation.encapsulation);
    }
    return std::optional(std::move(request));
}

Result<std::optional<Request>> encode_again(Bytes deletion, const Rebinding& rebinding) {
    const auto parsed = parse_deletion(deletion, rebinding.id);
    if (!parsed) {
        return std::unexpected(parsed.error());
    }
    const std::optional<Deleted>& deleted = *parsed;
    if (!deleted) {
        return std::optional<Request>{};
    }
    Request request = deleted->again({});
    if (rebinding.offload) {
        put_offload(request, *rebinding.offload);
    }
    return std::optional(std::move(request));
}

}  // namespace keysluice::xfrm
