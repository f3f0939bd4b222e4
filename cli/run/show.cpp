#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/command_line.hpp"
#include "cli/documents.hpp"
#include "cli/listing.hpp"
#include "cli/printable.hpp"
#include "cli/run/runs.hpp"
#include "cli/target.hpp"

namespace keysluice::cli {
namespace {

std::string configuration_of(const Connection& as_it_came, const Style& style) {
    const Connection connection = printable(as_it_came);
    std::string text = fmt::format("connection {}: start {}\n", style.strong(connection.name), connection.start);
    text += fmt::format("  local    {}, as '{}', by {}\n", connection.local, connection.local_id, connection.auth);
    text += fmt::format("  remote   {}, as '{}', by {}\n", connection.remote, connection.remote_id,
                        connection.remote_auth);
    if (!connection.gateways.empty()) {
        text += fmt::format("  gateways {}, {} in turn\n", fmt::join(connection.gateways, " "), connection.gateway);
    }
    if (!connection.groups.empty()) {
        text += fmt::format("  groups   {}\n", fmt::join(connection.groups, " "));
    }
    text += fmt::format("  children {}\n", fmt::join(connection.children, " "));
    for (const RefusedChild& each : connection.refused) {
        text += fmt::format("  {} {}: {} ({})\n", style.bad("refused"), each.child, each.sentence, each.reason);
    }
    return text;
}

std::string as_text(const Target& target, Instant now, const Style& style) {
    std::string text;
    for (const Connection& connection : target.connections) {
        text += configuration_of(connection, style);
    }
    for (const IkeSa& sa : target.sas) {
        text += listing(sa, now, style);
    }
    if (!target.connections.empty() && target.sas.empty()) {
        text += "no IKE SA\n";
    }
    for (const TlsService& service : target.services) {
        text += listing(service, style);
        text += fmt::format("  client certificate: {}\n", printable(service.client_certificate));
        if (!service.groups.empty()) {
            text += fmt::format("  groups: {}\n", fmt::join(printable(service).groups, " "));
        }
        if (!service.server_name.empty()) {
            text += fmt::format("  server name: {}\n", printable(service.server_name));
        }
    }
    for (const TlsSession& session : target.sessions) {
        text += listing(session, now, style);
    }
    return text;
}

}  // namespace

Result<Outcome> run_show(Context& context) {
    auto target = look_up(context.service, context.line.name());
    if (!target) {
        return std::unexpected(target.error());
    }
    if (context.line.has("counters")) {
        if (auto counted = count_all(context.service, target->sas); !counted) {
            return pass_on(std::move(counted));
        }
    }
    const Instant now = context.now();
    if (!context.line.json()) {
        return Outcome{.text = as_text(*target, now, Style(context.colours))};
    }
    return Outcome{
        .text = document(
            {{"connections", Json::array(target->connections, [](const Connection& each) { return to_json(each); })},
             {"ike_sas", Json::array(target->sas, [now](const IkeSa& sa) { return to_json(sa, now); })},
             {"tls_services", Json::array(target->services, [](const TlsService& each) { return to_json(each); })},
             {"tls_sessions",
              Json::array(target->sessions, [now](const TlsSession& each) { return to_json(each, now); })}})};
}

}  // namespace keysluice::cli
