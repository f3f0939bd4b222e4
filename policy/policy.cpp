#include "policy/policy.hpp"

#include <netinet/in.h>

#include <utility>

#include "policy/priorities.hpp"

namespace keysluice::policy {

bool has_ports(std::uint8_t protocol) {
    return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
           protocol == IPPROTO_DCCP || protocol == IPPROTO_UDPLITE;
}

bool is_icmp(std::uint8_t protocol) {
    return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

namespace {

bool discards(Otherwise otherwise, Direction direction, Family family) {
    switch (otherwise) {
        case Otherwise::ipv6_only:
            return family == Family::ipv6;
        case Otherwise::bypass:
            return false;
        case Otherwise::deny:
            return direction == Direction::in;
        case Otherwise::deny_all:
            return true;
    }
    std::unreachable();
}

}  // namespace

std::vector<Policy> policies_for(Otherwise otherwise) {
    std::vector<Policy> policies;
    for (const Direction direction : {Direction::in, Direction::out}) {
        for (const Family family : {Family::ipv4, Family::ipv6}) {
            policies.push_back(
                {.name = std::string(kOtherwiseName),
                 .direction = direction,
                 .disposition = discards(otherwise, direction, family) ? Disposition::discard : Disposition::bypass,
                 .remote = {{IpAddress::lowest(family), IpAddress::highest(family)}},
                 .priority = kLastPriority});
        }
    }
    return policies;
}

}  // namespace keysluice::policy
