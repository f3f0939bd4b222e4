#include "dbus/commands.hpp"

#include <utility>

namespace keysluice::bus {
namespace {

template <typename Outcome>
void hand_on(Commands::Answer& answer, const Outcome& outcome) {
    if (outcome) {
        answer(*outcome);
    } else {
        answer(std::unexpected(to_bus_error(outcome.error())));
    }
}

}  // namespace

void Commands::command(const Call& call, control::Command command, Answer answer) {
    auto options = read_options(call.options, command.verb != control::Command::Verb::down);
    if (!options || inquiries_.full()) {
        answer(std::unexpected(to_bus_error(options ? kTooMany : options.error())));
        return;
    }
    command.child = std::move(options->child);
    authority_.ask(
        call.sender, Authority::kControl, options->interactive,
        [this, command = std::move(command), answer = std::move(answer)](Result<void> verdict) mutable {
            if (!verdict) {
                answer(std::unexpected(to_bus_error(verdict.error())));
                return;
            }
            inquiries_.ask<Result<std::uint32_t>>(
                [command = std::move(command)](control::FrontDesk& desk, auto reply) mutable {
                    desk.command(command, std::move(reply));
                },
                [answer = std::move(answer)](const Result<std::uint32_t>& done) mutable { hand_on(answer, done); });
        });
}

void Commands::reload(const Call& call, Answer answer) {
    const auto options = read_options(call.options, false);
    if (!options || inquiries_.full()) {
        answer(std::unexpected(to_bus_error(options ? kTooMany : options.error())));
        return;
    }
    authority_.ask(
        call.sender, Authority::kReload, options->interactive,
        [this, answer = std::move(answer)](Result<void> verdict) mutable {
            if (!verdict) {
                answer(std::unexpected(to_bus_error(verdict.error())));
                return;
            }
            using Outcome = std::expected<std::uint32_t, control::Diagnostics>;
            inquiries_.ask<Outcome>(
                [](control::FrontDesk& desk, auto reply) { desk.reload(std::move(reply)); },
                [answer = std::move(answer)](const Outcome& outcome) mutable { hand_on(answer, outcome); });
        });
}

Commands::Answer answer_count(sdbus::Result<std::uint32_t>&& result) {
    return [result = std::move(result)](std::expected<std::uint32_t, sdbus::Error> done) {
        done ? answer(result, *done) : refuse(result, done.error());
    };
}

Commands::Answer answer_done(sdbus::Result<>&& result) {
    return [result = std::move(result)](std::expected<std::uint32_t, sdbus::Error> done) {
        done ? answer(result) : refuse(result, done.error());
    };
}

}  // namespace keysluice::bus
