#include "dbus/policies.hpp"

#include <utility>

namespace keysluice::bus {
namespace {

using Verb = control::PolicyRequest::Verb;

Commands::TextAnswer answer_text(sdbus::Result<std::string>&& result) {
    return [result = std::move(result)](std::expected<std::string, sdbus::Error> done) {
        if (!done) {
            refuse(result, done.error());
        } else if (done->size() > Commands::kMostOctets) {
            refuse(result, to_bus_error(Error{"answer-too-large", "the answer would have more than 16 MiB"}));
        } else {
            answer(result, *done);
        }
    };
}

}  // namespace

Policies::Policies(sdbus::IConnection& connection, Commands& commands)
    : Exported(connection, kRoot), commands_(commands) {
    registerAdaptor();
}

void Policies::read(Text&& result, control::PolicyRequest request) {
    commands_.read_policies(sender_of(getObject()), std::move(request), answer_text(std::move(result)));
}

void Policies::change(Text&& result, control::PolicyRequest request, Dictionary options) {
    commands_.policies(call(std::move(options)), std::move(request), answer_text(std::move(result)));
}

void Policies::Show(Text&& result, std::string set) {
    if (const auto which = read_which(set)) {
        read(std::move(result), {.verb = Verb::show, .which = *which});
    } else {
        refuse(result, to_bus_error(which.error()));
    }
}

void Policies::Test(Text&& result, std::string set, Texts question) {
    if (const auto which = read_which(set)) {
        read(std::move(result),
             {.verb = Verb::test, .which = *which, .question = {question.begin(), question.end()}});
    } else {
        refuse(result, to_bus_error(which.error()));
    }
}

void Policies::Diff(Text&& result) {
    read(std::move(result), {.verb = Verb::diff});
}

void Policies::Verify(Text&& result) {
    read(std::move(result), {.verb = Verb::verify});
}

void Policies::Export(Text&& result) {
    read(std::move(result), {.verb = Verb::exported});
}

void Policies::ListKeys(Text&& result) {
    // Each fingerprint takes its time, and whoever may not change policies shall not hold up those who may.
    change(std::move(result), {.verb = Verb::list_keys}, {});
}

void Policies::Commit(Text&& result, Dictionary options) {
    change(std::move(result), {.verb = Verb::commit}, std::move(options));
}

void Policies::Confirm(Text&& result, Dictionary options) {
    change(std::move(result), {.verb = Verb::confirm}, std::move(options));
}

void Policies::Enable(Text&& result, Dictionary options) {
    change(std::move(result), {.verb = Verb::enable}, std::move(options));
}

void Policies::Disable(Text&& result, Dictionary options) {
    change(std::move(result), {.verb = Verb::disable}, std::move(options));
}

void Policies::RenewKey(Text&& result, std::string name, Dictionary options) {
    change(std::move(result), {.verb = Verb::renew_key, .name = std::move(name)}, std::move(options));
}

void Policies::Edit(Text&& result, std::string verb, std::string name, Texts values, Dictionary options) {
    if (auto edit = read_edit(verb, name, std::move(values))) {
        change(std::move(result), {.verb = Verb::edit, .edit = *std::move(edit)}, std::move(options));
    } else {
        refuse(result, to_bus_error(edit.error()));
    }
}

void Policies::Import(Text&& result, std::string toml, std::string name, Dictionary options) {
    change(std::move(result), {.verb = Verb::import, .name = std::move(name), .text = std::move(toml)},
           std::move(options));
}

}  // namespace keysluice::bus
