#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.hpp"
#include "base/result.hpp"
#include "netlink/nest.hpp"
#include "netlink/request.hpp"
#include "netlink/socket.hpp"

/// Tables of nftables, of the family inet, as values (include/uapi/linux/netfilter/nf_tables.h).
namespace keysluice::netlink::nft {

/// Large enough for an IPv6 address.
__extension__ using Number = unsigned __int128;

/// Both ends belong to it.
struct Interval {
    Number first = 0;
    Number last = 0;

    bool operator==(const Interval&) const = default;
};

enum class Field : std::uint8_t {
    protocol,
    source_address,
    destination_address,
    source_port,
    destination_port,
    icmp_type,
    icmp_code,
};

// What a rule asks and does, one after the other: with the first thing that does not hold the rule is over, and the
// next rule follows.

struct OfFamily {
    Family family;
    bool operator==(const OfFamily&) const = default;
};
/// `any_of` is sorted, and neither overlaps nor touches. Ask for the family first, and before ports or ICMP's types
/// for the protocol.
struct Fits {
    Field field;
    Family family;
    std::vector<Interval> any_of;
    bool operator==(const Fits&) const = default;
};
struct Branch {
    Interval part;
    std::string chain;
    bool operator==(const Branch&) const = default;
};
/// Goes on in the chain of the part in which the field lies, and comes back where that ends. `chains` is sorted, and
/// does not overlap.
struct Dispatch {
    Field field;
    Family family;
    std::vector<Branch> chains;
    bool operator==(const Dispatch&) const = default;
};
/// Came by an SA of ours. For the hook `input`.
struct Decapsulated {
    bool operator==(const Decapsulated&) const = default;
};
/// Goes out by an SA with this number. For the hook `postrouting`.
struct BoundFor {
    std::uint32_t reqid;
    bool operator==(const BoundFor&) const = default;
};
struct FromLoopback {
    bool operator==(const FromLoopback&) const = default;
};
/// Of IPv6, and not the first of its datagram.
struct LaterFragment {
    bool operator==(const LaterFragment&) const = default;
};
struct Count {
    std::string counter;
    bool operator==(const Count&) const = default;
};
/// Holds for one packet, and for the next one a minute later.
struct OnceAMinute {
    bool operator==(const OnceAMinute&) const = default;
};
/// For a PacketLog.
struct Log {
    std::string prefix;
    std::uint16_t group;
    bool operator==(const Log&) const = default;
};
enum class Verdict : std::uint8_t { leave, drop };
struct Goto {
    std::string chain;
    bool operator==(const Goto&) const = default;
};
using Step = std::variant<OfFamily, Fits, Dispatch, Decapsulated, BoundFor, FromLoopback, LaterFragment, Count,
                          OnceAMinute, Log, Verdict, Goto>;

struct Rule {
    std::string chain;
    std::vector<Step> steps;

    bool operator==(const Rule&) const = default;
};

enum class Hook : std::uint8_t { input, postrouting };
/// Who may change a table.
enum class Ownership : std::uint8_t {
    anybody,
    /// The socket that makes it, and nobody else. It stays when the socket is closed, and another one may take it
    /// over (Linux 6.9).
    socket,
};

/// The longest name of chains and counters (NF_LOG_PREFIXLEN: they are prefixes of log entries too).
inline constexpr std::size_t kLongestName = 127;

/// Changes to one table, for Socket::batch().
class Batch {
   public:
    explicit Batch(std::string_view table) : table_(table) {}

    /// Unless it is there.
    Batch& table(Ownership ownership);
    Batch& delete_table();
    /// A chain to start with, unless it is there. The lowest priority comes first.
    Batch& base_chain(std::string_view name, Hook hook, std::int32_t priority);
    Batch& chain(std::string_view name);
    Batch& delete_chain(std::string_view name);
    Batch& counter(std::string_view name, std::uint64_t packets);
    Batch& delete_counter(std::string_view name);
    /// Of all chains.
    Batch& delete_rules();
    Batch& rule(const Rule& rule);

    [[nodiscard]] std::span<Request> requests() { return requests_; }

   private:
    friend class Expressions;

    Request& add(std::uint8_t type, std::uint16_t flags = 0);
    /// Return its number.
    std::uint32_t set(const Fits& fits);
    std::uint32_t map(const Dispatch& dispatch);
    std::uint32_t anonymous_set(Field field, Family family, bool of_verdicts);
    void put_elements(std::uint32_t set, const Nest& elements);

    std::string table_;
    std::uint32_t sets_ = 0;
    std::vector<Request> requests_;
};

/// All or nothing.
[[nodiscard]] Result<void> apply(Socket& socket, Batch batch, std::string_view what);

struct Counter {
    std::string table;
    std::string name;
    std::uint64_t packets = 0;

    bool operator==(const Counter&) const = default;
};
struct Chain {
    std::string table;
    std::string name;

    bool operator==(const Chain&) const = default;
};

/// `payload` is what follows the netlink header. Fail with "netlink-malformed".
[[nodiscard]] Result<Counter> decode_counter(Bytes payload);
[[nodiscard]] Result<Chain> decode_chain(Bytes payload);
/// Those of a table of the family inet; none where there is no such table.
[[nodiscard]] Result<std::vector<Counter>> counters(Socket& socket, std::string_view table);
[[nodiscard]] Result<std::vector<Chain>> chains(Socket& socket, std::string_view table);

}  // namespace keysluice::netlink::nft
