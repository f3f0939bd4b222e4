#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/result.hpp"
#include "daemon/control/front_desk.hpp"
#include "daemon/shared/postbox.hpp"

namespace keysluice::bus {

/// For a caller who came when Inquiries were full().
inline const Error kTooMany{"too-many-calls", "too many calls are under way; try again"};

/// Questions of the bus's thread to the front desk, which answers in the loop of the service. What is to be done with
/// an answer never leaves the bus's thread: it may hold a caller, whose connection lives here.
class Inquiries {
   public:
    /// Under way at a time; beyond that, callers are told to come back.
    static constexpr std::size_t kMost = 256;

    /// `service` is the postbox of the front desk's loop, `own` that of the bus's.
    Inquiries(Postbox& service, control::FrontDesk& desk, Postbox& own) : service_(service), desk_(desk), own_(own) {}

    [[nodiscard]] bool full() const { return waiting_.size() >= kMost; }

    /// `question` is called in the service's loop, with the front desk and a function that takes the answer, once;
    /// `then` with the answer, on this thread.
    template <typename Answer, typename Question, typename Then>
    void ask(Question question, Then then) {
        auto answer = std::make_shared<std::optional<Answer>>();
        const std::uint64_t id = next_++;
        waiting_.emplace(id, [answer, then = std::move(then)]() mutable { then(*std::move(*answer)); });
        service_.post([this, id, answer, question = std::move(question)]() mutable {
            question(desk_, [this, id, answer](Answer given) {
                answer->emplace(std::move(given));
                own_.post([this, id] { deliver(id); });
            });
        });
    }

    /// Nobody waits for an answer any more.
    void forget_all() { waiting_.clear(); }

   private:
    void deliver(std::uint64_t id) {
        if (auto found = waiting_.extract(id)) {
            found.mapped()();
        }
    }

    Postbox& service_;
    control::FrontDesk& desk_;
    Postbox& own_;
    std::uint64_t next_ = 0;
    std::map<std::uint64_t, std::move_only_function<void()>> waiting_;
};

}  // namespace keysluice::bus
