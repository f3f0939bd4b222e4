#include "dbus/commands.hpp"

#include <cstdlib>
#include <utility>

namespace keysluice::bus {
namespace {

template <typename Answer, typename Outcome>
void hand_on(Answer& answer, const Outcome& outcome) {
    if (outcome) {
        answer(*outcome);
    } else {
        answer(std::unexpected(to_bus_error(outcome.error())));
    }
}

Knows known_for(control::ConnectionChange::Verb verb) {
    switch (verb) {
        case control::ConnectionChange::Verb::add:
            return Knows::added;
        case control::ConnectionChange::Verb::update:
            return Knows::updated;
        case control::ConnectionChange::Verb::remove:
            return Knows::no_other;
    }
    std::abort();
}

}  // namespace

void Commands::command(const Call& call, control::Command command, Answer answer) {
    auto options =
        read_options(call.options, command.verb == control::Command::Verb::down ? Knows::no_other : Knows::child);
    if (!options || !inquiries_.has_room_for(call.sender)) {
        answer(std::unexpected(to_bus_error(options ? kTooMany : options.error())));
        return;
    }
    command.child = std::move(options->child);
    carry_out(call.sender, options->interactive, std::move(answer),
              [command = std::move(command)](control::FrontDesk& desk, auto reply) {
                  desk.command(command, std::move(reply));
              });
}

void Commands::close_session(const Call& call, TlsSessionId session, Answer answer) {
    const auto options = read_options(call.options, Knows::no_other);
    if (!options || !inquiries_.has_room_for(call.sender)) {
        answer(std::unexpected(to_bus_error(options ? kTooMany : options.error())));
        return;
    }
    carry_out(call.sender, options->interactive, std::move(answer),
              [session](control::FrontDesk& desk, auto reply) { desk.end_session(session, std::move(reply)); });
}

void Commands::carry_out(const std::string& sender, bool interactive, Answer answer, Order question) {
    authority_.ask(
        sender, Authority::kControl, interactive,
        [this, sender, answer = std::move(answer), question = std::move(question)](Result<void> verdict) mutable {
            if (!verdict) {
                answer(std::unexpected(to_bus_error(verdict.error())));
                return;
            }
            inquiries_.ask<Result<std::uint32_t>>(
                sender, std::move(question),
                [answer = std::move(answer)](const Result<std::uint32_t>& done) mutable { hand_on(answer, done); });
        });
}

void Commands::reload(const Call& call, Answer answer) {
    const auto options = read_options(call.options, Knows::no_other);
    if (!options || !inquiries_.has_room_for(call.sender)) {
        answer(std::unexpected(to_bus_error(options ? kTooMany : options.error())));
        return;
    }
    configure(call.sender, Authority::kReload, options->interactive, std::move(answer),
              [](control::FrontDesk& desk, auto reply) { desk.reload(std::move(reply)); });
}

void Commands::change(const Call& call, control::ConnectionChange change, Answer answer) {
    const auto options = read_options(call.options, known_for(change.verb));
    if (!options || !inquiries_.has_room_for(call.sender)) {
        answer(std::unexpected(to_bus_error(options ? kTooMany : options.error())));
        return;
    }
    change.persist = options->persist;
    change.given = options->given;
    if (options->owned) {
        change.owner = call.sender;
        answer = [this, owner = call.sender, answer = std::move(answer)](auto done) mutable {
            if (done) {
                owners_.watch(owner);
            }
            answer(std::move(done));
        };
    }
    configure(call.sender, Authority::kConfigure, options->interactive, std::move(answer),
              [change = std::move(change)](control::FrontDesk& desk, auto reply) mutable {
                  desk.change(std::move(change), std::move(reply));
              });
}

void Commands::configure(const std::string& sender, const char* action, bool interactive, Answer answer,
                         Question question) {
    authority_.ask(
        sender, action, interactive,
        [this, sender, answer = std::move(answer), question = std::move(question)](Result<void> verdict) mutable {
            if (!verdict) {
                answer(std::unexpected(to_bus_error(verdict.error())));
                return;
            }
            inquiries_.ask<Configured>(
                sender, std::move(question),
                [answer = std::move(answer)](const Configured& outcome) mutable { hand_on(answer, outcome); });
        });
}

void Commands::policies(const Call& call, control::PolicyRequest request, TextAnswer answer) {
    const bool commits = request.verb == control::PolicyRequest::Verb::commit;
    const auto options = read_options(call.options, commits ? Knows::confirm_within : Knows::no_other);
    if (!options || !inquiries_.has_room_for(call.sender)) {
        answer(std::unexpected(to_bus_error(options ? kTooMany : options.error())));
        return;
    }
    request.confirm_within = options->confirm_within;
    authority_.ask(call.sender, Authority::kConfigure, options->interactive,
                   [this, sender = call.sender, answer = std::move(answer),
                    request = std::move(request)](Result<void> verdict) mutable {
                       if (!verdict) {
                           answer(std::unexpected(to_bus_error(verdict.error())));
                           return;
                       }
                       ask_policies(sender, std::move(request), std::move(answer));
                   });
}

void Commands::read_policies(const std::string& sender, control::PolicyRequest request, TextAnswer answer) {
    if (!inquiries_.has_room_for(sender)) {
        answer(std::unexpected(to_bus_error(kTooMany)));
        return;
    }
    ask_policies(sender, std::move(request), std::move(answer));
}

void Commands::ask_policies(const std::string& sender, control::PolicyRequest request, TextAnswer answer) {
    using Document = control::PolicyTable::Answer;
    inquiries_.ask<Document>(
        sender,
        [request = std::move(request)](control::FrontDesk& desk, auto reply) mutable {
            desk.policies(std::move(request), std::move(reply));
        },
        [answer = std::move(answer)](const Document& document) mutable { hand_on(answer, document); });
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
