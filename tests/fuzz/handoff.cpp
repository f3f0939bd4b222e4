// What an application submits, as an engine reads it; and what keysluice says, as an application reads it.
#include "include/keysluice/handoff.h"

#include <array>
#include <cstdlib>
#include <string>

#include "daemon/engine/description.hpp"
#include "daemon/engine/submission.hpp"

using namespace keysluice;

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (const auto id = parse_submission({data, size})) {
        require(id->size() <= kLongestSubmissionId);
        const SecretBuffer told = describe_refusal(*id, {"not-tcp", "no"});
        std::array<char, kLongestSubmissionId + 1> again{};
        const std::string message(told.begin(), told.end());
        require(keysluice_text(message.c_str(), "id", again.data(), again.size()) >= 0 && *id == again.data());
    }
    std::string message(reinterpret_cast<const char*>(data), size);
    std::array<char, 16> text{};
    static_cast<void>(keysluice_text(message.c_str(), "peer", text.data(), text.size()));
    std::array<std::uint8_t, 48> secret{};
    require(keysluice_take_secret(message.data(), "receive_secret", secret.data(), secret.size()) <= secret.size());
    return 0;
}
