#include "daemon/control/policy_question.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/control/policy_terms.hpp"
#include "daemon/shared/quoted.hpp"

namespace keysluice::control {
namespace {

using policy::Dimension;
using policy::Interval;

std::string_view said(const QuestionTexts& texts, std::string_view key) {
    const auto found = texts.find(key);
    return found == texts.end() || found->second == "any" ? std::string_view() : found->second;
}

std::unexpected<Error> bad(std::string_view key, std::string_view text, std::string_view expected) {
    return fail("bad-question", fmt::format("{} = {}: expected {}", key, in_quotes(text), expected));
}

Interval& at(policy::Box& box, Dimension dimension) {
    return box.at(static_cast<std::size_t>(dimension));
}

/// The families that the addresses leave, and their ranges.
struct Addresses {
    std::optional<policy::AddressRange> local;
    std::optional<policy::AddressRange> remote;

    [[nodiscard]] bool fit(Family family) const {
        return (!local || local->first.family() == family) && (!remote || remote->first.family() == family);
    }
    /// All packets of the family that have them.
    [[nodiscard]] policy::Box packets(Family family) const {
        policy::Box box;
        for (std::size_t i = 0; i < policy::kDimensions; ++i) {
            box.at(i) = whole(static_cast<Dimension>(i), family);
        }
        for (const auto& [dimension, range] :
             {std::pair(Dimension::local_address, &local), std::pair(Dimension::remote_address, &remote)}) {
            if (*range) {
                at(box, dimension) = {policy::number_of((*range)->first), policy::number_of((*range)->last)};
            }
        }
        return box;
    }
};

Result<std::optional<policy::AddressRange>> read_address(const QuestionTexts& texts, std::string_view key) {
    const std::string_view text = said(texts, key);
    if (text.empty()) {
        return std::optional<policy::AddressRange>();
    }
    const auto range = parse_address_range(text);
    if (!range) {
        return bad(key, text, "an address, a prefix, a range (\"10.0.0.1-10.0.0.9\") or any");
    }
    return range;
}

Result<Interval> read_ports(const QuestionTexts& texts, std::string_view key, std::optional<std::uint8_t> protocol) {
    const std::string_view text = said(texts, key);
    const bool portly = protocol && policy::has_ports(*protocol);
    const bool icmp = protocol && policy::is_icmp(*protocol);
    constexpr policy::Number kMost = 0xffff;
    constexpr policy::Number kMostOfIcmp = 0xff;
    if (text.empty()) {
        return Interval{portly ? policy::Number{1} : policy::Number{0}, icmp ? kMostOfIcmp : kMost};
    }
    const auto range = parse_port_range(text);
    if (!range || (!portly && !icmp)) {
        return bad(key, text,
                   range ? "a protocol that has ports beside it (or icmp, ipv6-icmp: type and code)"
                         : "a port, a range (\"1024-65535\") or any");
    }
    return Interval{range->first, range->last};
}

}  // namespace

Result<PolicyQuestion> read_question(const QuestionTexts& texts) {
    const std::string_view direction = said(texts, "direction");
    if (direction != "in" && direction != "out") {
        return bad("direction", direction, "in or out");
    }
    const std::string_view named = said(texts, "protocol");
    const std::optional<std::uint8_t> protocol = parse_protocol(named);
    if (!named.empty() && !protocol) {
        return bad("protocol", named, kExpectedProtocol);
    }
    const auto local = read_address(texts, "local_address");
    const auto remote = read_address(texts, "remote_address");
    const auto local_ports = read_ports(texts, "local_port", protocol);
    const auto remote_ports = read_ports(texts, "remote_port", protocol);
    for (const Error* error :
         {local ? nullptr : &local.error(), remote ? nullptr : &remote.error(),
          local_ports ? nullptr : &local_ports.error(), remote_ports ? nullptr : &remote_ports.error()}) {
        if (error != nullptr) {
            return std::unexpected(*error);
        }
    }
    const Addresses addresses{.local = *local, .remote = *remote};
    PolicyQuestion question;
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        if (!addresses.fit(family)) {
            continue;
        }
        policy::Question& each = question.families.emplace_back();
        each.direction = direction == "in" ? policy::Direction::in : policy::Direction::out;
        each.family = family;
        each.packets = addresses.packets(family);
        if (protocol) {
            at(each.packets, Dimension::protocol) = {*protocol, *protocol};
        }
        at(each.packets, Dimension::local_port) = *local_ports;
        at(each.packets, Dimension::remote_port) = *remote_ports;
    }
    if (question.families.empty()) {
        return fail("bad-question", "local_address and remote_address are of two families: no packet has both");
    }
    return question;
}

}  // namespace keysluice::control
