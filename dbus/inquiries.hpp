#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
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
    /// Under way at a time, and of one caller; beyond that, callers are told to come back. Who asks for more than can
    /// be answered takes no other caller's place.
    static constexpr std::size_t kMost = 256;
    static constexpr std::size_t kMostOfOne = 32;
    /// The caller of what the bus's own thread wants to know.
    static constexpr const char* kOurselves = "";

    /// `service` is the postbox of the front desk's loop, `own` that of the bus's.
    Inquiries(Postbox& service, control::FrontDesk& desk, Postbox& own) : service_(service), desk_(desk), own_(own) {}

    /// `caller` is its unique name on the bus.
    [[nodiscard]] bool has_room_for(const std::string& caller) const {
        const auto found = by_caller_.find(caller);
        return waiting_.size() < kMost && (found == by_caller_.end() || found->second < kMostOfOne);
    }

    /// `question` is called in the service's loop, with the front desk and a function that takes the answer, once;
    /// `then` with the answer, on this thread.
    template <typename Answer, typename Question, typename Then>
    void ask(const std::string& caller, Question question, Then then) {
        auto answer = std::make_shared<std::optional<Answer>>();
        const std::uint64_t id = next_++;
        waiting_.emplace(id, Waiting{.caller = caller, .then = [answer, then = std::move(then)]() mutable {
                                         then(*std::move(*answer));
                                     }});
        ++by_caller_[caller];
        service_.post([this, id, answer, question = std::move(question)]() mutable {
            question(desk_, [this, id, answer](Answer given) {
                answer->emplace(std::move(given));
                own_.post([this, id] { deliver(id); });
            });
        });
    }

    /// Nobody waits for an answer any more.
    void forget_all() {
        waiting_.clear();
        by_caller_.clear();
    }

   private:
    struct Waiting {
        std::string caller;
        std::move_only_function<void()> then;
    };

    void deliver(std::uint64_t id) {
        auto found = waiting_.extract(id);
        if (!found) {
            return;
        }
        const auto others = by_caller_.find(found.mapped().caller);
        if (--others->second == 0) {
            by_caller_.erase(others);
        }
        found.mapped().then();
    }

    Postbox& service_;
    control::FrontDesk& desk_;
    Postbox& own_;
    std::uint64_t next_ = 0;
    std::map<std::uint64_t, Waiting> waiting_;
    std::map<std::string, std::size_t> by_caller_;
};

}  // namespace keysluice::bus
