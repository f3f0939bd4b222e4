#pragma once

#include <expected>
#include <functional>
#include <string>

#include "dbus/authority.hpp"
#include "dbus/errors.hpp"
#include "dbus/inquiries.hpp"
#include "dbus/owners.hpp"
#include "dbus/requests.hpp"

namespace keysluice::bus {

/// What changes something: options read, the caller's right looked at, the front desk asked, the caller answered.
class Commands {
   public:
    Commands(sdbus::IConnection& connection, Inquiries& inquiries, Owners& owners)
        : authority_(connection), inquiries_(inquiries), owners_(owners) {}

    /// For one call of a method.
    struct Call {
        std::string sender;
        Dictionary options;
    };
    using Answer = std::move_only_function<void(std::expected<std::uint32_t, sdbus::Error>)>;

    /// `child` of the options goes into the command, where it has a meaning.
    void command(const Call& call, control::Command command, Answer answer);
    void close_session(const Call& call, TlsSessionId session, Answer answer);
    void reload(const Call& call, Answer answer);
    /// What the options say goes into the change.
    void change(const Call& call, control::ConnectionChange change, Answer answer);

    /// Of one answer.
    static constexpr std::size_t kMostOctets = 16U << 20U;
    using TextAnswer = std::move_only_function<void(std::expected<std::string, sdbus::Error>)>;
    /// What changes policies; `confirm_within` of the options goes into a commit.
    void policies(const Call& call, control::PolicyRequest request, TextAnswer answer);
    /// What only reads them.
    void read_policies(const std::string& sender, control::PolicyRequest request, TextAnswer answer);

   private:
    void ask_policies(const std::string& sender, control::PolicyRequest request, TextAnswer answer);
    using Order = std::move_only_function<void(control::FrontDesk&, control::FrontDesk::Answer)>;
    void carry_out(const std::string& sender, bool interactive, Answer answer, Order question);
    using Configured = std::expected<std::uint32_t, control::Refusal>;
    using Question = std::move_only_function<void(control::FrontDesk&, control::FrontDesk::Reloaded)>;
    void configure(const std::string& sender, const char* action, bool interactive, Answer answer, Question question);

    Authority authority_;
    Inquiries& inquiries_;
    Owners& owners_;
};

/// Answers a method that returns a count.
[[nodiscard]] Commands::Answer answer_count(sdbus::Result<std::uint32_t>&& result);
/// Answers a method that returns nothing.
[[nodiscard]] Commands::Answer answer_done(sdbus::Result<>&& result);

}  // namespace keysluice::bus
