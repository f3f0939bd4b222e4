#pragma once

#include <atomic>
#include <functional>
#include <map>

#include "daemon/control/databases.hpp"

namespace keysluice::test {

/// SAD and SPD that a test can look into while nothing waits for them.
class FakeDatabases final : public control::Databases {
   public:
    /// What is there, and what the test wants of it. Outlives the databases, which their thread owns.
    struct Tables {
        std::map<xfrm::SaId, xfrm::SaState> sas;
        std::map<xfrm::PolicyId, xfrm::Policy> policies;
        /// Says no, or nothing.
        std::function<Result<void>(const xfrm::Transaction&)> refuse;
        std::size_t transactions = 0;
        /// By which everything goes.
        Result<netlink::Device> device = netlink::Device{7, "eth7"};
        /// Of these, the device takes over what it is asked to.
        std::function<bool(const xfrm::Sa&)> takes = [](const xfrm::Sa&) { return false; };
        /// Of every device.
        std::function<std::optional<netlink::Feature>()> esp_feature = [] { return netlink::Feature::on; };
        bool takes_packets = true;  ///< or only their cryptography, when it is asked for both
        bool tells = true;          ///< what became of one SA
    };

    explicit FakeDatabases(Tables& tables) : tables_(tables) {}

    Result<void> apply(const xfrm::Transaction& transaction) override;
    Result<std::vector<xfrm::SaState>> sas() override;
    Result<std::vector<xfrm::PolicyState>> policies() override;
    Result<xfrm::SaState> sa(const xfrm::SaId& id) override;
    Result<netlink::Device> device_towards(const IpAddress& /*local*/, const IpAddress& /*remote*/) override {
        return tables_.device;
    }
    std::optional<netlink::Feature> esp_feature(std::uint32_t /*device*/) override { return tables_.esp_feature(); }

   private:
    void add(const xfrm::Sa& sa);
    void add(const xfrm::Policy& policy) { tables_.policies.insert_or_assign(policy.id(), policy); }
    void add(const xfrm::Transaction::Replacement& pair) { add(pair.policy); }
    void add(const xfrm::Transaction::Move& move) {
        tables_.sas.at(move.to.id()).encapsulation = move.to.encapsulation;
    }
    void remove(const xfrm::SaId& id) { tables_.sas.erase(id); }
    void remove(const xfrm::PolicyId& id) { tables_.policies.erase(id); }
    void remove(const xfrm::Policy& replacement) { add(replacement); }

    Tables& tables_;
};

}  // namespace keysluice::test
