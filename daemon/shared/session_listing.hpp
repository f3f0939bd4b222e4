#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "daemon/shared/messages.hpp"

namespace keysluice {

/// Why the kernel does not encrypt a session without TLS.
inline constexpr std::string_view kPlaintextRelayed = "plaintext-relayed";

/// Of a socket on the TLS side.
[[nodiscard]] TlsSessionId session_id_of(int fd);

/// Whether the session is one of those that the question is for, but for its limit.
[[nodiscard]] bool asks_for(const AskSessions& ask, TlsSessionId id, ServiceId service);

/// Whether this session is to be reset.
[[nodiscard]] inline bool asks_for(const EndSessions& end, TlsSessionId id, ServiceId service) {
    return end.id.value == 0 ? service == end.service : id == end.id;
}

/// Answers the question. `candidates` are those that it is for, in any order, each with an `id`; `describe` makes a
/// ListedSession of one, and is called for those only that fit.
template <typename Candidate, typename Describe>
[[nodiscard]] Sessions answer_to(const AskSessions& ask, std::vector<Candidate> candidates, Describe describe) {
    const auto limit = static_cast<std::ptrdiff_t>(std::min<std::size_t>(ask.limit, candidates.size()));
    std::ranges::partial_sort(candidates, candidates.begin() + limit, {}, &Candidate::id);
    Sessions answer{.token = ask.token, .more = candidates.size() > ask.limit, .sessions = {}};
    candidates.resize(static_cast<std::size_t>(limit));
    answer.sessions.reserve(candidates.size());
    for (const Candidate& each : candidates) {
        answer.sessions.push_back(describe(each));
    }
    return answer;
}

}  // namespace keysluice
