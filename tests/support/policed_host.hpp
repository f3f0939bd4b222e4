#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/control/discard_counter.hpp"
#include "daemon/control/discard_log.hpp"
#include "tests/support/network_namespace.hpp"

namespace keysluice::test {

/// A UDP datagram or a SYN; of neither, nobody waits for an answer.
struct Sent {
    int type = 0;  ///< SOCK_DGRAM or SOCK_STREAM
    IpAddress from;
    IpAddress to;
    std::uint16_t from_port = 0;  ///< 0: any
    std::uint16_t to_port = 0;
    unsigned times = 1;
};

/// A host with policies, and another one that it talks to. Both have 10.0.0.x and fd00::x, the host .1 and .3, the
/// other .2 and .4.
struct PolicedHost {
    PolicedHost();

    /// Counts for these policies, and has the kernel obey them.
    void load(std::vector<policy::Policy> policies);
    void count_anew();
    [[nodiscard]] std::vector<std::uint64_t> counts();
    /// "in.NAME 5 out.OTHER 7 ": those that are not 0.
    [[nodiscard]] std::string counted();
    /// Whether ESP is there, so that what goes out is counted; in the guest it must be.
    [[nodiscard]] bool counts_out() const;
    /// One of the lines of /proc/net/xfrm_stat.
    [[nodiscard]] std::uint64_t statistic(const std::string& name) const;

    void send_out(const Sent& sent) const { send(here(), sent); }
    void send_in(const Sent& sent) const { send(there(), sent); }

    [[nodiscard]] const NetworkNamespace& here() const { return pair.left; }
    [[nodiscard]] const NetworkNamespace& there() const { return pair.right; }

    NamespacePair pair;
    std::optional<control::DiscardCounter> counter;
    std::optional<xfrm::Kernel> kernel;
    std::vector<policy::Policy> loaded;
    std::vector<policy::KernelEntry> entries;

   private:
    static void send(const NetworkNamespace& from, const Sent& sent);
};

/// A socket that takes datagrams, and how many are in it.
class Mailbox {
   public:
    Mailbox(const NetworkNamespace& where, const IpAddress& address, std::uint16_t port);
    [[nodiscard]] unsigned empty() const;

   private:
    UniqueFd socket_;
};

[[nodiscard]] inline IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

}  // namespace keysluice::test
