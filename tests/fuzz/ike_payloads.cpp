// The payloads inside an encrypted one: the first octet is the first one's type. What is read is chosen from and
// narrowed; what is chosen is an answer that its offerer accepts.
#include <cstdlib>

#include "ike/assignment.hpp"
#include "ike/proposal.hpp"
#include "ike/traffic_selectors.hpp"
#include "ike/wire/message.hpp"

namespace {

using namespace keysluice;
using namespace keysluice::ike;

const std::vector<ProposalRule>& ike_rules() {
    static const std::vector<ProposalRule> rules = default_ike_proposals();
    return rules;
}

const std::vector<ProposalRule>& esp_rules() {
    static const std::vector<ProposalRule> rules = default_esp_proposals();
    return rules;
}

template <typename Choice>
void must_be_accepted(const Result<Choice>& accepted, const Choice& choice) {
    if (!accepted || accepted->suite != choice.suite) {
        std::abort();
    }
}

void choose(const wire::SaPayload& offered) {
    if (const auto choice = choose_ike(offered, ike_rules(), GroupId::x25519)) {
        const wire::Octets spi(offered.proposals.at(choice->proposal - 1U).spi.size(), 1);
        must_be_accepted(accept_ike_answer(answer(*choice, spi), offered), *choice);
    } else if (choice.error().sentence.empty()) {
        std::abort();
    }
    for (const bool with_group : {true, false}) {
        if (const auto choice = choose_esp(offered, esp_rules(), with_group, GroupId::ecp256)) {
            must_be_accepted(accept_esp_answer(answer(*choice, EspSpi{1}, with_group), offered), *choice);
        }
    }
    static_cast<void>(accept_ike_answer(offered, offer(ike_rules(), {}, true)));
    static_cast<void>(accept_esp_answer(offered, offer(esp_rules(), {1, 2, 3, 4}, true)));
}

void narrow_all(const TrafficSelectors& offered) {
    const TrafficSelectors allowed{*parse_selector("10.0.0.0/8"), *parse_selector("10.1.0.0/16/tcp/443"),
                                   *parse_selector("2001:db8::/32")};
    for (const TrafficSelectors& narrowed : {narrow(offered, allowed), narrow(offered, offered)}) {
        if (!narrowed.empty() && !covers(offered, narrowed)) {
            std::abort();
        }
    }
    for (const wire::TrafficSelector& one : offered) {
        const auto read = parse_selector(wire::print(one));
        if (read && *read != one) {
            std::abort();
        }
    }
}

struct Use {
    void operator()(const wire::SaPayload& payload) const {
        // A single proposal may have any number, which no offer has.
        if (payload.proposals.front().number == 1) {
            choose(payload);
        }
    }
    void operator()(const wire::TsInitiatorPayload& payload) const { narrow_all(payload.selectors); }
    void operator()(const wire::TsResponderPayload& payload) const { narrow_all(payload.selectors); }
    template <typename Other>
    void operator()(const Other& /*payload*/) const {}
    /// What is taken from a reply can be said in one.
    void operator()(const wire::ConfigurationPayload& payload) const {
        const Assignment assignment = assignment_in(payload);
        if (assignment_in(reply_with(assignment, request_for(wishes_in(payload)))) != assignment) {
            std::abort();
        }
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const auto payloads = wire::parse_payloads(static_cast<wire::PayloadType>(data[0]), Bytes(data + 1, size - 1));
    if (!payloads) {
        return payloads.error().reason == "ike-malformed" ? 0 : (std::abort(), 0);
    }
    for (const wire::Payload& payload : *payloads) {
        std::visit(Use{}, payload);
        for (const char c : wire::print(payload)) {
            if (static_cast<unsigned char>(c) < 0x20) {
                std::abort();
            }
        }
    }
    return 0;
}
