#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret_buffer.hpp"
#include "netlink/ack.hpp"

namespace keysluice::netlink {

/// What the kernel said to one request.
struct Answer {
    /// A positive errno, 0 where the request was carried out.
    int error = 0;
    /// The kernel's own words about it.
    std::string text;
    /// The message that a question is answered with, header included; empty for all else. It may show keys.
    SecretBuffer reply;

    [[nodiscard]] Ack ack() const { return {error, text}; }
};

/// Collects the answers to requests with the sequence numbers first, first + 1, … that were sent at once.
class Answers {
   public:
    Answers(std::uint32_t first, std::size_t count) : first_(first), answers_(count), answered_(count) {}

    /// Takes one message from the kernel. What belongs to other requests is passed over; a second acknowledgement or
    /// one that was cut short is a failure ("netlink-malformed"). `what` names the requests in its sentence.
    [[nodiscard]] Result<void> take(const nlmsghdr& message, std::string_view what);
    [[nodiscard]] bool complete() const { return count_ == answers_.size(); }
    /// In the order of the requests.
    [[nodiscard]] std::vector<Answer> release() && { return std::move(answers_); }

   private:
    std::uint32_t first_;
    std::vector<Answer> answers_;
    std::vector<bool> answered_;
    std::size_t count_ = 0;
};

}  // namespace keysluice::netlink
