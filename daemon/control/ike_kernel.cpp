#include "daemon/control/ike_kernel.hpp"

#include <linux/netlink.h>

#include <algorithm>

#include "daemon/control/translation.hpp"
#include "netlink/xfrm_interfaces.hpp"

namespace keysluice::control {
namespace {

/// RFC 4303 section 2.1: "The set of SPI values in the range 1 through 255 are reserved".
constexpr std::uint32_t kFirstSpi = 256;

}  // namespace

Result<xfrm::Capabilities> probe_for_ike(xfrm::Kernel& kernel, Random& random) {
    Secret<64> key;
    random.fill(key.writable(64));
    const xfrm::Spi spi{std::max(random.number<std::uint32_t>(), kFirstSpi)};
    xfrm::Capabilities capabilities = xfrm::probe(kernel, {.key = key, .spi = spi});
    if (!capabilities.esp_ipv4 && !capabilities.esp_ipv6) {
        return capabilities.missing.empty() ? fail("kernel-without-esp", "the kernel takes no ESP SAs")
                                            : std::unexpected<Error>(capabilities.missing.front());
    }
    return capabilities;
}

Result<Inventory> look_for_ours(Databases& databases) {
    auto sas = databases.sas();
    const auto policies = databases.policies();
    if (!sas || !policies) {
        return std::unexpected(!sas ? sas.error() : policies.error());
    }
    Inventory found;
    for (xfrm::SaState& sa : *sas) {
        if (is_ours(sa.reqid) && sa.id.spi.value != 0) {
            const xfrm::SaId id = sa.id;
            found.sas.emplace(id, std::move(sa));
        }
    }
    for (const xfrm::PolicyState& each : *policies) {
        if (is_ours(each.policy)) {
            found.policies.push_back(each.policy);
        }
    }
    return found;
}

bool left_behind() {
    if (auto interfaces = netlink::XfrmInterfaces::open()) {
        if (const auto ours = interfaces->ours(); ours && !ours->empty()) {
            return true;
        }
    }
    auto kernel = xfrm::Kernel::open();
    auto routes = netlink::Socket::open(NETLINK_ROUTE);
    if (!kernel || !routes) {
        return false;
    }
    KernelDatabases databases(*std::move(kernel), *std::move(routes));
    const auto found = look_for_ours(databases);
    return found && (!found->sas.empty() || !found->policies.empty());
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
    return {capabilities->missing.begin(), capabilities->missing.end()};
}

}  // namespace keysluice::control
