// A proposal or a selector of any text is read or refused in a sentence; what is read is printed, and read again the
// same, and makes an offer that suits itself.
#include <cstdlib>

#include "ike/proposal.hpp"
#include "ike/traffic_selectors.hpp"
#include "ike/wire/message.hpp"
#include "ike/wire/transform.hpp"

namespace {

using namespace keysluice;
using namespace keysluice::ike;

void demand(bool fact) {
    if (!fact) {
        std::abort();
    }
}

template <typename T>
bool refused(const Result<T>& result) {
    demand(result || (!result.error().reason.empty() && !result.error().sentence.empty()));
    return !result;
}

void read_proposals(std::string_view text, const std::set<std::string>& weak) {
    if (const auto rule = parse_ike_proposal(text, weak); !refused(rule)) {
        demand(parse_ike_proposal(wire::print(rule->transforms), weak) == *rule);
        const auto offered = offer({*rule}, {}, true);
        const auto choice = choose_ike(offered, {*rule}, GroupId::none);
        demand(choice && accept_ike_answer(answer(*choice, {}), offered));
    }
    if (const auto rule = parse_esp_proposal(text, weak); !refused(rule)) {
        demand(parse_esp_proposal(wire::print(rule->transforms), weak) == *rule);
        for (const bool with_group : {true, false}) {
            const auto offered = offer({*rule}, {1, 2, 3, 4}, with_group);
            const auto choice = choose_esp(offered, {*rule}, with_group, GroupId::none);
            demand(choice && accept_esp_answer(answer(*choice, EspSpi{1}, with_group), offered));
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text({data, size});
    read_proposals(text, {});
    read_proposals(text, {"3des", "sha1", "md5", "modp768", "modp1024", "modp1536"});
    if (const auto selector = parse_selector(text); !refused(selector)) {
        demand(parse_selector(wire::print(*selector)) == *selector);
    }
    return 0;
}
