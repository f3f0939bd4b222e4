#include "daemon/control/explain.hpp"

#include <fmt/format.h>

#include <vector>

#include "base/reasons.hpp"
#include "base/suggestion.hpp"

namespace keysluice::control {
namespace {

std::string entry(const Reason& reason) {
    return fmt::format("{} ({}): {}\n", reason.code, name_of(reason.area), reason.meaning);
}

}  // namespace

Result<std::string> explain(std::string_view code) {
    if (const Reason* reason = find_reason(code)) {
        return entry(*reason);
    }
    std::string all;
    std::vector<std::string_view> codes;
    for (const Reason& reason : all_reasons()) {
        all += entry(reason);
        codes.push_back(reason.code);
    }
    if (code.empty()) {
        return all;
    }
    return fail("bad-argument", fmt::format("\"{}\" is no reason code{}", code, did_you_mean(code, codes)));
}

}  // namespace keysluice::control
