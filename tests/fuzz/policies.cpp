// Policies of any bytes are read or refused; what is read is written so that it reads the same, can be numbered and
// turned round, and its edits leave something that can be looked at.
#include <cstdlib>

#include "daemon/control/policy_edits.hpp"
#include "daemon/control/policy_state.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace keysluice;
    using namespace keysluice::control;
    const std::string text(as_text({data, size}));
    static_cast<void>(parse_committed(text, "f"));
    static_cast<void>(edit_policies({{.file = "f", .text = text}},
                                    {.verb = PolicyEdit::Verb::modify, .name = "a", .values = {{"local", "::1"}}},
                                    "f"));
    auto set = parse_policies(text, "f");
    if (!set) {
        for (const Diagnostic& each : set.error()) {
            if (each.reason.empty() || each.sentence.empty()) {
                std::abort();
            }
        }
        return 0;
    }
    number_policies(*set, {});
    static_cast<void>(turned(*set));
    const CommittedPolicies committed{.set = *std::move(set)};
    const std::string written = write_committed(committed);
    const auto again = parse_committed(written, "g");
    if (!again || write_committed(*again) != written) {
        std::abort();
    }
    return 0;
}
