#pragma once

#include "base/random.hpp"
#include "eap/mschapv2_codes.hpp"

namespace keysluice::eap {

// EAP-MSCHAPv2 (draft-kamath-pppext-eap-mschapv2): data of requests and responses, and what each side has to remember
// between them.

/// The side that proves who it is.
struct Mschapv2Peer {
    bool answered = false;      ///< the challenge
    std::uint32_t refused = 0;  ///< the server's error code, 0: it has not refused
    Exchanged known;
};

/// The data of the answer to a request; the server's proof fills `msk`. Fails with "eap-malformed", "eap-server" (it
/// does not know the password), and as nt_hash().
[[nodiscard]] Result<Octets> answer(crypto::LegacyAlgorithms& legacy, Random& random, const Rules& rules,
                                    Mschapv2Peer& peer, Msk& msk, Bytes request);

/// The side that asks for proof.
struct Mschapv2Server {
    enum class Phase : std::uint8_t { challenged, accepted, refused };
    Phase phase = Phase::challenged;
    bool known_user = false;
    Challenge challenge{};
};

/// What the method makes of a response.
struct Verdict {
    enum class Kind : std::uint8_t { next_request, success, failure };
    Kind kind = Kind::failure;
    Octets request = {};  ///< the data of the next one
    Error why = {};       ///< of a failure, unless the request before it said why
};

/// The data of the first request. `id`: of its packet.
[[nodiscard]] Octets begin(Random& random, Mschapv2Server& server, std::uint8_t id);
/// Of `user`, with `id` for the next request. One who is not known hears what one with a wrong password hears, and
/// takes as long. There is no second try: that takes another IKE SA.
[[nodiscard]] Verdict judge(crypto::LegacyAlgorithms& legacy, const Rules& rules, std::string_view user,
                            Mschapv2Server& server, Msk& msk, std::uint8_t id, Bytes response);

}  // namespace keysluice::eap
