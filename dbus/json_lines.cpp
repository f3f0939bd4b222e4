#include "dbus/json_lines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string_view>

#include "base/json_text.hpp"
#include "daemon/control/ike_configuration.hpp"
#include "dbus/errors.hpp"
#include "ike/proposal.hpp"

namespace keysluice::bus {
namespace {

// There may be millions of lines: what is known is appended, not formatted.

void append_key(std::string& into, std::string_view key) {
    into += ",\"";
    into += key;
    into += "\":";
}

void append(std::string& into, std::string_view key, std::string_view text) {
    append_key(into, key);
    append_json_text(into, text);
}

void append(std::string& into, std::string_view key, const std::optional<std::int64_t>& seconds) {
    append_key(into, key);
    into += seconds ? std::to_string(*seconds) : "null";
}

void append(std::string& into, std::string_view key, const std::vector<std::string>& texts) {
    append_key(into, key);
    into += '[';
    for (const std::string& text : texts) {
        if (&text != texts.data()) {
            into += ',';
        }
        append_json_text(into, text);
    }
    into += ']';
}

std::string_view word(ike::Offload offload) {
    return control::kEspOffloadNames.at(static_cast<std::size_t>(offload));
}

void append_child(std::string& into, const control::ChildView& child) {
    const control::OffloadState& offload = child.offload;
    fmt::format_to(std::back_inserter(into), R"({{"spi_in":"{:08x}","spi_out":"{:08x}")", child.inbound,
                   child.outbound);
    append(into, "name", std::string_view(child.name));
    append(into, "state", child.state);
    append(into, "mode", child.mode);
    append(into, "suite", std::string_view(ike::print(child.suite)));
    append(into, "local_ts", control::texts(child.local));
    append(into, "remote_ts", control::texts(child.remote));
    append(into, "offload", offload.in_force == ike::Offload::off ? "none" : word(offload.in_force));
    append(into, "offload_requested", word(offload.requested));
    append(into, "offload_device", std::string_view(offload.device));
    append(into, "offload_reason", std::string_view(clean(offload.reason)));
    append(into, "rekey_in", child.rekey_in);
    into += '}';
}

}  // namespace

void append_json_line(std::string& into, const control::IkeSaView& sa) {
    fmt::format_to(std::back_inserter(into), R"({{"spi_initiator":"{:016x}","spi_responder":"{:016x}")",
                   sa.initiator_spi, sa.responder_spi);
    append(into, "connection", std::string_view(sa.connection));
    append(into, "state", sa.state);
    append(into, "role", std::string_view(sa.initiator ? "initiator" : "responder"));
    append(into, "local_id", std::string_view(clean(sa.local_id)));
    append(into, "remote_id", std::string_view(clean(sa.remote_id)));
    append(into, "local", std::string_view(sa.local.text()));
    append(into, "remote", std::string_view(sa.remote.text()));
    append(into, "suite", std::string_view(control::suite_text(sa)));
    append(into, "age", sa.age);
    append(into, "rekey_in", sa.rekey_in);
    append(into, "virtual_addresses", control::texts(sa.given.addresses));
    append(into, "assigned_addresses", control::texts(sa.assigned.addresses));
    append(into, "dns", control::texts(sa.given.dns));
    append(into, "domains", sa.given.domains);
    append(into, "interface", std::string_view(sa.interface));
    into += ",\"children\":[";
    for (const control::ChildView& child : sa.children) {
        if (&child != sa.children.data()) {
            into += ',';
        }
        append_child(into, child);
    }
    into += "]}\n";
}

void append_json_line(std::string& into, const control::TlsSessionView& session, Instant moment) {
    fmt::format_to(std::back_inserter(into), R"({{"id":"sk:{:x}")", session.id.value);
    append(into, "service", std::string_view(session.service));
    append(into, "local", std::string_view(clean(session.local)));
    append(into, "remote", std::string_view(clean(session.remote)));
    append(into, "backend", std::string_view(clean(session.backend)));
    append(into, "version", std::string_view(session.version));
    append(into, "suite", std::string_view(clean(session.suite)));
    const auto age = std::chrono::floor<std::chrono::seconds>(moment - session.since).count();
    append(into, "age", std::optional<std::int64_t>(std::max<std::int64_t>(0, age)));
    append(into, "offload", std::string_view(session.in_force));
    append(into, "offload_requested", to_string(session.requested));
    append(into, "offload_device", std::string_view(session.device));
    append(into, "offload_reason", std::string_view(clean(session.why)));
    into += "}\n";
}

}  // namespace keysluice::bus
