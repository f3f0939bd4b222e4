#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/instant.hpp"

namespace keysluice::cli {

// What the service answers, as plain values: the members are those of dbus/*.xml, with their names, units and words.
// Text is as it came: valid UTF-8, and whatever a peer chose. Nothing of it goes to a terminal but through
// printable().

/// What the kernel has counted for one direction of a CHILD SA.
struct Traffic {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    Instant installed = Instant::min();  ///< min(): the kernel has not got it
    Instant used = Instant::min();       ///< the last packet; min(): none yet

    bool operator==(const Traffic&) const = default;
};

/// org.keysluice1.Manager.GetSaCounters
struct ChildCounters {
    Traffic in = {};
    Traffic out = {};
    std::uint32_t outside_window = 0;
    std::uint32_t replayed = 0;
    std::uint32_t broken = 0;

    bool operator==(const ChildCounters&) const = default;
};

/// org.keysluice1.IkeSa.Children
struct ChildSa {
    std::string name = {};
    std::string state = {};
    std::string mode = {};
    std::uint32_t spi_in = 0;
    std::uint32_t spi_out = 0;
    std::vector<std::string> local_ts = {};
    std::vector<std::string> remote_ts = {};
    std::string suite = {};
    Instant rekey_due = Instant::max();  ///< max(): never
    std::string offload_requested = {};
    std::string offload = {};
    std::string offload_device = {};
    std::string offload_reason = {};
    std::optional<ChildCounters> counters = {};  ///< where they were asked for, and the kernel has it

    bool operator==(const ChildSa&) const = default;
};

/// org.keysluice1.Manager.ListSas
struct IkeSa {
    std::uint64_t spi = 0;
    std::uint64_t peer_spi = 0;
    std::string connection = {};
    bool initiator = false;
    std::string state = {};
    std::string local = {};
    std::string remote = {};
    std::string local_id = {};
    std::string remote_id = {};
    std::string suite = {};
    Instant established = Instant::min();              ///< min(): not yet
    Instant rekey_due = Instant::max();                ///< max(): never
    std::vector<std::string> virtual_addresses = {};   ///< the peer gave us
    std::vector<std::string> assigned_addresses = {};  ///< we gave the peer
    std::vector<std::string> dns = {};                 ///< the peer told us, as the next
    std::vector<std::string> domains = {};
    std::string interface = {};
    std::vector<ChildSa> children = {};

    bool operator==(const IkeSa&) const = default;
};

/// A child of the configuration that can't be negotiated.
struct RefusedChild {
    std::string child = {};
    std::string reason = {};
    std::string sentence = {};

    bool operator==(const RefusedChild&) const = default;
};

/// org.keysluice1.Connection
struct Connection {
    std::string name = {};
    std::vector<std::string> groups = {};
    std::string local = {};
    std::string remote = {};
    std::string local_id = {};
    std::string remote_id = {};
    std::string auth = {};
    std::string remote_auth = {};
    std::string start = {};
    std::vector<std::string> children = {};
    std::vector<RefusedChild> refused = {};
    std::vector<std::string> gateways = {};
    std::string gateway = {};

    bool operator==(const Connection&) const = default;
};

/// org.keysluice1.TlsService, with what GetCounters answers.
struct TlsService {
    std::string name = {};
    std::vector<std::string> groups = {};
    bool open = true;
    std::string mode = {};
    std::vector<std::string> listen = {};
    std::vector<std::string> connect = {};
    std::string server_name = {};
    std::string client_certificate = {};
    std::string min_version = {};
    std::string verify_peer = {};
    std::string max_version = {};
    std::vector<std::string> ciphers = {};
    std::vector<std::string> ciphersuites = {};
    std::vector<std::string> key_exchange_groups = {};
    std::string plaintext_remote = {};
    std::string send_proxy = {};
    std::string accept_proxy = {};
    std::string offload_requested = {};
    std::map<std::string, std::uint64_t> counters = {};
    std::uint32_t silent = 0;  ///< engines and relays that have not answered: what they count is missing

    bool operator==(const TlsService&) const = default;
};

/// org.keysluice1.Manager.ListTlsSessions
struct TlsSession {
    std::uint64_t id = 0;
    std::string service = {};
    std::string local = {};
    std::string remote = {};
    std::string backend = {};
    std::string version = {};
    std::string suite = {};
    Instant established = Instant::min();  ///< min(): not known
    std::string offload_requested = {};
    std::string offload = {};
    std::string device = {};
    std::string reason = {};

    bool operator==(const TlsSession&) const = default;
};

/// org.keysluice1.Manager
struct Manager {
    std::string version = {};
    std::uint32_t api_version = 0;
    std::vector<std::string> features = {};
    std::string ike_failure = {};

    bool operator==(const Manager&) const = default;
};

/// What the configuration has.
struct Configured {
    std::vector<Connection> connections = {};  ///< sorted by name, as the services are
    std::vector<TlsService> services = {};
};

/// One of org.keysluice1.Manager.Events
struct Event {
    std::uint64_t time = 0;  ///< µs since 1970
    std::string kind = {};
    std::string connection = {};
    std::string child = {};
    std::uint64_t ike_spi = 0;
    std::uint32_t spi_in = 0;
    std::uint32_t spi_out = 0;
    std::string peer = {};
    std::string reason = {};
    std::string sentence = {};
    std::string from = {};  ///< of what goes another way: our end and the peer's, or the gateway
    std::string to = {};

    bool operator==(const Event&) const = default;
};

}  // namespace keysluice::cli
