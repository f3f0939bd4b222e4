#include "daemon/control/ike_kernel.hpp"

#include <algorithm>

#include "daemon/control/translate.hpp"

namespace keysluice::control {
namespace {

/// RFC 4303 section 2.1: "The set of SPI values in the range 1 through 255 are reserved".
constexpr std::uint32_t kFirstSpi = 256;

bool is_ours(const xfrm::Policy& policy) {
    return std::ranges::any_of(policy.templates,
                               [](const xfrm::Template& each) { return control::is_ours(each.reqid); });
}

}  // namespace

Result<xfrm::Capabilities> probe_for_ike(xfrm::Kernel& kernel, Random& random) {
    Secret<64> key;
    random.fill(key.writable(64));
    const xfrm::Spi spi{std::max(random.number<std::uint32_t>(), kFirstSpi)};
    xfrm::Capabilities capabilities = xfrm::probe(kernel, {.key = key, .spi = spi});
    if (!capabilities.esp_ipv4 && !capabilities.esp_ipv6) {
        return capabilities.missing.empty() ? fail("kernel-without-esp", "the kernel takes no ESP SAs")
                                            : std::unexpected(capabilities.missing.front());
    }
    return capabilities;
}

Result<void> sweep(xfrm::Kernel& kernel) {
    const auto sas = kernel.sas();
    const auto policies = kernel.policies();
    if (!sas || !policies) {
        return std::unexpected(!sas ? sas.error() : policies.error());
    }
    xfrm::Transaction leftovers;
    for (const xfrm::SaState& sa : *sas) {
        // A placeholder goes by itself.
        if (control::is_ours(sa.reqid) && sa.id.spi.value != 0) {
            leftovers.remove(sa.id);
        }
    }
    for (const xfrm::PolicyState& each : *policies) {
        if (is_ours(each.policy)) {
            leftovers.remove(each.policy.id());
        }
    }
    return kernel.apply(leftovers);
}

std::vector<Error> look_for_missing(Random& random) {
    auto kernel = xfrm::Kernel::open();
    if (!kernel) {
        return {kernel.error()};
    }
    auto capabilities = probe_for_ike(*kernel, random);
    if (!capabilities) {
        return {capabilities.error()};
    }
    return capabilities->missing;
}

}  // namespace keysluice::control
