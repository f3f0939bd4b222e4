#include "dbus/manager.hpp"

#include <numeric>
#include <utility>

#include "daemon/shared/clock.hpp"
#include "dbus/json_lines.hpp"

namespace keysluice::bus {
namespace {

/// Either what was asked for, or why not.
template <typename... Parts>
const Error* first_error(const Parts&... parts) {
    const Error* error = nullptr;
    ((error = error == nullptr && !parts ? &parts.error() : error), ...);
    return error;
}

}  // namespace

Manager::Manager(sdbus::IConnection& connection, Commands& commands, Inquiries& inquiries)
    : Exported(connection, kRoot), commands_(commands), inquiries_(inquiries) {
    registerAdaptor();
}

std::string Manager::Version() {
    return KEYSLUICE_VERSION;
}

void Manager::put(const control::Setup& setup) {
    std::vector<std::string> features;
    const auto add = [&features](bool has, const char* name) {
        if (has) {
            features.emplace_back(name);
        }
    };
    add(setup.ike, "ike");
    add(!setup.services.empty(), "tls");
    add(setup.null_kernel, "null-kernel");
    if (features != std::exchange(features_, features) ||
        setup.ike_failure != std::exchange(ike_failure_, setup.ike_failure)) {
        sending([this] { emit_changed(getObject(), INTERFACE_NAME, {"Features", "IkeFailure"}); });
    }
}

void Manager::tell(const control::Changes& changes) {
    if (changes.happened.empty()) {
        return;
    }
    EventRows rows;
    rows.reserve(changes.happened.size());
    for (const control::Happening& happening : changes.happened) {
        rows.push_back(to_row(happening));
    }
    sending([&] { emitEvents(changes.first, rows); });
}

void Manager::ListSas(sdbus::Result<SaRows, std::string>&& result, Dictionary filter, std::string cursor,
                      std::uint32_t limit) {
    auto wanted = read_filter(filter);
    const auto after = read_cursor(cursor);
    if (const Error* wrong = first_error(wanted, after)) {
        refuse(result, to_bus_error(*wrong));
        return;
    }
    const std::string caller = sender_of(getObject());
    if (!inquiries_.has_room_for(caller)) {
        refuse(result, to_bus_error(kTooMany));
        return;
    }
    const std::size_t most = limit == 0 ? control::FrontDesk::kLongestPage : limit;
    inquiries_.ask<control::SaPage>(
        caller,
        [wanted = *std::move(wanted), after = *after, most](control::FrontDesk& desk, const auto& reply) {
            reply(desk.sas(wanted, ike::IkeSpi{after}, most));
        },
        [result = std::move(result)](const control::SaPage& page) {
            const auto add = [](std::size_t sum, const control::IkeSaView& sa) { return sum + size_on_bus(sa); };
            if (std::accumulate(page.sas.begin(), page.sas.end(), std::size_t{0}, add) > kMostOctets) {
                refuse(result, to_bus_error(Error{"answer-too-large",
                                                  "the answer would have more than 16 MiB: ask for a "
                                                  "smaller limit, or use DumpSas"}));
                return;
            }
            SaRows rows;
            rows.reserve(page.sas.size());
            for (const control::IkeSaView& sa : page.sas) {
                rows.push_back(to_row(sa));
            }
            answer(result, rows, write_cursor(page.next));
        });
}

void Manager::DumpSas(sdbus::Result<sdbus::UnixFd>&& result, Dictionary filter) {
    auto wanted = read_filter(filter);
    const std::string caller = sender_of(getObject());
    if (!wanted || !inquiries_.has_room_for(caller)) {
        refuse(result, to_bus_error(wanted ? kTooMany : wanted.error()));
        return;
    }
    dumps_.begin(std::move(result), caller,
                 [this, caller, wanted = *std::move(wanted)](std::uint64_t after, Dumps::Take take) {
                     inquiries_.ask<control::SaPage>(
                         caller,
                         [wanted, after](control::FrontDesk& desk, const auto& reply) {
                             reply(desk.sas(wanted, ike::IkeSpi{after}, control::FrontDesk::kLongestPage));
                         },
                         [take = std::move(take)](const control::SaPage& page) mutable {
                             Dumps::Page written;
                             for (const control::IkeSaView& sa : page.sas) {
                                 append_json_line(written.lines, sa);
                             }
                             if (page.next) {
                                 written.next = page.next->value;
                             }
                             take(written);
                         });
                 });
}

void Manager::ListTlsSessions(sdbus::Result<TlsSessionRows, std::string, std::uint32_t>&& result, Dictionary filter,
                              std::string cursor, std::uint32_t limit) {
    auto wanted = read_tls_filter(filter);
    const auto after = read_cursor(cursor);
    if (const Error* wrong = first_error(wanted, after)) {
        refuse(result, to_bus_error(*wrong));
        return;
    }
    const std::string caller = sender_of(getObject());
    if (!inquiries_.has_room_for(caller)) {
        refuse(result, to_bus_error(kTooMany));
        return;
    }
    ask_tls_sessions(caller, *wanted, *after, limit == 0 ? kMostSessions : limit,
                     [result = std::move(result)](const Result<control::TlsSessionPage>& page) {
                         if (!page) {
                             refuse(result, to_bus_error(page.error()));
                             return;
                         }
                         TlsSessionRows rows;
                         rows.reserve(page->sessions.size());
                         for (const control::TlsSessionView& session : page->sessions) {
                             rows.push_back(to_row(session));
                         }
                         answer(result, rows, write_cursor(page->next), page->silent);
                     });
}

void Manager::DumpTlsSessions(sdbus::Result<sdbus::UnixFd>&& result, Dictionary filter) {
    auto wanted = read_tls_filter(filter);
    const std::string caller = sender_of(getObject());
    if (!wanted || !inquiries_.has_room_for(caller)) {
        refuse(result, to_bus_error(wanted ? kTooMany : wanted.error()));
        return;
    }
    dumps_.begin(std::move(result), caller,
                 [this, caller, wanted = *std::move(wanted)](std::uint64_t after, Dumps::Take take) {
                     ask_tls_sessions(caller, wanted, after, kMostSessions,
                                      [take = std::move(take)](const Result<control::TlsSessionPage>& page) mutable {
                                          if (!page) {
                                              take(std::unexpected(page.error()));
                                              return;
                                          }
                                          Dumps::Page written;
                                          const Instant moment = now();
                                          for (const control::TlsSessionView& session : page->sessions) {
                                              append_json_line(written.lines, session, moment);
                                          }
                                          if (page->next) {
                                              written.next = page->next->value;
                                          }
                                          take(written);
                                      });
                 });
}

void Manager::ask_tls_sessions(const std::string& caller, const control::TlsFilter& filter, std::uint64_t after,
                               std::size_t limit,
                               std::move_only_function<void(const Result<control::TlsSessionPage>&)> then) {
    inquiries_.ask<Result<control::TlsSessionPage>>(
        caller,
        [filter, after, limit](control::FrontDesk& desk, auto reply) {
            desk.tls_sessions(filter, TlsSessionId{after}, limit, std::move(reply));
        },
        std::move(then));
}

void Manager::CloseTlsSession(sdbus::Result<>&& result, std::uint64_t id, Dictionary options) {
    commands_.close_session(call(std::move(options)), TlsSessionId{id}, answer_done(std::move(result)));
}

void Manager::command(control::Command::Verb verb, sdbus::Result<std::uint32_t>&& result, std::string name,
                      Dictionary options) {
    commands_.command(call(std::move(options)), {.verb = verb, .name = std::move(name), .sa = {}, .child = {}},
                      answer_count(std::move(result)));
}

void Manager::GetSaCounters(sdbus::Result<CountersRows>&& result, std::uint64_t ike_spi) {
    answer_counters(inquiries_, sender_of(getObject()), ike::IkeSpi{ike_spi}, std::move(result));
}

void Manager::Up(sdbus::Result<std::uint32_t>&& result, std::string name, Dictionary options) {
    command(control::Command::Verb::up, std::move(result), std::move(name), std::move(options));
}

void Manager::Down(sdbus::Result<std::uint32_t>&& result, std::string name, Dictionary options) {
    command(control::Command::Verb::down, std::move(result), std::move(name), std::move(options));
}

void Manager::Rekey(sdbus::Result<std::uint32_t>&& result, std::string name, Dictionary options) {
    command(control::Command::Verb::rekey, std::move(result), std::move(name), std::move(options));
}

void Manager::Reauthenticate(sdbus::Result<std::uint32_t>&& result, std::string name, Dictionary options) {
    command(control::Command::Verb::reauthenticate, std::move(result), std::move(name), std::move(options));
}

void Manager::Reload(sdbus::Result<std::uint32_t>&& result, Dictionary options) {
    commands_.reload(call(std::move(options)), answer_count(std::move(result)));
}

void Manager::AddConnection(sdbus::Result<std::uint32_t>&& result, std::string toml, Dictionary options) {
    commands_.change(call(std::move(options)),
                     {.verb = control::ConnectionChange::Verb::add, .name = {}, .text = std::move(toml)},
                     answer_count(std::move(result)));
}

void Manager::UpdateConnection(sdbus::Result<std::uint32_t>&& result, std::string name, std::string toml,
                               Dictionary options) {
    commands_.change(
        call(std::move(options)),
        {.verb = control::ConnectionChange::Verb::update, .name = std::move(name), .text = std::move(toml)},
        answer_count(std::move(result)));
}

void Manager::RemoveConnection(sdbus::Result<std::uint32_t>&& result, std::string name, Dictionary options) {
    commands_.change(call(std::move(options)),
                     {.verb = control::ConnectionChange::Verb::remove, .name = std::move(name), .text = {}},
                     answer_count(std::move(result)));
}

}  // namespace keysluice::bus
