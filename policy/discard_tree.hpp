#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "netlink/nftables.hpp"
#include "policy/region.hpp"

namespace keysluice::policy {

/// What nftables is to hold: chains, beside those to start with, and the rules of all of them.
struct DiscardTable {
    std::vector<std::string> chains;
    std::vector<netlink::nft::Rule> rules;

    bool operator==(const DiscardTable&) const = default;
};

/// A policy and what is done with a packet that it is the first to fit.
struct DiscardChoice {
    const Policy* policy = nullptr;
    netlink::nft::Step then;
};

/// Appends to `table` how packets of one family that come to the chain `from` find the first policy that fits. Few
/// choices are asked one after the other. Many are first told apart by an address, the protocol or a port, again and
/// again, so that a packet meets few of ten thousand. All are of one direction.
void find_first(DiscardTable& table, std::string_view from, Family family, const std::vector<DiscardChoice>& choices);

}  // namespace keysluice::policy
