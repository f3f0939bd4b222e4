#pragma once

#include <doctest/doctest.h>

#include <cstdlib>

#include "ktls/probe.hpp"

namespace keysluice::test {

/// What the running kernel can do, asked once.
inline const ktls::Capabilities& kernel_capabilities() {
    static const ktls::Capabilities capabilities = ktls::probe();
    return capabilities;
}

/// Whether to run a test that needs kTLS: `if (!kernel_has_ktls()) { return; }`.
///
/// Without kTLS this says that the test was skipped. In the guest (KEYSLUICE_GUEST is set) nothing is skipped: there
/// it is a failure.
inline bool kernel_has_ktls() {
    const ktls::Capabilities& capabilities = kernel_capabilities();
    if (!capabilities.absent) {
        return true;
    }
    if (std::getenv("KEYSLUICE_GUEST") != nullptr) {
        FAIL(capabilities.absent->sentence);
    }
    MESSAGE("skipped: ", capabilities.absent->sentence);
    return false;
}

/// The same for a kernel that can change keys, both ways; one that can not is no failure in the guest.
inline bool kernel_rekeys() {
    if (!kernel_has_ktls()) {
        return false;
    }
    if (!kernel_capabilities().rekeys_receiving || !kernel_capabilities().rekeys_sending) {
        MESSAGE("skipped: this kernel can't change keys; Linux 6.14 can");
        return false;
    }
    return true;
}

}  // namespace keysluice::test
