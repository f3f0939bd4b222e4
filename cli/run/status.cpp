#include <fmt/format.h>

#include <algorithm>

#include "cli/command_line.hpp"
#include "cli/counted.hpp"
#include "cli/documents.hpp"
#include "cli/overview.hpp"
#include "cli/printable.hpp"
#include "cli/run/runs.hpp"
#include "cli/style.hpp"

namespace keysluice::cli {
namespace {

bool has(const Manager& manager, std::string_view feature) {
    return std::ranges::find(manager.features, feature) != manager.features.end();
}

std::string ike_lines(const Manager& manager, const Overview& overview, const Style& style) {
    if (!has(manager, "ike")) {
        return overview.connections == 0 ? "IKE   no connections\n"
                                         : fmt::format("IKE   {}\n", style.bad("does not run"));
    }
    std::string text = fmt::format("IKE   {}: {}, {} of {} established, {}\n", style.good("runs"),
                                   counted(overview.connections, "connection"), overview.established,
                                   counted(overview.ike_sas, "IKE SA"), counted(overview.child_sas, "CHILD SA"));
    for (const auto& [offload, count] : overview.offload) {
        text += fmt::format("      {} × offload {}\n", count, offload == "none" ? "sw" : offload);
    }
    if (has(manager, "null-kernel")) {
        text += style.doubtful("      nothing is installed in the kernel: it runs with --null-kernel\n");
    }
    return text;
}

std::string tls_lines(const Overview& overview, std::size_t services, const Style& style) {
    if (services == 0) {
        return "TLS   no services\n";
    }
    std::string text =
        fmt::format("TLS   {}: {}, {} in the kernel, {} in userspace\n", style.good("runs"),
                    counted(services, "service"), counted(overview.tls_kernel, "connection"), overview.tls_userspace);
    for (const auto& [reason, count] : overview.tls_failed) {
        text += fmt::format("      {} × failed: {}\n", count, reason);
    }
    return text;
}

}  // namespace

Result<Outcome> run_status(Context& context) {
    const auto answered = context.service.manager();
    if (!answered) {
        return std::unexpected(answered.error());
    }
    const auto all = look_up_all(context.service);
    if (!all) {
        return std::unexpected(all.error());
    }
    const Overview overview = overview_of(*answered, *all);
    if (context.line.json()) {
        return Outcome{.text = document({{"service", to_json(*answered)},
                                         {"numbers", to_json(overview)},
                                         {"wrong", Json::array(overview.wrong)}})};
    }
    const Style style(context.colours);
    const Manager manager = printable(*answered);
    std::string text = fmt::format("keysluice {}\n", manager.version);
    text += ike_lines(manager, overview, style) + tls_lines(overview, all->services.size(), style);
    for (const std::string& each : overview.wrong) {
        text += fmt::format("{} {}\n", style.bad("wrong:"), each);
    }
    return Outcome{.text = std::move(text)};
}

}  // namespace keysluice::cli
