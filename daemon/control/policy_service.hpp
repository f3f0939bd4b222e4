#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/control/change_collector.hpp"
#include "daemon/control/discard_log.hpp"
#include "daemon/control/kernel_events.hpp"
#include "daemon/control/kernel_thread.hpp"
#include "daemon/control/policy_table.hpp"
#include "daemon/shared/timer.hpp"
#include "netlink/addresses.hpp"

namespace keysluice::control {

/// Something that is asked of the policies, or done to them.
struct PolicyRequest {
    enum class Verb : std::uint8_t {
        show,
        test,
        diff,
        verify,
        list_keys,
        exported,
        commit,
        confirm,
        enable,
        disable,
        renew_key,
        edit,
        import
    };
    Verb verb = Verb::show;
    PolicyTable::Which which = PolicyTable::Which::committed;  ///< of `show` and `test`
    QuestionTexts question = {};                               ///< of `test`
    std::optional<std::chrono::seconds> confirm_within = {};   ///< of `commit`
    std::string name = {};                                     ///< of `renew_key` and `import`
    std::string text = {};                                     ///< of `import`
    PolicyEdit edit = {};
};

/// The policies at run time: a thread of their own for files and kernel, the addresses of this host as they come and
/// go, and the time by which a commit must be confirmed.
class PolicyService {
   public:
    /// Addresses come in swarms.
    static constexpr Duration kSettling = std::chrono::milliseconds(200);
    /// So long SAs stay that a commit has given successors: as IKE's inbound ones.
    static constexpr Duration kLeaving = std::chrono::seconds(5);

    /// `databases` are the running kernel's (see kernel_databases()).
    /// `own_ports`: UDP ports of sockets that no policy holds for. `changes` hears what becomes of the policies, and
    /// `children` where their policies go; they begin with listed_children().
    PolicyService(Loop& loop, PolicyTable::Places places, std::unique_ptr<Databases> databases,
                  std::vector<std::uint16_t> own_ports, ChangeCollector& changes, ChildPolicies& children);

    using Answer = std::move_only_function<void(PolicyTable::Answer)>;
    /// Calls `answer` once, on the loop. Fails as PolicyTable does, and with `too-many-calls`.
    void ask(PolicyRequest request, Answer answer);

   private:
    void start();
    void follow();
    void give_back();
    void listen();
    void count();
    void hear();
    void note(const PolicyRequest& request, const PolicyTable::Answer& answer);
    void arm(std::optional<std::uint64_t> returns_at);

    Loop& loop_;
    ChangeCollector& changes_;
    ChildPolicies& children_;
    PolicyTable table_;  ///< the thread's
    KernelThread thread_;
    std::unique_ptr<KernelEvents<netlink::AddressEvents>> addresses_;
    std::unique_ptr<KernelEvents<DiscardLog>> discarded_;
    Timer settling_;
    Timer leaving_;
    Instant leaving_at_{};
    Timer returning_;
};

/// SAD and SPD of the running kernel, or such that refuse every call, and say why.
[[nodiscard]] std::unique_ptr<Databases> kernel_databases();

}  // namespace keysluice::control
