#pragma once

#include <deque>
#include <vector>

#include "base/secret_buffer.hpp"
#include "tests/exchange/two_ends.hpp"

namespace keysluice::ike::testing {

/// An end in the midst of things, as another process would take it over.
struct Situation {
    State state = State::dead;  ///< of one of its SAs
    Instant now;
    UdpEndpoint own;
    UdpEndpoint peer;
    ConnectionPtr connection;
    std::vector<SecretBuffer> sas;
    FakeKernel kernel;
    std::deque<ChildInstalled> unanswered;  ///< what the kernel has yet to say
};

/// An end in every State, in some of them more than once; new ones come last, since seeds of fuzzers count them. Each
/// IKE SA has AES-GCM with 128 bits.
[[nodiscard]] std::vector<Situation> all_situations();
[[nodiscard]] Settings settings_of_situations();

/// The answer to Sign, VerifyPeer or ExchangeKeys, as the ends of these situations believe it.
[[nodiscard]] Event answer_errand(const Action& errand, bool well);

}  // namespace keysluice::ike::testing
