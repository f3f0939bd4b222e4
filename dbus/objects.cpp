#include "dbus/objects.hpp"

#include <fmt/format.h>

#include <utility>

namespace keysluice::bus {

using Verb = control::Command::Verb;

std::string path_element(std::string_view name) {
    std::string element;
    for (const char character : name) {
        const bool letter = (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
        const bool digit = character >= '0' && character <= '9';
        if (letter || (digit && !element.empty())) {
            element += character;
        } else {
            element += fmt::format("_{:02x}", static_cast<unsigned char>(character));
        }
    }
    return element.empty() ? "_" : element;
}

std::string path_of(ike::IkeSpi spi) {
    return fmt::format("{}/ikesa/{:016x}", kRoot, spi.value);
}

ConnectionObject::ConnectionObject(sdbus::IConnection& connection, Commands& commands, control::ConnectionView view)
    : Exported(connection, fmt::format("{}/connection/{}", kRoot, path_element(view.name))),
      commands_(commands),
      view_(std::move(view)) {
    registerAdaptor();
}

void ConnectionObject::update(const std::string& gateway) {
    if (gateway != std::exchange(view_.gateway, gateway)) {
        sending([this] { emit_changed(getObject(), INTERFACE_NAME, {"Gateway"}); });
    }
}

control::Command ConnectionObject::command(Verb verb) const {
    return {.verb = verb, .name = view_.name, .among = control::Command::Among::connections, .sa = {}, .child = {}};
}

void ConnectionObject::Up(sdbus::Result<>&& result, Dictionary options) {
    commands_.command(call(std::move(options)), command(Verb::up), answer_done(std::move(result)));
}

void ConnectionObject::Down(sdbus::Result<std::uint32_t>&& result, Dictionary options) {
    commands_.command(call(std::move(options)), command(Verb::down), answer_count(std::move(result)));
}

void ConnectionObject::Rekey(sdbus::Result<std::uint32_t>&& result, Dictionary options) {
    commands_.command(call(std::move(options)), command(Verb::rekey), answer_count(std::move(result)));
}

void ConnectionObject::Reauthenticate(sdbus::Result<std::uint32_t>&& result, Dictionary options) {
    commands_.command(call(std::move(options)), command(Verb::reauthenticate), answer_count(std::move(result)));
}

TlsServiceObject::TlsServiceObject(sdbus::IConnection& connection, Commands& commands, Inquiries& inquiries,
                                   control::ServiceView view)
    : Exported(connection, fmt::format("{}/service/{}", kRoot, path_element(view.settings.name))),
      commands_(commands),
      inquiries_(inquiries),
      service_(std::move(view.settings)),
      open_(view.open) {
    registerAdaptor();
}

void TlsServiceObject::update(bool open) {
    if (open != std::exchange(open_, open)) {
        sending([this] { emit_changed(getObject(), INTERFACE_NAME, {"Open"}); });
    }
}

control::Command TlsServiceObject::command(Verb verb) const {
    return {.verb = verb, .name = service_.name, .among = control::Command::Among::services, .sa = {}, .child = {}};
}

void TlsServiceObject::Up(sdbus::Result<>&& result, Dictionary options) {
    commands_.command(call(std::move(options)), command(Verb::up), answer_done(std::move(result)));
}

void TlsServiceObject::Down(sdbus::Result<std::uint32_t>&& result, Dictionary options) {
    commands_.command(call(std::move(options)), command(Verb::down), answer_count(std::move(result)));
}

std::vector<std::string> TlsServiceObject::texts(const std::vector<Endpoint>& endpoints) {
    std::vector<std::string> all;
    all.reserve(endpoints.size());
    for (const Endpoint& endpoint : endpoints) {
        all.push_back(clean(to_string(endpoint)));
    }
    return all;
}

void TlsServiceObject::GetCounters(sdbus::Result<CounterValues, std::uint32_t>&& result) {
    const std::string caller = sender_of(getObject());
    if (!inquiries_.has_room_for(caller)) {
        refuse(result, to_bus_error(kTooMany));
        return;
    }
    inquiries_.ask<control::FrontDesk::Counts>(
        caller, [name = service_.name](control::FrontDesk& desk, auto reply) { desk.counts(name, std::move(reply)); },
        [result = std::move(result)](const control::FrontDesk::Counts& counts) {
            answer(result, counts.values, counts.silent);
        });
}

void answer_counters(Inquiries& inquiries, const std::string& caller, ike::IkeSpi spi,
                     sdbus::Result<CountersRows>&& result) {
    if (!inquiries.has_room_for(caller)) {
        refuse(result, to_bus_error(kTooMany));
        return;
    }
    using Counters = Result<std::vector<control::ChildCounters>>;
    inquiries.ask<Counters>(
        caller, [spi](control::FrontDesk& desk, auto reply) { desk.sa_counters(spi, std::move(reply)); },
        [result = std::move(result)](const Counters& counters) {
            counters ? answer(result, to_rows(*counters)) : refuse(result, to_bus_error(counters.error()));
        });
}

IkeSaObject::IkeSaObject(sdbus::IConnection& connection, Commands& commands, Inquiries& inquiries,
                         control::IkeSaView view)
    : Exported(connection, path_of(view.own)), commands_(commands), inquiries_(inquiries), view_(std::move(view)) {
    registerAdaptor();
}

void IkeSaObject::GetCounters(sdbus::Result<CountersRows>&& result) {
    answer_counters(inquiries_, sender_of(getObject()), view_.own, std::move(result));
}

void IkeSaObject::Down(sdbus::Result<>&& result, Dictionary options) {
    commands_.command(call(std::move(options)), {.verb = Verb::down, .name = {}, .sa = view_.own, .child = {}},
                      answer_done(std::move(result)));
}

void IkeSaObject::Rekey(sdbus::Result<>&& result, Dictionary options) {
    commands_.command(call(std::move(options)), {.verb = Verb::rekey, .name = {}, .sa = view_.own, .child = {}},
                      answer_done(std::move(result)));
}

void IkeSaObject::Reauthenticate(sdbus::Result<>&& result, Dictionary options) {
    commands_.command(call(std::move(options)),
                      {.verb = Verb::reauthenticate, .name = {}, .sa = view_.own, .child = {}},
                      answer_done(std::move(result)));
}

}  // namespace keysluice::bus
