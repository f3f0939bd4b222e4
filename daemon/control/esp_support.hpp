#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/control/ike_configuration.hpp"
#include "xfrm/probe.hpp"

namespace keysluice::control {

/// A child that can't be negotiated: there is no algorithm left for it.
struct RefusedChild {
    std::string connection;
    std::string child;
    Error why;  ///< "kernel-lacks"

    bool operator==(const RefusedChild& other) const {
        return connection == other.connection && child == other.child && why.reason == other.why.reason &&
               why.sentence == other.why.sentence;
    }
};

struct EspFit {
    std::set<std::string_view> left_out;  ///< algorithms as the kernel calls them, that some proposal has named
    std::vector<RefusedChild> refused;
};

/// Leaves out of the connections' ESP proposals what the kernel has not got, so that it is neither offered nor
/// chosen; then children without a proposal, then connections without a child. For rules by which nobody negotiates
/// yet: they change.
[[nodiscard]] EspFit fit(std::vector<IkeConnection>& connections, const xfrm::Capabilities& kernel);

}  // namespace keysluice::control
