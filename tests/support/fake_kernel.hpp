#pragma once

#include <map>
#include <string>

#include "ike/actions.hpp"

namespace keysluice::ike::testing {

/// A kernel that remembers which CHILD SAs it was given, with their keys, and complains about what a real one would
/// refuse.
class FakeKernel {
   public:
    struct Half {
        ChildSaSpec spec;
        std::string keys;  ///< of a test, so they may be looked at
    };

    /// What the kernel says to it.
    Result<void> install(const InstallChild& action);
    Result<void> install(const InstallOutbound& action);
    void move(const MoveChild& action);
    void remove(const RemoveChild& action);
    void remove(const RemoveOutbound& action);
    /// As at a hard limit.
    void delete_expired(EspSpi inbound);

    [[nodiscard]] const std::map<EspSpi, Half>& inbound() const { return inbound_; }
    [[nodiscard]] const std::map<EspSpi, Half>& outbound() const { return outbound_; }
    /// The outbound SA that a packet takes: the newest of a reqid.
    [[nodiscard]] const Half* newest_outbound() const;
    [[nodiscard]] bool empty() const { return inbound_.empty() && outbound_.empty(); }

    /// What a real kernel would have refused, or a bug of the caller; empty while all is well.
    [[nodiscard]] const std::string& fault() const { return fault_; }

    bool refuses = false;  ///< as a kernel without the algorithm does

   private:
    void expect(bool holds, const char* what);
    void add_outbound(const ChildSaSpec& spec, const ChildDirectionKeys& keys, std::optional<EspSpi> replaces);

    std::map<EspSpi, Half> inbound_;
    std::map<EspSpi, Half> outbound_;
    EspSpi newest_;
    std::string fault_;
};

}  // namespace keysluice::ike::testing
