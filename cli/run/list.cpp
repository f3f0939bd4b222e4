#include <algorithm>
#include <tuple>

#include "cli/command_line.hpp"
#include "cli/documents.hpp"
#include "cli/listing.hpp"
#include "cli/run/runs.hpp"
#include "cli/target.hpp"

namespace keysluice::cli {
namespace {

std::string as_text(const Target& target, const Context& context) {
    const Invocation& line = context.line;
    const bool all = !line.has("ike") && !line.has("child") && !line.has("tls");
    const Depth depth = all || (line.has("ike") && line.has("child")) ? Depth::whole
                        : line.has("ike")                             ? Depth::ike_only
                                                                      : Depth::children_only;
    const Style style(context.colours);
    std::string text;
    for (const IkeSa& sa : target.sas) {
        if (all || line.has("ike") || line.has("child")) {
            text += listing(sa, context.now(), style, depth);
        }
    }
    for (const TlsService& service : target.services) {
        if (all || line.has("tls")) {
            text += listing(service, style);
            for (const TlsSession& session : target.sessions) {
                text += session.service == service.name ? listing(session, context.now(), style) : "";
            }
        }
    }
    if (target.services.empty()) {  // one that was called by its id
        for (const TlsSession& session : target.sessions) {
            text += listing(session, context.now(), style);
        }
    }
    return text;
}

/// Fills in the sessions of the services.
Result<void> add_sessions(Service& service, Target& target) {
    if (target.services.empty()) {
        return {};
    }
    const std::string only = target.services.size() == 1 ? target.services.front().name : "";
    auto sessions = service.tls_sessions({.service = only, .group = {}});
    if (!sessions) {
        return pass_on(std::move(sessions));
    }
    std::erase_if(*sessions, [&target](const TlsSession& session) {
        return std::ranges::find(target.services, session.service, &TlsService::name) == target.services.end();
    });
    std::ranges::sort(*sessions, {}, [](const TlsSession& each) { return std::tie(each.service, each.id); });
    target.sessions = std::move(*sessions);
    return {};
}

}  // namespace

Result<Outcome> run_list(Context& context) {
    auto target =
        context.line.name().empty() ? look_up_all(context.service) : look_up(context.service, context.line.name());
    if (!target) {
        return std::unexpected(target.error());
    }
    if (auto added = add_sessions(context.service, *target); !added) {
        return pass_on(std::move(added));
    }
    if (context.line.has("counters")) {
        if (auto counted = count_all(context.service, target->sas); !counted) {
            return pass_on(std::move(counted));
        }
    }
    if (!context.line.json()) {
        return Outcome{.text = as_text(*target, context)};
    }
    const Instant now = context.now();
    return Outcome{
        .text = document(
            {{"ike_sas", Json::array(target->sas, [now](const IkeSa& sa) { return to_json(sa, now); })},
             {"tls_services", Json::array(target->services, [](const TlsService& each) { return to_json(each); })},
             {"tls_sessions",
              Json::array(target->sessions, [now](const TlsSession& each) { return to_json(each, now); })}})};
}

}  // namespace keysluice::cli
