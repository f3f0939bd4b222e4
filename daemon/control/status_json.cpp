// nlohmann-json is slow to compile: it stands in this file only.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "daemon/control/status.hpp"
#include "daemon/shared/counters.hpp"
#include "ike/proposal.hpp"

namespace keysluice::control {

namespace {

using nlohmann::json;

json empty_service(const TlsService& service) {
    return {{"name", service.name},
            {"mode", to_string(service.mode)},
            {"verify_peer", to_string(service.verify_peer)},
            {"offload", to_string(service.offload)},
            {"listen", json::array()},
            {"active", {{"kernel", 0}, {"userspace", 0}}},
            {"negotiating", 0},
            {"established", {{"kernel", 0}, {"userspace", 0}}},
            {"resumed", 0},
            {"reasons", json::object()},
            {"failed", json::object()},
            {"accepted_by_engine", json::object()}};
}

void add_to(json& number, std::uint64_t value) {
    // Gauges go up in one process and may go down in another: the sum is taken modulo 2^64 and is never negative.
    number = (number.is_null() ? 0 : number.get<std::uint64_t>()) + value;
}

void add_count(json& service, const Hello& process, const Count& count) {
    static const std::map<std::string_view, std::pair<const char*, const char*>> kPlaces{
        {counter::kActiveKernel, {"active", "kernel"}},
        {counter::kActiveUserspace, {"active", "userspace"}},
        {counter::kEstablishedKernel, {"established", "kernel"}},
        {counter::kEstablishedUserspace, {"established", "userspace"}},
        {counter::kActivePlaintext, {"active", "plaintext"}},
        {counter::kEstablishedPlaintext, {"established", "plaintext"}}};
    const std::string_view name = count.name;
    if (const auto place = kPlaces.find(name); place != kPlaces.end()) {
        add_to(service[place->second.first][place->second.second], count.value);
    } else if (name == counter::kNegotiating) {
        add_to(service["negotiating"], count.value);
    } else if (name == counter::kAccepted) {
        add_to(service["accepted_by_engine"][std::to_string(process.index)], count.value);
    } else if (name.starts_with(counter::kFailed)) {
        add_to(service["failed"][std::string(name.substr(counter::kFailed.size()))], count.value);
    } else if (name.starts_with(counter::kWhyUserspace)) {
        add_to(service["reasons"][std::string(name.substr(counter::kWhyUserspace.size()))], count.value);
    } else {
        add_to(service[count.name], count.value);
    }
}

json kernel_to_json(const KernelView& kernel) {
    json groups = json::array();
    for (const KernelView::Group& group : kernel.groups) {
        groups.push_back({{"record_layer", group.what}, {"sockets", group.sockets}});
    }
    return {{"ktls", kernel.ktls},
            {"reason", kernel.reason},
            {"sockets", groups},
            {"decrypt_errors", kernel.decrypt_errors}};
}

json problems_to_json(const Diagnostics& problems) {
    json list = json::array();
    for (const Diagnostic& each : problems) {
        list.push_back({{"where", to_string(each.where)}, {"reason", each.reason}, {"sentence", each.sentence}});
    }
    return list;
}

json or_null(const std::optional<std::int64_t>& seconds) {
    return seconds ? json(*seconds) : json();
}

std::string_view word(ike::Offload offload) {
    return kEspOffloadNames.at(static_cast<std::size_t>(offload));
}

json child_to_json(const ChildView& child) {
    return {{"name", child.name},
            {"state", child.state},
            {"mode", child.mode},
            {"suite", ike::print(child.suite)},
            {"spi_in", fmt::format("{:08x}", child.inbound)},
            {"spi_out", fmt::format("{:08x}", child.outbound)},
            {"local_ts", texts(child.local)},
            {"remote_ts", texts(child.remote)},
            {"offload", child.offload.in_force == ike::Offload::off ? "none" : word(child.offload.in_force)},
            {"offload_requested", word(child.offload.requested)},
            {"offload_device", child.offload.device},
            {"offload_reason", child.offload.reason},
            {"rekey_in", or_null(child.rekey_in)}};
}

/// In an order that stays the same.
std::vector<const IkeSaView*> sorted(const std::vector<IkeSaView>& sas) {
    std::vector<const IkeSaView*> order;
    order.reserve(sas.size());
    for (const IkeSaView& sa : sas) {
        order.push_back(&sa);
    }
    std::ranges::sort(order, {}, [](const IkeSaView* each) {
        return std::tie(each->connection, each->remote, each->initiator_spi);
    });
    return order;
}

json to_json(const xfrm::Capabilities& kernel) {
    json missing = json::array();
    for (const xfrm::Missing& each : kernel.missing) {
        missing.push_back(each.sentence);
    }
    return {{"esp_ipv4", kernel.esp_ipv4},
            {"esp_ipv6", kernel.esp_ipv6},
            {"udp_encapsulation_ipv4", kernel.udp_encapsulation_ipv4},
            {"udp_encapsulation_ipv6", kernel.udp_encapsulation_ipv6},
            {"esn", kernel.esn},
            {"algorithms", kernel.algorithms},
            {"missing", std::move(missing)}};
}

json refused_to_json(const std::vector<RefusedChild>& refused) {
    json list = json::array();
    for (const RefusedChild& each : refused) {
        list.push_back({{"connection", each.connection},
                        {"child", each.child},
                        {"reason", each.why.reason},
                        {"sentence", each.why.sentence}});
    }
    return list;
}

json ike_to_json(const IkeView& ike) {
    json sas = json::array();
    for (const IkeSaView* each : sorted(ike.sas)) {
        const IkeSaView& sa = *each;
        json& one = sas.emplace_back(json{{"connection", sa.connection},
                                          {"state", sa.state},
                                          {"role", sa.initiator ? "initiator" : "responder"},
                                          {"local_id", sa.local_id},
                                          {"remote_id", sa.remote_id},
                                          {"local", sa.local.text()},
                                          {"remote", sa.remote.text()},
                                          {"suite", suite_text(sa)},
                                          {"spi_initiator", fmt::format("{:016x}", sa.initiator_spi)},
                                          {"spi_responder", fmt::format("{:016x}", sa.responder_spi)},
                                          {"age", or_null(sa.age)},
                                          {"rekey_in", or_null(sa.rekey_in)},
                                          {"virtual_addresses", texts(sa.given.addresses)},
                                          {"assigned_addresses", texts(sa.assigned.addresses)},
                                          {"dns", texts(sa.given.dns)},
                                          {"domains", sa.given.domains},
                                          {"interface", sa.interface},
                                          {"children", json::array()}});
        for (const ChildView& child : sa.children) {
            one["children"].push_back(child_to_json(child));
        }
    }
    json document{{"running", ike.running}, {"reason", ike.reason}, {"null_kernel", ike.null_kernel}};
    document["kernel"] = ike.kernel ? to_json(*ike.kernel) : json();
    document["refused"] = refused_to_json(ike.refused);
    document["sas"] = std::move(sas);  // in a list of initializers it would be copied
    return document;
}

std::string joined(const json& texts) {
    std::string text;
    for (const json& each : texts) {
        text += (text.empty() ? "" : ", ") + each.get<std::string>();
    }
    return text;
}

/// ", rekeyed in 120 s", or nothing where it is not known.
std::string time_of(const json& seconds, std::string_view what) {
    return seconds.is_null() ? "" : fmt::format(", {} {} s", what, seconds.get<std::int64_t>());
}

/// A line of its own, where offload is asked for.
std::string offload_line(const json& child) {
    const auto text = [&child](const char* key) { return child.at(key).get<std::string>(); };
    if (text("offload_requested") == "off") {
        return {};
    }
    const std::string why = text("offload_reason").empty() ? "" : ": " + text("offload_reason");
    const std::string what =
        text("offload") == "none" ? "none" + why : text("offload") + " by " + text("offload_device");
    return fmt::format("      offload (\"{}\" asked for): {}\n", text("offload_requested"), what);
}

std::string child_lines(const json& child) {
    const auto text = [&child](const char* key) { return child.at(key).get<std::string>(); };
    return fmt::format("    {} {} {}: {} to {}, SPIs {} in {} out, {}{}\n", text("name"), text("state"), text("mode"),
                       joined(child.at("local_ts")), joined(child.at("remote_ts")), text("spi_in"), text("spi_out"),
                       text("suite"), time_of(child.at("rekey_in"), "rekeyed in")) +
           offload_line(child);
}

/// What ESP can have of the kernel, and what it can't.
std::string capability_lines(const json& kernel) {
    if (kernel.is_null()) {
        return {};
    }
    const auto has = [&kernel](const char* key) { return kernel.at(key).get<bool>() ? "yes" : "no"; };
    std::string lines = fmt::format(
        "The kernel's ESP: IPv4 {}, IPv6 {}, in UDP over IPv4 {}, over IPv6 {}, extended sequence numbers {}\n",
        has("esp_ipv4"), has("esp_ipv6"), has("udp_encapsulation_ipv4"), has("udp_encapsulation_ipv6"), has("esn"));
    lines += fmt::format("    with {}\n", joined(kernel.at("algorithms")));
    for (const json& sentence : kernel.at("missing")) {
        lines += fmt::format("    missing: {}\n", sentence.get<std::string>());
    }
    return lines;
}

std::string address_lines(const json& sa) {
    std::string lines;
    const auto add = [&](std::string_view title, const char* key) {
        if (const json& texts = sa.at(key); !texts.empty()) {
            lines += fmt::format("    {} {}\n", title, joined(texts));
        }
    };
    add("given to us", "virtual_addresses");
    add("given to the peer", "assigned_addresses");
    add("resolvers", "dns");
    add("for the domains", "domains");
    return lines;
}

std::string ike_table_of(const json& ike) {
    if (!ike.at("running").get<bool>()) {
        return fmt::format("IKE does not run: {}\n", ike.at("reason").get<std::string>());
    }
    std::string table;
    if (ike.at("null_kernel").get<bool>()) {
        table += "--null-kernel: nothing is installed in the kernel, no packet is protected\n";
    }
    table += fmt::format("{:<20} {:<12} {:<10} {}\n", "IKE SA OF", "STATE", "ROLE", "PEER");
    for (const json& sa : ike.at("sas")) {
        const auto text = [&sa](const char* key) { return sa.at(key).get<std::string>(); };
        table += fmt::format("{:<20} {:<12} {:<10} {}{}{}\n", text("connection"), text("state"), text("role"),
                             text("remote_id"), text("remote_id").empty() ? "" : " at ", text("remote"));
        table += fmt::format("    from {}, SPIs {} {}{}{}{}{}\n", text("local"), text("spi_initiator"),
                             text("spi_responder"), text("suite").empty() ? "" : ", ", text("suite"),
                             time_of(sa.at("age"), "age"), time_of(sa.at("rekey_in"), "rekeyed in"));
        table += address_lines(sa);
        for (const json& child : sa.at("children")) {
            table += child_lines(child);
        }
    }
    for (const json& each : ike.at("refused")) {
        const auto text = [&each](const char* key) { return each.at(key).get<std::string>(); };
        table += fmt::format("{} refused: child {}: {}\n", text("connection"), text("child"), text("sentence"));
    }
    return table + capability_lines(ike.at("kernel"));
}

std::string reasons_of(const json& reasons) {
    std::string text;
    for (const auto& [reason, count] : reasons.items()) {
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count.get<std::uint64_t>(), reason);
    }
    return text;
}

/// What is missing in the figures, since somebody who reads a zero believes it.
std::string silence_of(const json& processes) {
    std::string text;
    for (const json& process : processes) {
        if (!process.at("answered").get<bool>()) {
            text += fmt::format("No answer in time from {} {} (pid {}): what it counts is missing here.\n",
                                process.at("kind").get<std::string>(), process.at("index").get<unsigned>(),
                                process.at("pid").get<unsigned>());
        }
    }
    return text;
}

/// Throws json::exception where the document is not as to_json() writes it.
std::string tls_table_of(const json& status) {
    std::string table = silence_of(status.at("processes"));
    table += fmt::format("{:<20} {:>8} {:>10} {:>12} {:>10}\n", "SERVICE", "IN KERNEL", "USERSPACE", "ESTABLISHED",
                         "HANDSHAKES");
    for (const json& service : status.at("services")) {
        const json& made = service.at("established");
        table += fmt::format("{:<20} {:>8} {:>10} {:>12} {:>10}\n", service.at("name").get<std::string>(),
                             service.at("active").at("kernel").get<std::uint64_t>(),
                             service.at("active").at("userspace").get<std::uint64_t>(),
                             made.at("kernel").get<std::uint64_t>() + made.at("userspace").get<std::uint64_t>(),
                             service.at("negotiating").get<std::uint64_t>());
        if (service.value("verify_peer", "") == to_string(VerifyPeer::none)) {
            table += "    WARNING: any server is trusted (verify_peer = \"none\")\n";
        }
        if (const std::uint64_t count = made.value("plaintext", std::uint64_t{0}); count != 0) {
            table += fmt::format("    WARNING: without TLS (plaintext = \"relay\"): {} now, {} in all\n",
                                 service.at("active").value("plaintext", std::uint64_t{0}), count);
        }
        if (!service.at("reasons").empty()) {
            table += fmt::format("    in userspace because: {}\n", reasons_of(service.at("reasons")));
        }
        if (!service.at("failed").empty()) {
            table += fmt::format("    failed: {}\n", reasons_of(service.at("failed")));
        }
    }
    const json& kernel = status.at("kernel");
    table += kernel.at("ktls").get<bool>()
                 ? "The kernel can carry records. Its sockets of these services, from sock_diag:\n"
                 : fmt::format("The kernel carries no records: {}\n", kernel.at("reason").get<std::string>());
    for (const json& group : kernel.at("sockets")) {
        table += fmt::format("    {:>6} × {}\n", group.at("sockets").get<std::uint64_t>(),
                             group.at("record_layer").get<std::string>());
    }
    return table;
}

std::string problem_lines(const json& status) {
    std::string lines;
    for (const json& each : status.value("reload_problems", json::array())) {
        const auto text = [&each](const char* key) { return each.at(key).get<std::string>(); };
        lines += fmt::format("WARNING: wrong at the last reload: {}: {} ({})\n", text("where"), text("sentence"),
                             text("reason"));
    }
    return lines;
}

std::string table_of(const json& status) {
    const bool tls = !status.at("services").empty() || !status.contains("ike");
    return problem_lines(status) + (tls ? tls_table_of(status) : "") +
           (status.contains("ike") ? ike_table_of(status.at("ike")) : "");
}

}  // namespace

