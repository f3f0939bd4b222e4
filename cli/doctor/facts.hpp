#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/result.hpp"
#include "netlink/features.hpp"

namespace keysluice::doctor {

/// absent: this kernel was made without it. installed: it is loaded when somebody asks for it. present: it is loaded,
/// or a part of the kernel.
enum class Module : std::uint8_t { unknown, absent, installed, present };

struct KernelFacts {
    std::string release;                                 ///< "6.1.0-40-amd64"
    bool administrator = false;                          ///< whoever looked has CAP_NET_ADMIN
    std::map<std::string, Module, std::less<>> modules;  ///< by name, with "_"
    bool ktls = false;                                   ///< it takes keys of TLS
    bool ktls_rekeys = false;                            ///< and other ones later
    std::optional<Error> ktls_absent;                    ///< why it does not
    /// What it lacks for ESP; nothing: only an administrator can try.
    std::optional<std::vector<Error>> esp_missing;

    [[nodiscard]] Module module(std::string_view name) const {
        const auto found = modules.find(name);
        return found == modules.end() ? Module::unknown : found->second;
    }
};

using netlink::Feature;

struct DeviceFacts {
    std::string name;
    bool up = false;
    bool loopback = false;
    std::uint32_t mtu = 0;
    Feature esp = Feature::missing;            ///< esp-hw-offload
    Feature esp_checksum = Feature::missing;   ///< esp-tx-csum-hw-offload
    Feature tls_sending = Feature::missing;    ///< tls-hw-tx-offload
    Feature tls_receiving = Feature::missing;  ///< tls-hw-rx-offload
};

struct Process {
    pid_t pid = 0;
    std::string name;  ///< at most 15 characters, which it chose itself
};

/// Somebody who gets what comes to an address and a port.
struct SocketFacts {
    bool udp = false;  ///< else TCP that listens
    IpAddress address;
    std::uint16_t port = 0;
    std::optional<Process> owner;  ///< nothing: nobody may see who
};

struct CertificateFacts {
    std::string of;  ///< "service shop"
    std::string path;
    bool hidden = false;             ///< whoever looked may not read it
    std::optional<Error> error;      ///< it can't be read, or is not valid now
    std::chrono::sys_seconds end{};  ///< of the certificate in it that ends first
};

/// A file with a secret: nobody looks into it.
struct SecretFacts {
    std::string of;
    std::string path;
    std::string user;         ///< the system user that has to read it: "keysluice-engine"
    std::string problem;      ///< why there is nothing to see; empty: there is
    bool hidden = false;      ///< because whoever looked may not
    bool by_all = false;      ///< everybody may read it
    bool changeable = false;  ///< somebody beside its owner may write it
    bool by_user = true;      ///< `user` may read it; true where there is no such user
};

struct ClockFacts {
    std::chrono::sys_seconds now{};
    bool synchronised = false;
};

/// What was found on a host.
struct Facts {
    KernelFacts kernel;
    std::map<std::string, std::int64_t, std::less<>> sysctls;  ///< "net/ipv4/ip_forward"; those that there are
    std::vector<DeviceFacts> devices;
    std::vector<SocketFacts> sockets;
    std::vector<Process> processes;  ///< of this network namespace, as far as that can be seen
    ClockFacts clock;
    std::vector<CertificateFacts> certificates;
    std::vector<SecretFacts> secrets;
};

}  // namespace keysluice::doctor
