#pragma once

#include <sys/types.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/secret_buffer.hpp"
#include "daemon/engine/acceptor.hpp"
#include "daemon/shared/enclosures.hpp"
#include "daemon/shared/loop.hpp"
#include "daemon/shared/messages.hpp"

namespace keysluice {

/// One application that submits sockets which it has accepted itself, a packet each, and gets an answer for each.
///
/// With kMostUnderWay sockets that it has no answer for, nothing more is read; the packets wait in the kernel, and
/// then at the application. Answers leave in the order of their making.
class Submitter final : public std::enable_shared_from_this<Submitter>, Watcher {
   public:
    static constexpr std::size_t kMostUnderWay = 1024;
    /// How many packets one round may bring.
    static constexpr int kBurst = 16;

    class Owner {
       public:
        virtual ~Owner() = default;
        /// To be answered exactly once, whether it was taken or not.
        virtual void on_submitted(Submitter& submitter, const std::string& id, UniqueFd socket) = 0;
        /// The application is gone, or broke the format (`error` says so). Not called from within answer().
        virtual void on_ended(Submitter& submitter, const Error* error) = 0;
    };

    Submitter(Loop& loop, Owner& owner, ServiceId service, UniqueFd channel);
    ~Submitter() override;

    [[nodiscard]] ServiceId service() const { return service_; }
    [[nodiscard]] uid_t user() const { return user_; }
    /// False where nobody is there to hear it. `socket` is given away in any case.
    bool answer(SecretBuffer description, UniqueFd socket = {});
    [[nodiscard]] std::size_t under_way() const { return under_way_; }
    /// Those among them that are answered, and wait for the application to read.
    [[nodiscard]] std::size_t unsent() const { return answers_.size(); }
    /// Reads nothing more, and ends with the last answer.
    void finish();
    /// Ends it now; there is no call to the owner.
    void close();

   private:
    struct Answer {
        SecretBuffer description;
        UniqueFd socket;
    };

    void on_events(std::uint32_t events) override;
    [[nodiscard]] bool reading() const { return !finishing_ && under_way_ < kMostUnderWay; }
    /// recvmsg(2), and what came beside the packet. `whole`: nothing of it was cut off.
    [[nodiscard]] ssize_t receive(MutableBytes buffer, Descriptors& descriptors, bool& whole);
    /// What came after finish(): the application still has these sockets, and nobody has touched them.
    void discard_unread();
    /// One packet; true when there may be more.
    [[nodiscard]] bool receive_one();
    void flush();
    void watch();
    void end(const Error* error);

    Loop& loop_;
    Owner& owner_;
    ServiceId service_;
    UniqueFd channel_;
    uid_t user_;
    std::deque<Answer> answers_;
    std::size_t under_way_ = 0;
    std::uint32_t watched_ = 0;
    bool finishing_ = false;
};

/// The peer of a socket that was submitted. What might make us wait for it is switched off. Errors: `not-tcp`,
/// `not-connected`.
[[nodiscard]] Result<Accepted> accept_submitted(UniqueFd socket);

}  // namespace keysluice
