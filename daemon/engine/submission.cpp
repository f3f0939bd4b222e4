#include "daemon/engine/submission.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

namespace keysluice {

namespace {

/// So that nothing has to be escaped in an answer.
bool plain(char letter) {
    return letter >= ' ' && letter <= '~' && letter != '"' && letter != '\\';
}

std::optional<std::string> id_in(Bytes packet) {
    constexpr int kVersion = 1;
    constexpr std::size_t kMembers = 2;
    constexpr bool kThrow = false;
    const auto json = nlohmann::json::parse(packet.begin(), packet.end(), nullptr, kThrow);
    if (!json.is_object() || json.size() != kMembers) {
        return std::nullopt;
    }
    const auto version = json.find("version");
    const auto id = json.find("id");
    if (version == json.end() || *version != kVersion || id == json.end() || !id->is_string()) {
        return std::nullopt;
    }
    auto text = id->get<std::string>();
    const bool fits = text.size() <= kLongestSubmissionId && std::ranges::all_of(text, plain);
    return fits ? std::optional(std::move(text)) : std::nullopt;
}

}  // namespace

Result<std::string> parse_submission(Bytes packet) {
    auto id = packet.size() <= kLargestSubmission ? id_in(packet) : std::nullopt;
    if (!id) {
        return fail("submission-malformed",
                    R"(an application sent something else than one socket with {"version": 1, "id": "…"})");
    }
    return *std::move(id);
}

}  // namespace keysluice
