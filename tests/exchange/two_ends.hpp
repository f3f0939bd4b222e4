#pragma once

#include <deque>
#include <functional>
#include <string>

#include "ike/exchange.hpp"
#include "tests/support/ike_end.hpp"

namespace keysluice::ike::testing {

struct Packet {
    UdpEndpoint from;
    UdpEndpoint to;
    wire::Octets bytes;
};

/// The first payload of its kind, or null.
template <typename Kind>
Kind* find_in(Payloads& payloads) {
    for (wire::Payload& payload : payloads) {
        if (auto* found = std::get_if<Kind>(&payload)) {
            return found;
        }
    }
    return nullptr;
}

/// Two hosts `a` and `z` and the network between them, whose packets move when the test says so.
class TwoEnds {
   public:
    explicit TwoEnds(Settings of_a = {}, Settings of_z = {});

    End a;
    End z;
    Instant now{std::chrono::hours(1)};
    bool rewriting = false;  ///< both ends are written and read back before each event
    std::deque<Packet> wire;

    /// Configures both ends with mirrored connections "a-z"; `change` may adapt them first.
    void configure(const std::function<void(Connection& of_a, Connection& of_z)>& change = {});
    void initiate(End& end, const std::string& child = {});
    void event(End& end, const Event& event);
    /// Delivers the oldest packet. False: there is none.
    bool deliver();
    void drop();
    /// Somebody with the sender's keys changes the payloads of the one packet that is on its way.
    void tamper(const End& sender, const std::function<void(Payloads&)>& change);
    /// Delivers until the wire is quiet.
    void settle();
    /// Lets time pass, with every deadline in between, and delivers what is sent.
    void pass(Duration time);
    /// Lets deadlines come without delivering anything.
    void pass_silently(Duration time);

    /// Both kernels have what the other one needs to understand it, and nothing else.
    void check_kernels() const;
    /// Up, with one IKE SA and `children` CHILD SAs at each end.
    void check_up(std::size_t children = 1) const;

   private:
    void perform(End& end, Actions actions);
    void perform_errand(End& end, Action errand);
    [[nodiscard]] End& other(const UdpEndpoint& address) { return address.address == a.address.address ? a : z; }

    bool asked_again_ = false;  ///< an errand, by the process that took over
};

/// The same, where each event finds ends that were written and read back.
struct RewrittenEnds : TwoEnds {
    explicit RewrittenEnds(Settings of_a = {}, Settings of_z = {}) : TwoEnds(of_a, of_z) { rewriting = true; }
};

}  // namespace keysluice::ike::testing
