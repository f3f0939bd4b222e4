#include "cli/documents.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "cli/target.hpp"

namespace keysluice::cli {
namespace {

std::int64_t seconds(Duration duration) {
    return std::chrono::floor<std::chrono::seconds>(duration).count();
}

std::optional<std::int64_t> until(Instant moment, Instant now) {
    return moment == Instant::max() ? std::nullopt : std::optional(std::max<std::int64_t>(0, seconds(moment - now)));
}

std::string in_hex(std::uint64_t ike_spi) {
    return fmt::format("{:016x}", ike_spi);
}

std::string in_hex(std::uint32_t esp_spi) {
    return fmt::format("{:08x}", esp_spi);
}

std::optional<std::int64_t> since(Instant moment, Instant now) {
    return moment == Instant::min() ? std::nullopt : std::optional(std::max<std::int64_t>(0, seconds(now - moment)));
}

Json to_json(const Traffic& traffic, Instant now) {
    return Json::object({{"packets", traffic.packets},
                         {"bytes", traffic.bytes},
                         {"age", since(traffic.installed, now)},
                         {"idle", since(traffic.used, now)}});
}

Json to_json(const ChildCounters& counters, Instant now) {
    return Json::object({{"in", to_json(counters.in, now)},
                         {"out", to_json(counters.out, now)},
                         {"outside_window", counters.outside_window},
                         {"replayed", counters.replayed},
                         {"broken", counters.broken}});
}

Json to_json(const ChildSa& child, Instant now) {
    std::vector<Json::Member> members{{"name", child.name},
                                      {"state", child.state},
                                      {"mode", child.mode},
                                      {"suite", child.suite},
                                      {"spi_in", in_hex(child.spi_in)},
                                      {"spi_out", in_hex(child.spi_out)},
                                      {"local_ts", Json::array(child.local_ts)},
                                      {"remote_ts", Json::array(child.remote_ts)},
                                      {"offload", child.offload},
                                      {"offload_requested", child.offload_requested},
                                      {"offload_device", child.offload_device},
                                      {"offload_reason", child.offload_reason},
                                      {"rekey_in", until(child.rekey_due, now)}};
    if (child.counters) {
        members.push_back({"counters", to_json(*child.counters, now)});
    }
    return Json::object(members);
}

}  // namespace

Json to_json(const IkeSa& sa, Instant now) {
    return Json::object(
        {{"connection", sa.connection},
         {"state", sa.state},
         {"role", sa.initiator ? "initiator" : "responder"},
         {"local_id", sa.local_id},
         {"remote_id", sa.remote_id},
         {"local", sa.local},
         {"remote", sa.remote},
         {"suite", sa.suite},
         {"spi_initiator", in_hex(sa.initiator ? sa.spi : sa.peer_spi)},
         {"spi_responder", in_hex(sa.initiator ? sa.peer_spi : sa.spi)},
         {"age", since(sa.established, now)},
         {"rekey_in", until(sa.rekey_due, now)},
         {"virtual_addresses", Json::array(sa.virtual_addresses)},
         {"assigned_addresses", Json::array(sa.assigned_addresses)},
         {"dns", Json::array(sa.dns)},
         {"domains", Json::array(sa.domains)},
         {"interface", sa.interface},
         {"children", Json::array(sa.children, [now](const ChildSa& child) { return to_json(child, now); })}});
}

Json to_json(const Connection& connection) {
    return Json::object({{"name", connection.name},
                         {"groups", Json::array(connection.groups)},
                         {"local", connection.local},
                         {"remote", connection.remote},
                         {"local_id", connection.local_id},
                         {"remote_id", connection.remote_id},
                         {"auth", connection.auth},
                         {"remote_auth", connection.remote_auth},
                         {"start", connection.start},
                         {"children", Json::array(connection.children)},
                         {"gateways", Json::array(connection.gateways)},
                         {"gateway", connection.gateway},
                         {"refused", Json::array(connection.refused, [](const RefusedChild& each) {
                              return Json::object(
                                  {{"child", each.child}, {"reason", each.reason}, {"sentence", each.sentence}});
                          })}});
}

Json counters_to_json(const TlsService& service) {
    std::vector<Json::Member> counters;
    counters.reserve(service.counters.size());
    for (const auto& [name, value] : service.counters) {
        counters.push_back({name, value});
    }
    return Json::object(counters);
}

Json to_json(const TlsService& service) {
    return Json::object({{"name", service.name},
                         {"groups", Json::array(service.groups)},
                         {"open", service.open},
                         {"mode", service.mode},
                         {"listen", Json::array(service.listen)},
                         {"connect", Json::array(service.connect)},
                         {"server_name", service.server_name},
                         {"client_certificate", service.client_certificate},
                         {"min_version", service.min_version},
                         {"verify_peer", service.verify_peer},
                         {"max_version", service.max_version},
                         {"ciphers", Json::array(service.ciphers)},
                         {"ciphersuites", Json::array(service.ciphersuites)},
                         {"key_exchange_groups", Json::array(service.key_exchange_groups)},
                         {"plaintext_remote", service.plaintext_remote},
                         {"send_proxy", service.send_proxy},
                         {"accept_proxy", service.accept_proxy},
                         {"offload_requested", service.offload_requested},
                         {"counters", counters_to_json(service)},
                         {"silent", service.silent}});
}

Json to_json(const TlsSession& session, Instant now) {
    return Json::object({{"id", session_text(session.id)},
                         {"service", session.service},
                         {"local", session.local},
                         {"remote", session.remote},
                         {"backend", session.backend},
                         {"version", session.version},
                         {"suite", session.suite},
                         {"age", since(session.established, now)},
                         {"offload", session.offload},
                         {"offload_requested", session.offload_requested},
                         {"offload_device", session.device},
                         {"offload_reason", session.reason}});
}

Json to_json(const Manager& manager) {
    return Json::object({{"version", manager.version},
                         {"api_version", manager.api_version},
                         {"features", Json::array(manager.features)},
                         {"ike_failure", manager.ike_failure}});
}

Json to_json(const Event& event) {
    std::vector<Json::Member> members{{"time", event.time},
                                      {"kind", event.kind},
                                      {"connection", event.connection},
                                      {"child", event.child},
                                      {"ike_spi", in_hex(event.ike_spi)},
                                      {"spi_in", in_hex(event.spi_in)},
                                      {"spi_out", in_hex(event.spi_out)},
                                      {"peer", event.peer},
                                      {"reason", event.reason},
                                      {"sentence", event.sentence}};
    if (!event.from.empty()) {
        members.insert(members.end(), {{"from", event.from}, {"to", event.to}});
    }
    return Json::object(members);
}

Json to_json(const Error& error) {
    return Json::object({{"reason", error.reason}, {"sentence", error.sentence}});
}

}  // namespace keysluice::cli
