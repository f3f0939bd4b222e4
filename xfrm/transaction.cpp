#include "xfrm/transaction.hpp"

#include <fmt/format.h>

#include <string_view>

namespace keysluice::xfrm {
namespace {

using netlink::Request;

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};

std::string_view word(Protocol protocol) {
    return protocol == Protocol::esp ? "ESP" : "AH";
}

std::string_view word(Direction direction) {
    switch (direction) {
        case Direction::in:
            return "in";
        case Direction::out:
            return "out";
        case Direction::fwd:
            return "fwd";
    }
    return {};
}

}  // namespace

Transaction Transaction::take_sas() {
    Transaction sas;
    std::vector<Addition> others;
    for (Addition& addition : additions_) {
        (std::holds_alternative<Sa>(addition) ? sas.additions_ : others).push_back(std::move(addition));
    }
    additions_ = std::move(others);
    return sas;
}

void Transaction::forgo_offload() {
    for (Addition& addition : additions_) {
        if (auto* sa = std::get_if<Sa>(&addition)) {
            sa->offload.reset();
        }
    }
}

Request encode(const Transaction::Addition& addition, Dialect dialect) {
    return std::visit(Overloaded{
                          [&](const Sa& sa) { return encode_add(sa, dialect); },
                          [](const Policy& policy) { return encode_add(policy); },
                          [](const Transaction::Replacement& pair) { return encode_update(pair.policy); },
                          [&](const Transaction::Move& move) { return encode_update(move.to, dialect); },
                      },
                      addition);
}

Request encode_undo(const Transaction::Addition& addition, Dialect dialect) {
    return std::visit(Overloaded{
                          [](const Sa& sa) { return encode_delete(sa.id()); },
                          [](const Policy& policy) { return encode_delete(policy.id()); },
                          [](const Transaction::Replacement& pair) {
                              return pair.before ? encode_update(*pair.before) : encode_delete(pair.policy.id());
                          },
                          [&](const Transaction::Move& move) { return encode_update(move.from, dialect); },
                      },
                      addition);
}

Request encode(const Transaction::Removal& removal) {
    return std::visit(Overloaded{
                          [](const Policy& policy) { return encode_update(policy); },
                          [](const auto& id) { return encode_delete(id); },
                      },
                      removal);
}

std::string describe(const SaId& id) {
    return fmt::format("the {} SA {:08x} to {}", word(id.protocol), id.spi.value, id.destination.text());
}

std::string describe(const PolicyId& id) {
    return fmt::format("the {} policy for {} to {}", word(id.direction), id.selector.source.text(),
                       id.selector.destination.text());
}

std::string describe(const Transaction::Addition& addition) {
    return std::visit(Overloaded{
                          [](const Transaction::Replacement& pair) { return describe(pair.policy.id()); },
                          [](const Transaction::Move& move) { return describe(move.to.id()); },
                          [](const auto& added) { return describe(added.id()); },
                      },
                      addition);
}

std::string describe(const Transaction::Removal& removal) {
    return std::visit(Overloaded{
                          [](const Policy& policy) { return describe(policy.id()); },
                          [](const auto& id) { return describe(id); },
                      },
                      removal);
}

}  // namespace keysluice::xfrm
