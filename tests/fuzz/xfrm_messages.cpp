// What the kernel says about SAs and policies, behind the netlink header. The first byte chooses the kind of message.

#include <linux/xfrm.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "xfrm/decode.hpp"
#include "xfrm/encode.hpp"
#include "xfrm/transaction.hpp"

using namespace keysluice;
using namespace keysluice::xfrm;

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

template <typename T>
bool is_said_malformed(const Result<T>& result) {
    return result || result.error().reason == "netlink-malformed";
}

bool is_possible(const Selector& selector) {
    return selector.source.address.family() == selector.destination.address.family();
}

void fuzz_sa(Bytes payload) {
    const auto sa = decode_sa(payload);
    require(is_said_malformed(sa));
    if (sa && *sa) {
        require(payload.size() >= sizeof(xfrm_usersa_info));
        require((*sa)->algorithm.size() <= 64 && (*sa)->authentication.size() <= 64);
        require((*sa)->id.destination.family() == (*sa)->source.family());
        require(!(*sa)->selector || is_possible(*(*sa)->selector));
        require(!describe((*sa)->id).empty());
    }
}

/// What was read of a policy is what comes back of it when it is encoded again.
void fuzz_policy(Bytes payload) {
    const auto first = decode_policy(payload);
    require(is_said_malformed(first));
    if (first && *first) {
        const Policy& policy = (*first)->policy;
        require(policy.templates.size() <= 6 && is_possible(policy.selector));
        const auto request = encode_add(policy);
        const auto again = decode_policy(request.view().subspan(sizeof(nlmsghdr)));
        require(again && *again);
        require((*again)->policy.id() == policy.id());
        require((*again)->policy.templates.size() == policy.templates.size());
    }
}

void fuzz_event(std::uint16_t type, Bytes payload) {
    const auto event = decode_event(type, payload);
    require(is_said_malformed(event));
    if (event && *event) {
        require(!std::holds_alternative<Lost>(**event));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const Bytes payload = Bytes{data, size}.subspan(1);
    switch (data[0] % 5) {
        case 0:
            fuzz_sa(payload);
            break;
        case 1:
            fuzz_policy(payload);
            break;
        case 2:
            fuzz_event(XFRM_MSG_ACQUIRE, payload);
            break;
        case 3:
            fuzz_event(XFRM_MSG_EXPIRE, payload);
            break;
        default:
            fuzz_event(XFRM_MSG_MAPPING, payload);
            break;
    }
    return 0;
}
