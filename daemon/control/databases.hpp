#pragma once

#include <optional>
#include <vector>

#include "base/result.hpp"
#include "netlink/features.hpp"
#include "netlink/route.hpp"
#include "xfrm/kernel.hpp"

namespace keysluice::control {

/// SAD and SPD as IKE uses them, and what goes with them. All calls block, and are made by one thread.
class Databases {
   public:
    Databases() = default;
    Databases(const Databases&) = delete;
    Databases& operator=(const Databases&) = delete;
    virtual ~Databases() = default;

    // As those of xfrm::Kernel.
    [[nodiscard]] virtual Result<void> apply(const xfrm::Transaction& transaction) = 0;
    [[nodiscard]] virtual Result<std::vector<xfrm::SaState>> sas() = 0;
    [[nodiscard]] virtual Result<std::vector<xfrm::PolicyState>> policies() = 0;
    [[nodiscard]] virtual Result<xfrm::SaState> sa(const xfrm::SaId& id) = 0;

    /// The network device by which packets go there. Fails as netlink::device_towards() does.
    [[nodiscard]] virtual Result<netlink::Device> device_towards(const IpAddress& local, const IpAddress& remote) = 0;
    /// Whether the device of that index does ESP's cryptography now. Nothing: it is gone, or does not tell.
    [[nodiscard]] virtual std::optional<netlink::Feature> esp_feature(std::uint32_t device) = 0;
};

/// Those of the running kernel.
class KernelDatabases final : public Databases {
   public:
    KernelDatabases(xfrm::Kernel kernel, netlink::Socket routes)
        : kernel_(std::move(kernel)), routes_(std::move(routes)) {}

    Result<void> apply(const xfrm::Transaction& transaction) override { return kernel_.apply(transaction); }
    Result<std::vector<xfrm::SaState>> sas() override { return kernel_.sas(); }
    Result<std::vector<xfrm::PolicyState>> policies() override { return kernel_.policies(); }
    Result<xfrm::SaState> sa(const xfrm::SaId& id) override { return kernel_.sa(id); }
    Result<netlink::Device> device_towards(const IpAddress& local, const IpAddress& remote) override {
        return netlink::device_towards(routes_, local, remote);
    }
    std::optional<netlink::Feature> esp_feature(std::uint32_t device) override {
        const auto features = netlink::features_of(netlink::device_name(device), {&netlink::kEspFeature, 1});
        return features ? std::optional(features->front()) : std::nullopt;
    }

   private:
    xfrm::Kernel kernel_;
    netlink::Socket routes_;
};

}  // namespace keysluice::control
