#include "cli/doctor/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "cli/json.hpp"
#include "cli/printable.hpp"

namespace keysluice::doctor {
namespace {

std::ptrdiff_t count(const Findings& findings, Verdict verdict) {
    return std::ranges::count(findings, verdict, &Finding::verdict);
}

/// As wide as the longest.
std::string in_colours(Verdict verdict, const cli::Style& style) {
    std::string word = fmt::format("{:<7}", to_string(verdict));
    switch (verdict) {
        case Verdict::wrong:
            return style.bad(word);
        case Verdict::warning:
            return style.doubtful(word);
        case Verdict::unknown:
            return word;
        case Verdict::ok:
            return style.good(word);
    }
    return word;
}

}  // namespace

Findings sorted(const Findings& findings) {
    Findings order;
    for (const Verdict verdict : {Verdict::wrong, Verdict::warning, Verdict::unknown, Verdict::ok}) {
        std::ranges::copy_if(findings, std::back_inserter(order),
                             [verdict](const Finding& each) { return each.verdict == verdict; });
    }
    return order;
}

std::string to_text(const Findings& findings, const cli::Style& style) {
    std::string text;
    const auto out = std::back_inserter(text);
    fmt::format_to(out, "{} wrong, {} {}, {} unknown, {} ok\n\n", count(findings, Verdict::wrong),
                   count(findings, Verdict::warning), count(findings, Verdict::warning) == 1 ? "warning" : "warnings",
                   count(findings, Verdict::unknown), count(findings, Verdict::ok));
    for (const Finding& each : findings) {
        fmt::format_to(out, "{}  {}: {}{}\n", in_colours(each.verdict, style), each.name, cli::printable(each.found),
                       each.reason.empty() ? "" : fmt::format(" ({})", each.reason));
        for (const std::string& line : each.remedy) {
            fmt::format_to(out, "           {}\n", cli::printable(line));
        }
    }
    return text;
}

std::string to_json(const Findings& findings) {
    const auto worst = std::ranges::min_element(findings, {}, &Finding::verdict);
    return cli::document({{"verdict", to_string(worst == findings.end() ? Verdict::ok : worst->verdict)},
                          {"findings", cli::Json::array(findings, [](const Finding& each) {
                               return cli::Json::object({{"name", each.name},
                                                         {"verdict", to_string(each.verdict)},
                                                         {"found", cli::printable(each.found)},
                                                         {"remedy", cli::Json::array(each.remedy,
                                                                                     [](const std::string& line) {
                                                                                         return cli::Json(
                                                                                             cli::printable(line));
                                                                                     })},
                                                         {"reason", each.reason}});
                           })}});
}

bool any_wrong(const Findings& findings) {
    return count(findings, Verdict::wrong) != 0;
}

}  // namespace keysluice::doctor
