#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "daemon/control/kernel_thread.hpp"
#include "ike/actions.hpp"

namespace keysluice::control {

/// What the kernel has counted for a CHILD SA; nothing for a half that it has not got.
struct ChildCounters {
    ike::EspSpi inbound;
    ike::EspSpi outbound;
    std::optional<xfrm::SaState> in;
    std::optional<xfrm::SaState> out;
};

/// Reads from the kernel what it has counted. Whoever asks, and for how much, what is to be installed waits for the
/// reading of kAtOnce CHILD SAs at most.
class SaCounters {
   public:
    static constexpr std::size_t kAtOnce = 32;
    /// Those that the kernel has, in the order of the question. Fails with "kernel-busy".
    using Answer = std::move_only_function<void(Result<std::vector<ChildCounters>>)>;

    explicit SaCounters(KernelThread& kernel) : kernel_(kernel) {}

    void read(const std::vector<const ike::ChildSaSpec*>& children, Answer answer);

   private:
    struct Wanted {
        ike::EspSpi inbound;
        ike::EspSpi outbound;
        xfrm::SaId in;
        xfrm::SaId out;
    };
    struct Reading {
        std::vector<Wanted> wanted;
        Answer answer;
        std::size_t done = 0;
        std::vector<ChildCounters> found = {};
    };
    using Found = std::vector<ChildCounters>;
    [[nodiscard]] static Found look(Databases& databases, const std::vector<Wanted>& part);
    void go_on();
    void on_found(std::size_t looked_for, Found found);
    void finish(std::optional<Error> failure);

    KernelThread& kernel_;
    std::deque<Reading> readings_;  ///< the first of them is under way
};

}  // namespace keysluice::control
