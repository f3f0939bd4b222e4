#pragma once

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <set>
#include <string>

#include "daemon/control/translate.hpp"
#include "daemon/control/translation.hpp"

namespace keysluice::control::testing {

template <std::size_t Capacity>
Secret<Capacity> secret(std::size_t size, std::uint8_t fill) {
    Secret<Capacity> key;
    for (std::uint8_t& octet : key.writable(size)) {
        octet = fill;
    }
    return key;
}

inline ike::ChildDirectionKeys keys(std::uint8_t fill, std::size_t encryption = 36, std::size_t integrity = 0) {
    return {.encryption = secret<36>(encryption, fill), .integrity = secret<64>(integrity, fill)};
}

inline ike::ChildSaSpec spec(std::uint32_t inbound, std::uint32_t outbound) {
    ike::ChildSaSpec made;
    made.connection = "hq";
    made.child = "net";
    made.reqid = {1};
    made.local = *IpAddress::parse("192.0.2.1");
    made.remote = *IpAddress::parse("198.51.100.7");
    made.inbound = {inbound};
    made.outbound = {outbound};
    made.suite = {.encryption = {ike::EncryptionId::aes_gcm_16, 256}, .integrity = {}, .group = {}, .esn = false};
    made.local_selectors = {ike::parse_selector("10.1.0.0/16").value()};
    made.remote_selectors = {ike::parse_selector("10.2.0.0/16").value()};
    return made;
}

inline ike::InstallChild whole(ike::ChildSaSpec made, std::optional<std::uint32_t> replaces = {}) {
    ike::InstallChild action{
        .spec = std::move(made), .inbound = keys(0xaa), .outbound = keys(0xbb), .replaces_outbound = {}};
    if (replaces) {
        action.replaces_outbound = ike::EspSpi{*replaces};
    }
    return action;
}

inline ike::InstallChild inbound_only(ike::ChildSaSpec made) {
    ike::InstallChild action = whole(std::move(made));
    action.outbound.reset();
    return action;
}

/// SAD and SPD as the kernel would have them.
struct Tables {
    void carry_out(const xfrm::Transaction& transaction) {
        for (const xfrm::Relocation& each : transaction.relocations()) {
            auto sa = sas.extract(each.id);
            REQUIRE(sa);
            CHECK(sa.mapped() == each.reqid);
            sa.key() = each.after();
            sas.insert(std::move(sa));
            encapsulated[each.after()] = each.encapsulation;
        }
        for (const auto& addition : transaction.additions()) {
            std::visit([this](const auto& each) { add(each); }, addition);
        }
        for (const auto& removal : transaction.removals()) {
            std::visit([this](const auto& each) { remove(each); }, removal);
        }
    }
    void carry_out(const Result<xfrm::Transaction>& transaction) {
        REQUIRE(transaction);
        carry_out(*transaction);
    }

    void add(const xfrm::Sa& sa) { CHECK(sas.emplace(sa.id(), sa.reqid).second); }
    void add(const xfrm::Policy& policy) { CHECK(policies.emplace(policy.id(), policy).second); }
    void add(const xfrm::Transaction::Replacement& replacement) {
        policies.insert_or_assign(replacement.policy.id(), replacement.policy);
    }
    void add(const xfrm::Transaction::Move& move) {
        CHECK(sas.at(move.to.id()) == move.to.reqid);
        moved.push_back(move.to.encapsulation.value());
    }
    void remove(const xfrm::SaId& id) { CHECK(sas.erase(id) == 1); }
    void remove(const xfrm::PolicyId& id) { CHECK(policies.erase(id) == 1); }
    void remove(const xfrm::Policy& replacement) { policies.insert_or_assign(replacement.id(), replacement); }

    /// "c1 c2": the SPIs, sorted.
    [[nodiscard]] std::string spis() const {
        std::set<std::uint32_t> all;
        for (const auto& [id, reqid] : sas) {
            all.insert(id.spi.value);
        }
        std::string text;
        for (const std::uint32_t each : all) {
            text += (text.empty() ? "" : " ") + std::to_string(each);
        }
        return text;
    }
    [[nodiscard]] bool empty() const { return sas.empty() && policies.empty(); }
    /// The number in the policy for packets that go out.
    [[nodiscard]] xfrm::ReqId out() const {
        for (const auto& [id, policy] : policies) {
            if (id.direction == xfrm::Direction::out) {
                return policy.templates.at(0).reqid;
            }
        }
        return {};
    }

    std::map<xfrm::SaId, xfrm::ReqId> sas;
    std::map<xfrm::PolicyId, xfrm::Policy> policies;
    std::vector<xfrm::UdpEncapsulation> moved;
    std::map<xfrm::SaId, std::optional<xfrm::UdpEncapsulation>> encapsulated;  ///< of what was relocated
};

inline const Error kRefused{"netlink-refused", "no"};
inline const Error kExists{"xfrm-exists", "there is one"};

inline bool is_empty(const xfrm::Transaction& transaction) {
    return transaction.additions().empty() && transaction.removals().empty();
}

}  // namespace keysluice::control::testing
