#include "policy/discard_rules.hpp"

#include <netinet/in.h>

#include <array>
#include <utility>

namespace keysluice::policy {

namespace nft = netlink::nft;

namespace {

/// "drop", so that it is easy to see in `ip xfrm state`.
constexpr std::uint32_t kDrainNumber = 0x64726f70;
/// Which no packet may have as its source (see drain()).
constexpr std::array<std::uint8_t, 16> kNobody{0xff, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7};
constexpr std::array<std::uint8_t, 16> kLoopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

IpAddress address(const std::array<std::uint8_t, 16>& octets) {
    return IpAddress::from_octets(octets).value_or(IpAddress{});
}

/// What is done with packets that belong to the policy.
void count(std::vector<nft::Rule>& rules, const Policy& policy) {
    const std::string label = discard_label(policy);
    if (policy.disposition == Disposition::protect) {
        rules.push_back({.chain = label, .steps = {nft::Decapsulated{}, nft::Verdict::leave}});
    }
    rules.push_back(
        {.chain = label, .steps = {nft::Count{label}, nft::OnceAMinute{}, nft::Log{label, kDiscardLogGroup}}});
    if (policy.direction == Direction::out) {
        rules.push_back({.chain = label, .steps = {nft::Verdict::drop}});
    }
}

nft::Fits protocols(std::vector<nft::Interval> any_of) {
    return {.field = nft::Field::protocol, .family = Family::ipv4, .any_of = std::move(any_of)};
}

/// What the kernel's policies never see.
void leave_alone(std::vector<nft::Rule>& rules, std::span<const std::uint16_t> own_ports) {
    const auto leave = [&rules](std::vector<nft::Step> steps) {
        steps.emplace_back(nft::Verdict::leave);
        rules.push_back({.chain = std::string(kInputChain), .steps = std::move(steps)});
    };
    leave({nft::LaterFragment{}});
    leave({nft::OfFamily{Family::ipv4}, nft::FromLoopback{}});
    leave({protocols({{IPPROTO_ESP, IPPROTO_AH}})});
    for (const std::uint16_t each : own_ports) {
        leave({protocols({{IPPROTO_UDP, IPPROTO_UDP}}),
               nft::Fits{.field = nft::Field::destination_port, .family = Family::ipv4, .any_of = {{each, each}}}});
    }
}

}  // namespace

xfrm::Template drain() {
    return {.source = address(kNobody),
            .destination = address(kLoopback),
            .protocol = xfrm::Protocol::esp,
            .mode = xfrm::Mode::tunnel,
            .reqid = {kDrainNumber}};
}

xfrm::Sa drain_sa(xfrm::Aead key) {
    const xfrm::Template lead_to = drain();
    return {.direction = xfrm::Direction::out,
            .source = lead_to.source,
            .destination = lead_to.destination,
            .protocol = lead_to.protocol,
            .spi = {kDrainNumber},
            .reqid = lead_to.reqid,
            .mode = lead_to.mode,
            .algorithms = std::move(key),
            .esn = true,
            .replay_window = 0};
}

bool counts_discards(const Policy& policy) {
    return policy.disposition == Disposition::discard ||
           (policy.disposition == Disposition::protect && policy.direction == Direction::in);
}

std::string discard_label(const Policy& policy) {
    return (policy.direction == Direction::in ? "in." : "out.") + policy.name;
}

DiscardTable discard_table(std::span<const Policy> policies, std::span<const std::uint16_t> own_ports) {
    DiscardTable table{.chains = {std::string(kDrained)}, .rules = {}};
    leave_alone(table.rules, own_ports);
    table.rules.push_back({.chain = std::string(kOutputChain),
                           .steps = {nft::BoundFor{drain().reqid.value}, nft::Goto{std::string(kDrained)}}});
    std::vector<DiscardChoice> in;
    std::vector<DiscardChoice> out;
    for (const Policy& each : policies) {
        const bool counts = counts_discards(each);
        if (counts) {
            table.chains.push_back(discard_label(each));
            count(table.rules, each);
        }
        // What goes to the drain fits no policy before the one that has led it there, so only these differ.
        if (each.direction == Direction::in) {
            in.push_back(
                {.policy = &each,
                 .then = counts ? nft::Step(nft::Goto{discard_label(each)}) : nft::Step(nft::Verdict::leave)});
        } else if (counts) {
            out.push_back({.policy = &each, .then = nft::Goto{discard_label(each)}});
        }
    }
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        find_first(table, kInputChain, family, in);
        find_first(table, kDrained, family, out);
    }
    table.rules.push_back({.chain = std::string(kDrained), .steps = {nft::Verdict::drop}});
    return table;
}

}  // namespace keysluice::policy
