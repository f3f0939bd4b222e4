#include <fmt/format.h>

#include <algorithm>

#include "cli/command_line.hpp"
#include "cli/documents.hpp"
#include "cli/overview.hpp"
#include "cli/printable.hpp"
#include "cli/run/runs.hpp"
#include "cli/style.hpp"

namespace keysluice::cli {
namespace {

using Rows = std::vector<std::pair<std::string, std::uint64_t>>;

std::string table(std::string_view title, const Rows& rows, const Style& style) {
    std::size_t width = 0;
    for (const auto& [name, value] : rows) {
        width = std::max(width, columns(name));
    }
    std::string text = style.strong(title) + "\n";
    for (const auto& [name, value] : rows) {
        text += fmt::format("  {}{} {:>12}\n", name, std::string(width - columns(name), ' '), value);
    }
    return text;
}

std::string as_text(const Overview& overview, const Target& all, const Style& style) {
    Rows ike{{"connections", overview.connections},
             {"IKE SAs", overview.ike_sas},
             {"IKE SAs, established", overview.established},
             {"CHILD SAs", overview.child_sas}};
    for (const auto& [offload, count] : overview.offload) {
        ike.emplace_back(fmt::format("CHILD SAs, offload {}", offload), count);
    }
    std::string text = table("IKE", ike, style);
    for (const TlsService& each : all.services) {
        const TlsService service = printable(each);
        Rows rows(service.counters.begin(), service.counters.end());
        rows.emplace_back("processes that did not answer", service.silent);
        text += table(fmt::format("TLS service {}", service.name), rows, style);
    }
    return text;
}

}  // namespace

Result<Outcome> run_stats(Context& context) {
    const auto all = look_up_all(context.service);
    if (!all) {
        return std::unexpected(all.error());
    }
    const Overview overview = overview_of({}, *all);
    if (!context.line.json()) {
        return Outcome{.text = as_text(overview, *all, Style(context.colours))};
    }
    return Outcome{.text = document({{"numbers", to_json(overview)},
                                     {"tls_services", Json::array(all->services, [](const TlsService& each) {
                                          return Json::object({{"name", each.name},
                                                               {"counters", counters_to_json(each)},
                                                               {"silent", each.silent}});
                                      })}})};
}

}  // namespace keysluice::cli
