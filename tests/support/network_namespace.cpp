#include "tests/support/network_namespace.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>

namespace keysluice::test {
namespace {

UniqueFd current_namespace() {
    return UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
}

}  // namespace

NetworkNamespace::NetworkNamespace() {
    const UniqueFd before = current_namespace();
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    handle_ = current_namespace();
    REQUIRE(::setns(before.get(), CLONE_NEWNET) == 0);
    shell("ip link set lo up");
}

NetworkNamespace::Inside::Inside(const NetworkNamespace& there) : before_(current_namespace()) {
    REQUIRE(::setns(there.handle_.get(), CLONE_NEWNET) == 0);
}

NetworkNamespace::Inside::~Inside() {
    if (::setns(before_.get(), CLONE_NEWNET) != 0) {
        std::abort();
    }
}

void NetworkNamespace::shell(const std::string& command) const {
    const Inside inside{*this};
    CAPTURE(command);
    REQUIRE(std::system(command.c_str()) == 0);
}

std::string NetworkNamespace::path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(handle_.get());
}

NamespacePair::NamespacePair() {
    left.shell("ip link add veth type veth peer name veth netns " + right.path());
    // Without duplicate address detection, which would hold the addresses back for a second.
    left.shell("ip addr add 10.0.0.1/24 dev veth && ip addr add fd00::1/64 dev veth nodad && ip link set veth up");
    right.shell("ip addr add 10.0.0.2/24 dev veth && ip addr add fd00::2/64 dev veth nodad && ip link set veth up");
}

}  // namespace keysluice::test
