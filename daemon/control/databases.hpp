#pragma once

#include <vector>

#include "base/result.hpp"
#include "xfrm/kernel.hpp"

namespace keysluice::control {

/// SAD and SPD as IKE uses them. All calls block, and are made by one thread.
class Databases {
   public:
    Databases() = default;
    Databases(const Databases&) = delete;
    Databases& operator=(const Databases&) = delete;
    virtual ~Databases() = default;

    // As those of xfrm::Kernel.
    [[nodiscard]] virtual Result<void> apply(const xfrm::Transaction& transaction) = 0;
    [[nodiscard]] virtual Result<std::vector<xfrm::SaState>> sas() = 0;
};

/// Those of the running kernel.
class KernelDatabases final : public Databases {
   public:
    explicit KernelDatabases(xfrm::Kernel kernel) : kernel_(std::move(kernel)) {}

    Result<void> apply(const xfrm::Transaction& transaction) override { return kernel_.apply(transaction); }
    Result<std::vector<xfrm::SaState>> sas() override { return kernel_.sas(); }

   private:
    xfrm::Kernel kernel_;
};

}  // namespace keysluice::control
