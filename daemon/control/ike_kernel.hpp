#pragma once

#include <vector>

#include "base/random.hpp"
#include "base/result.hpp"
#include "daemon/control/databases.hpp"
#include "daemon/control/inventory.hpp"
#include "xfrm/kernel.hpp"
#include "xfrm/probe.hpp"

namespace keysluice::control {

/// What the running kernel can do for IKE. Fails as xfrm::Kernel::open() does, and with "kernel-without-esp", in
/// words that say which option or module is missing.
[[nodiscard]] Result<xfrm::Capabilities> probe_for_ike(xfrm::Kernel& kernel, Random& random);

/// What an earlier process of ours left behind. Fails as Databases does.
[[nodiscard]] Result<Inventory> look_for_ours(Databases& databases);

/// Whether there are SAs, policies or interfaces of ours in the kernel, which must be from an earlier process.
[[nodiscard]] bool left_behind();

/// What `keysluiced --check` says about the kernel, one sentence each; nothing where it has all that IKE can use.
[[nodiscard]] std::vector<Error> look_for_missing(Random& random);

}  // namespace keysluice::control
