#pragma once

#include "ike/events.hpp"
#include "ike/exchange.hpp"

namespace keysluice::ike {

/// Begins an IKE SA: sends IKE_SA_INIT. `child` rides in its IKE_AUTH.
[[nodiscard]] std::unique_ptr<Sa> initiate(Context& context, ConnectionPtr connection, const ChildRule& child,
                                           const UdpEndpoint& local, const UdpEndpoint& remote);

/// The responder's answer to our IKE_SA_INIT, of which nothing is authenticated yet.
/// The request once more, from another address: as its own, since it says from where it comes (NAT detection).
void send_init_from_here(Context& context, Sa& sa);
void on_init_response(Context& context, Sa& sa, const wire::Outer& message, Bytes datagram);

/// Has our first key pair made elsewhere, or the key exchange with the peer's first message computed; what follows
/// waits for it.
void ask_for_exchange(Context& context, Sa& sa);
void on_init_exchanged(Context& context, Sa& sa, const KeysExchanged& event);

/// The deadline of an initiator that has nothing but an unauthenticated refusal (RFC 7296 section 2.21.1).
inline constexpr Duration kRefusalPatience = std::chrono::seconds(2);

/// What an IKE_SA_INIT request comes to. Without an SA, `answer` refuses it statelessly (or is empty: ignored).
struct InitAnswer {
    std::unique_ptr<Sa> sa;
    Payloads answer;
    std::optional<Error> refusal;
};
/// The responder's side, once cookies and limits let the request pass.
[[nodiscard]] InitAnswer on_init_request(Context& context, const wire::Outer& message, Bytes datagram,
                                         const UdpEndpoint& local, const UdpEndpoint& remote);

}  // namespace keysluice::ike
