#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "netlink/event_reader.hpp"
#include "netlink/socket.hpp"
#include "xfrm/decode.hpp"
#include "xfrm/encode.hpp"
#include "xfrm/transaction.hpp"

namespace keysluice::xfrm {

/// SAD and SPD of the network namespace in which it was opened, for one thread; needs CAP_NET_ADMIN.
///
/// Every call blocks while the kernel works: milliseconds for a hundred requests, and longer when the first SA of a
/// kind makes the kernel load modules.
class Kernel {
   public:
    /// Fails with "netlink-unavailable" where the kernel has no XFRM interface (CONFIG_XFRM_USER, module xfrm_user),
    /// and with "netlink-not-permitted".
    [[nodiscard]] static Result<Kernel> open();

    /// Carries out all additions or, where one fails, none: what was done is undone in reverse. The removals follow,
    /// every one of them, and the first that failed is reported.
    ///
    /// What it relocates or rebinds comes first: one SA after the other, and what fails there does not keep the rest
    /// from being done. "xfrm-keys-hidden": the kernel neither moves an SA nor shows its keys (lockdown).
    ///
    /// The sentence of a failure names the part and quotes the kernel. Reasons: "xfrm-exists" for an SA or a policy
    /// that is there already (then choose another SPI), "netlink-not-supported" for an algorithm or mode that the
    /// kernel has not got, "netlink-refused" for the rest. With "xfrm-uncertain" nobody knows what the kernel carried
    /// out: compare what it lists.
    [[nodiscard]] Result<void> apply(const Transaction& transaction);

    /// One SA, above all the offload in force. Fails with "xfrm-missing".
    [[nodiscard]] Result<SaState> sa(const SaId& id);
    /// All SAs that could be of this program: those of other kinds are left out. Placeholders (spi 0) are among them.
    [[nodiscard]] Result<std::vector<SaState>> sas();
    [[nodiscard]] Result<std::vector<PolicyState>> policies();

    [[nodiscard]] Dialect dialect() const { return dialect_; }

   private:
    Kernel(netlink::Socket socket, netlink::Listener notes, Dialect dialect)
        : socket_(std::move(socket)), notes_(std::move(notes)), dialect_(dialect) {}

    [[nodiscard]] Result<void> relocate(const Relocation& relocation);
    [[nodiscard]] Result<void> rebind(const Rebinding& rebinding);
    [[nodiscard]] Result<void> check_movable(const SaId& id);
    /// Deletes the SA, and has the kernel's note of that read; false: it is about another one.
    using ReadNote = std::function<bool(Bytes deletion)>;
    [[nodiscard]] Result<void> take_out(const SaId& id, const ReadNote& read);
    [[nodiscard]] Result<void> add_again(netlink::Request request, const SaId& id);
    [[nodiscard]] Result<void> add(std::span<const Transaction::Addition> additions);
    [[nodiscard]] std::string undo(std::span<const Transaction::Addition* const> done);
    [[nodiscard]] Result<void> remove(std::span<const Transaction::Removal> removals);
    template <typename State, typename Decode>
    [[nodiscard]] Result<std::vector<State>> list(const netlink::Request& request, std::string_view what,
                                                  Decode decode);

    netlink::Socket socket_;
    netlink::Listener notes_;  ///< of a deletion, while an SA is replaced
    Dialect dialect_;
};

/// What the kernel tells on its own, of the network namespace in which it was opened. Needs CAP_NET_ADMIN. Without
/// one open, packets that need an SA are refused instead of held.
class Events {
   public:
    static constexpr int kReceiveBuffer = 8 << 20;

    [[nodiscard]] static Result<Events> open(int receive_buffer = kReceiveBuffer);

    /// Readable when there is something: then call next() until it returns nothing.
    [[nodiscard]] int fd() const { return reader_.fd(); }
    /// A failure concerns one message; go on.
    [[nodiscard]] Result<std::optional<Event>> next() { return reader_.next(); }

   private:
    explicit Events(netlink::Listener listener) : reader_(std::move(listener), decode_event) {}

    netlink::EventReader<Event, Lost> reader_;
};

}  // namespace keysluice::xfrm
