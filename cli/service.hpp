#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cli/answers.hpp"

namespace keysluice::cli {

/// Which IKE SAs; what is empty does not count.
struct SaFilter {
    std::string connection = {};
    std::string group = {};
};

/// Which TLS sessions; what is empty does not count.
struct TlsFilter {
    std::string service = {};
    std::string group = {};
};

/// Of what changes something.
struct Wish {
    std::string child = {};    ///< this child only; empty: all
    bool interactive = false;  ///< polkit may ask for a password meanwhile
};

/// A method of org.keysluice1.Policies, and what it takes; what is empty it does not take.
struct PolicyCall {
    enum class Method : std::uint8_t {
        show,
        test,
        diff,
        verify,
        exported,
        list_keys,
        commit,
        confirm,
        enable,
        disable,
        renew_key,
        edit,
        import
    };
    Method method = Method::show;
    std::string set = {};                            ///< "candidate" or "committed"
    std::string verb = {};                           ///< of `edit`
    std::string name = {};                           ///< of a policy, a key or a file
    std::string toml = {};                           ///< of `import`
    std::map<std::string, std::string> values = {};  ///< of `test` and `edit`
    std::uint32_t confirm_within = 0;                ///< seconds; 0: not said
    bool interactive = false;
};

/// Who listens to what happens.
class Follower {
   public:
    Follower() = default;
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;
    Follower(Follower&&) = delete;
    Follower& operator=(Follower&&) = delete;
    virtual ~Follower() = default;

    /// `first` is the number of the first of them since the service started.
    virtual void happened(std::uint64_t first, const std::vector<Event>& events) = 0;
    /// Said once in the beginning, and whenever the service comes or goes. A service that comes counts from 0 again.
    virtual void service_is(bool running) = 0;
};

/// Whom the commands ask: keysluiced by way of the bus (BusService), or a test's answers. Each call waits for its
/// answer, 25 s at most (150 s where a person may be asked for a password).
///
/// Errors: `service-not-running`, `bus-unreachable`, `call-failed`, and the codes that the service answers with.
class Service {
   public:
    Service() = default;
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    Service(Service&&) = delete;
    Service& operator=(Service&&) = delete;
    virtual ~Service() = default;

    [[nodiscard]] virtual Result<Manager> manager() = 0;
    [[nodiscard]] virtual Result<std::vector<IkeSa>> ike_sas(const SaFilter& filter) = 0;
    [[nodiscard]] virtual Result<std::vector<TlsSession>> tls_sessions(const TlsFilter& filter) = 0;
    /// Without counters: those are asked for one by one, since processes are asked for them.
    [[nodiscard]] virtual Result<Configured> configured() = 0;
    /// Fills in `counters` and `silent`.
    [[nodiscard]] virtual Result<void> count(TlsService& service) = 0;
    /// Fills in `counters` of its CHILD SAs. The kernel is asked for each IKE SA.
    [[nodiscard]] virtual Result<void> count(IkeSa& sa) = 0;

    /// Each answers how many connections, services, IKE SAs or TLS sessions it is about.
    [[nodiscard]] virtual Result<std::uint32_t> up(const std::string& name, const Wish& wish) = 0;
    [[nodiscard]] virtual Result<std::uint32_t> down(const std::string& name, const Wish& wish) = 0;
    [[nodiscard]] virtual Result<std::uint32_t> rekey(const std::string& name, const Wish& wish) = 0;
    [[nodiscard]] virtual Result<void> down(std::uint64_t ike_spi, const Wish& wish) = 0;
    [[nodiscard]] virtual Result<void> rekey(std::uint64_t ike_spi, const Wish& wish) = 0;
    [[nodiscard]] virtual Result<std::uint32_t> reauthenticate(const std::string& name, const Wish& wish) = 0;
    [[nodiscard]] virtual Result<void> reauthenticate(std::uint64_t ike_spi, const Wish& wish) = 0;
    [[nodiscard]] virtual Result<void> close_session(std::uint64_t id, const Wish& wish) = 0;
    [[nodiscard]] virtual Result<std::uint32_t> reload(const Wish& wish) = 0;

    /// A JSON document as its line breaks have it, and of `exported` TOML.
    [[nodiscard]] virtual Result<std::string> policies(const PolicyCall& call) = 0;

    /// Tells the follower until SIGINT or SIGTERM, whether the service runs or not. Error: `bus-unreachable`, also
    /// where the bus goes meanwhile.
    [[nodiscard]] virtual Result<void> follow(Follower& follower) = 0;
};

}  // namespace keysluice::cli