std::string to_json(const ServicesView& shown, const std::vector<ProcessCounters>& processes,
                    const KernelView& kernel, const IkeView* ike) {
    json services = json::array();
    std::map<ServiceId, std::size_t> places;
    const auto add = [&](const TlsService& service) -> json& {
        places.emplace(service_id(service.name), services.size());
        return services.emplace_back(empty_service(service));
    };
    for (const TlsService& service : shown.services) {
        json& one = add(service);
        for (const Endpoint& endpoint : service.listen) {
            one["listen"].push_back(to_string(endpoint));
        }
    }
    for (const TlsService& service : shown.removed) {
        add(service)["removed"] = true;
    }
    const auto place_of = [&](ServiceId id) {
        if (!places.contains(id)) {
            if (!places.contains(service_id(kRemovedName))) {
                add({.name = std::string(kRemovedName)})["removed"] = true;
            }
            places[id] = places[service_id(kRemovedName)];
        }
        return places[id];
    };
    json list = json::array();
    for (const ProcessCounters& process : processes) {
        json& one = list.emplace_back(json{{"kind", name_of(process.process.kind)},
                                           {"index", process.process.index},
                                           {"pid", process.process.pid},
                                           {"answered", process.answered}});
        if (process.longest_round) {
            one["longest_round_us"] = std::chrono::floor<std::chrono::microseconds>(*process.longest_round).count();
        }
        for (const Count& count : process.counts) {
            add_count(services[place_of(count.service)], process.process, count);
        }
    }
    json document{{"version", 1}, {"services", services}, {"processes", list}, {"kernel", kernel_to_json(kernel)}};
    if (!shown.reload_problems.empty()) {
        document["reload_problems"] = problems_to_json(shown.reload_problems);
    }
    if (ike != nullptr) {
        document["ike"] = ike_to_json(*ike);
    }
    return document.dump(2, ' ', true, json::error_handler_t::replace) + "\n";
}

Result<std::string> to_table(const std::string& text) {
    try {
        return table_of(json::parse(text));
    } catch (const json::exception&) {
        return fail("status-malformed", "what came from status.sock is not a status document");
    }
}

}  // namespace keysluice::control
