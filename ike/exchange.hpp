#pragma once

#include "ike/incoming.hpp"
#include "ike/sa.hpp"
#include "ike/wire/message.hpp"

namespace keysluice::ike {

// What all exchanges send with. None is sent by a dead SA.

/// Sends a protected request, of which there is no other outstanding.
void send_request(Context& context, Sa& sa, wire::ExchangeType exchange, const Payloads& payloads);
/// Sends IKE_SA_INIT in the clear.
void send_init_request(Context& context, Sa& sa, const Payloads& payloads);
/// Where the response to a request goes, or goes again.
[[nodiscard]] Ends way_back(const Context& context, const Sa& sa);
/// Answers a request, and remembers the answer. INVALID_SYNTAX ends the IKE SA.
void send_response(Context& context, Sa& sa, const Incoming& request, const Payloads& payloads);
/// Sends what is outstanding again.
void send_again(Context& context, Sa& sa);
/// The same to another address, where nobody has had it yet: the waits begin anew.
void send_anew(Context& context, Sa& sa);
void send_datagrams(Context& context, const UdpEndpoint& from, const UdpEndpoint& to,
                    const std::vector<wire::Octets>& datagrams);

/// The response to our outstanding request has come.
void close_exchange(Sa& sa);

void report(Context& context, const Sa& sa, Report::Kind kind, Error error = {}, std::string child = {});

/// The SA is over, and its CHILD SAs with it; the kernel is told. It stays a while, dead, to answer repetitions.
void end(Context& context, Sa& sa);
/// The same, with a reason that somebody wants to know.
void fail_and_end(Context& context, Sa& sa, Error error);

/// Starts the next waiting task if nothing is outstanding.
void start_next(Context& context, Sa& sa);

/// "gw2.example at 198.51.100.7:500": for sentences.
[[nodiscard]] std::string peer_text(const Sa& sa);
/// The same error, with the exchange in front of its sentence.
[[nodiscard]] Error in_exchange(wire::ExchangeType exchange, Error error);

// ---- looking into messages

template <typename T>
[[nodiscard]] const T* find(const Payloads& payloads) {
    for (const wire::Payload& payload : payloads) {
        if (const T* found = std::get_if<T>(&payload)) {
            return found;
        }
    }
    return nullptr;
}

[[nodiscard]] const wire::NotifyPayload* find_notify(const Payloads& payloads, wire::NotifyType type);
/// The first error of the message, or null.
[[nodiscard]] const wire::NotifyPayload* find_error(const Payloads& payloads);
[[nodiscard]] wire::NotifyPayload notify(wire::NotifyType type, Bytes data = {});
/// UNSUPPORTED_CRITICAL_PAYLOAD, where one of them is.
[[nodiscard]] std::optional<wire::NotifyPayload> unsupported_critical(const Payloads& payloads);
/// "ike-payloads", of the same.
[[nodiscard]] Error critical_error(const Payloads& payloads);
/// INVALID_KE_PAYLOAD's group (RFC 7296 section 1.3), or none where it is no group of ours.
[[nodiscard]] GroupId suggested_group(const wire::NotifyPayload& notify);
[[nodiscard]] wire::NotifyPayload suggest_group(GroupId group);

[[nodiscard]] wire::Octets new_nonce(Random& random);
[[nodiscard]] Result<crypto::KeyPair> new_key_pair(Random& random, GroupId group);
/// A moment up to a tenth earlier than `time` from now, so that not all SAs rekey at once.
[[nodiscard]] Instant early(Context& context, Duration time);
/// The same for bytes or packets, of which there are less than 2^48.
[[nodiscard]] std::uint64_t early(Context& context, std::uint64_t count);
/// When to repeat what a busy peer refused. Both ends may have refused each other at once, so no two waits are the
/// same.
[[nodiscard]] Instant retry_time(Context& context);
/// The lower one, as RFC 7296 section 2.8.1 compares nonces.
[[nodiscard]] const wire::Octets& lower_nonce(const wire::Octets& a, const wire::Octets& b);

}  // namespace keysluice::ike
