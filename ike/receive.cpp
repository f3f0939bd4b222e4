#include "ike/receive.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ike/auth.hpp"
#include "ike/create_child.hpp"
#include "ike/delay.hpp"
#include "ike/eap_auth.hpp"
#include "ike/informational.hpp"
#include "ike/init.hpp"
#include "ike/liveness.hpp"
#include "ike/mobility.hpp"
#include "ike/peer_address.hpp"
#include "ike/rekey_ike.hpp"
#include "ike/turns.hpp"
#include "ike/wire/rules.hpp"

namespace keysluice::ike {
namespace {

constexpr Duration kBusyPatience = std::chrono::minutes(3);

/// RFC 7296 section 2.1: a repeated request is recognised by its octets and answered with the same octets.
bool answer_repetition(Context& context, const Sa& sa, const wire::Header& header, const DatagramReceived& datagram) {
    const auto& given = sa.window.given;
    if (!given || header.message_id != given->id || crypto::sha256(datagram.bytes) != given->request) {
        return false;
    }
    const Ends way = way_back(context, sa);
    send_datagrams(context, way.local, way.remote, given->datagrams);
    return true;
}

/// Section 2.3: what lies outside the window (of one) is not looked at. While a signature is made or checked, that is
/// every request: the one that is being worked on, repeated, and what an initiator's peer may have sent since; so it
/// is while an initiator has yet to prove who it is by EAP, and while TLS has yet to answer. While a message waits
/// for a key exchange, it is everything.
bool in_window(const Sa& sa, const wire::Header& header) {
    if (sa.delayed) {
        return false;
    }
    if (header.is_response) {
        const auto& outstanding = sa.window.outstanding;
        return outstanding && outstanding->id == header.message_id && outstanding->exchange == header.exchange;
    }
    const bool answering = sa.awaited && sa.awaited->id == header.message_id;
    const bool proves = sa.initiator && sa.state == State::eap;
    const bool computes = sa.state == State::eap && sa.negotiation->eap->handshake;
    const bool busy = sa.state == State::signing || sa.state == State::verifying || proves || computes;
    return header.message_id == sa.window.expected_request && !answering && !busy;
}

/// A message that is there, all of it, and authentic.
struct Opened {
    Reassembly::Whole whole;
    crypto::Sha256 digest{};  ///< of its datagram, or of its first fragment
};

std::optional<Opened> unprotect(Context& context, Sa& sa, const wire::Header& header, const wire::EncryptedPart& part,
                                const DatagramReceived& datagram) {
    auto plaintext = open_part(context.tools, sa.suite, sa.receiving(), part);
    if (!plaintext) {
        return {};
    }
    if (part.fragment_number == 0) {
        return Opened{{part.first_inner, *std::move(plaintext)}, crypto::sha256(datagram.bytes)};
    }
    Rare<Fragments>& of_direction = header.is_response ? sa.response_fragments : sa.request_fragments;
    Fragments& fragments = of_direction ? *of_direction : of_direction.emplace();
    if (part.fragment_number == 1) {
        fragments.first = crypto::sha256(datagram.bytes);
    }
    auto whole = fragments.parts.add(header.message_id, part, *std::move(plaintext));
    if (!whole) {
        return {};
    }
    Opened opened{*std::move(whole), fragments.first};
    of_direction.reset();
    return opened;
}

void on_request(Context& context, Sa& sa, const Incoming& message) {
    if (auto refusal = unsupported_critical(message.payloads)) {
        send_response(context, sa, message, {*std::move(refusal)});
        return;
    }
    if (!deletes_ike(message.payloads)) {
        inherit_before_use(context, sa);
    }
    const bool is_auth = message.exchange == wire::ExchangeType::ike_auth;
    if (sa.state == State::half_open) {
        if (is_auth) {
            on_auth_request(context, sa, message);
        }
        return;
    }
    if (sa.state == State::eap) {
        if (is_auth) {
            on_eap_request(context, sa, message);
        } else if (message.exchange == wire::ExchangeType::informational) {
            on_eap_informational(context, sa, message);
        }
        return;
    }
    switch (message.exchange) {
        case wire::ExchangeType::create_child_sa:
            if (rekeys_ike(message.payloads)) {
                on_rekey_ike_request(context, sa, message);
            } else {
                on_create_child_request(context, sa, message);
            }
            return;
        case wire::ExchangeType::informational:
            on_informational_request(context, sa, message);
            return;
        case wire::ExchangeType::ike_sa_init:
        case wire::ExchangeType::ike_auth:
            break;
    }
    send_response(context, sa, message, {notify(wire::NotifyType::invalid_syntax)});
}

/// RFC 7296 section 2.25: "If a peer continues to receive TEMPORARY_FAILURE on the same IKE SA after several minutes,
/// it SHOULD conclude that the state information is out of sync and close the IKE SA."
bool out_of_sync(const Context& context, Sa& sa, const Incoming& message) {
    if (message.exchange != wire::ExchangeType::create_child_sa) {
        return false;
    }
    if (find_notify(message.payloads, wire::NotifyType::temporary_failure) == nullptr) {
        sa.busy_since.reset();
        return false;
    }
    sa.busy_since = sa.busy_since.value_or(context.now);
    return context.now >= *sa.busy_since + kBusyPatience;
}

void on_response(Context& context, Sa& sa, const Incoming& message) {
    if (sa.state == State::auth_sent) {
        on_auth_response(context, sa, message);
        return;
    }
    if (sa.state == State::eap) {
        on_eap_response(context, sa, message);
        return;
    }
    if (response_waits_for_keys(context, sa, message)) {
        return;
    }
    close_exchange(sa);
    Task task = *std::move(sa.current);
    sa.current.reset();
    if (find_notify(message.payloads, wire::NotifyType::invalid_syntax) != nullptr) {
        // RFC 7296 section 2.21.3, as in send_response().
        fail_and_end(context, sa,
                     {"peer-invalid-syntax", fmt::format("{} can't read our request of the exchange {} and gives the "
                                                         "IKE SA up; its log says why",
                                                         peer_text(sa), wire::name_of(message.exchange))});
        return;
    }
    if (out_of_sync(context, sa, message)) {
        report(
            context, sa, Report::Kind::failed,
            {"peer-busy", fmt::format("{} has answered everything with TEMPORARY_FAILURE for minutes: its state of "
                                      "this IKE SA is another than ours, so it is closed",
                                      peer_text(sa))});
        close(context, sa);
        return;
    }
    if (auto* child = std::get_if<ChildOffer>(&task)) {
        on_create_child_response(context, sa, std::move(*child), message);
    } else if (auto* rekeying = std::get_if<IkeOffer>(&task)) {
        on_rekey_ike_response(context, sa, std::move(*rekeying), message);
    } else {
        on_informational_response(context, sa, task, message);
    }
}

/// A message of the peer that can't be read although it is authentic.
void on_malformed(Context& context, Sa& sa, const wire::Header& header, const crypto::Sha256& digest, Error error) {
    error.sentence = fmt::format("{} sent a message that can't be read: {}", peer_text(sa), error.sentence);
    if (header.is_response) {
        fail_and_end(context, sa, std::move(error));
        return;
    }
    report(context, sa, Report::Kind::refused, std::move(error));
    send_response(context, sa, {header.message_id, header.exchange, digest, {}},
                  {notify(wire::NotifyType::invalid_syntax)});
}

void on_protected(Context& context, Sa& sa, const wire::Outer& message, const wire::EncryptedPart& part,
                  const DatagramReceived& datagram) {
    if (!message.header.is_response && answer_repetition(context, sa, message.header, datagram)) {
        return;
    }
    if (sa.state == State::dead || sa.keys.d.empty() || !in_window(sa, message.header)) {
        return;
    }
    const auto opened = unprotect(context, sa, message.header, part, datagram);
    if (!opened) {
        return;
    }
    learn_address(context, sa, datagram.local, datagram.remote);
    if (message.header.is_response) {
        follow_response(context, sa, {datagram.local, datagram.remote});
    }
    sa.heard_at = context.now;
    auto payloads = wire::parse_payloads(opened->whole.first, opened->whole.plaintext);
    auto checked = payloads ? wire::check(message.header, message.payloads, *payloads, true)
                            : Result<void>(std::unexpected(payloads.error()));
    // RFC 7296 section 2.5: "Payloads sent in IKE response messages MUST NOT have the critical flag set." To a
    // request there is an answer.
    if (checked && message.header.is_response && wire::critical_unknown(*payloads)) {
        checked = std::unexpected(critical_error(*payloads));
    }
    if (!checked) {
        on_malformed(context, sa, message.header, opened->digest, std::move(checked).error());
        return;
    }
    const Incoming incoming{message.header.message_id, message.header.exchange, opened->digest, *std::move(payloads)};
    on_incoming(context, sa, incoming, message.header.is_response);
}

void on_silence(Context& context, Sa& sa, unsigned sent) {
    const bool succeeded = sa.state == State::replaced || (sa.state == State::closing && sa.we_replace);
    if (succeeded || leave_to_rival(context, sa)) {
        end(context, sa);  // whether the peer is there, the new one asks
        return;
    }
    Error error{"peer-silent",
                fmt::format("{} did not answer {} requests in a row; is it there, and do packets pass to "
                            "and from its UDP port {}?",
                            peer_text(sa), sent, sa.remote.port)};
    auto* refusal = sa.negotiation ? &sa.negotiation->refusal : nullptr;
    if (refusal != nullptr && *refusal) {
        error = std::move(**refusal);
    }
    fail_and_end(context, sa, std::move(error));
}

Error half_open_timeout(const Context& context, const Sa& sa) {
    const auto waited = std::chrono::duration_cast<std::chrono::seconds>(context.settings.half_open_time);
    const bool nat = sa.nat_here || sa.nat_there;
    return {"half-open-timeout",
            fmt::format("{} began an IKE SA and sent no IKE_AUTH within {} s; do its packets reach UDP port {}, and "
                        "large ones too?",
                        peer_text(sa), waited.count(), nat ? context.settings.nat_port : sa.local.port)};
}

/// Nobody made the signature, or checked the peer's, or this process has yet to ask for it.
void on_waiting(Context& context, Sa& sa) {
    if (!sa.negotiation->asked) {
        ask_again(context, sa);
    } else if (context.now >= sa.negotiation->until) {
        give_up_authentication(
            context, sa,
            {"auth-timeout",
             fmt::format("{} for the authentication of {} took longer than {} s; is an engine running, "
                         "and is this machine overloaded?",
                         sa.state == State::signing ? "our signature" : "checking the certificate", peer_text(sa),
                         std::chrono::duration_cast<std::chrono::seconds>(kAuthPatience).count())});
    }
}

/// The time for a true answer, for a half-open peer to go on, or for our first key pair is over.
void on_patience_end(Context& context, Sa& sa, Negotiation& negotiation) {
    auto& refusal = negotiation.refusal;
    if (refusal) {
        fail_and_end(context, sa, *std::move(refusal));
    } else if (sa.state == State::eap) {
        fail_and_end(context, sa, late_eap(sa));
    } else if (sa.initiator) {
        fail_and_end(context, sa, late_exchange());
    } else {
        fail_and_end(context, sa, half_open_timeout(context, sa));
    }
}

void on_established_time(Context& context, Sa& sa) {
    if (context.now >= sa.rekey_at) {
        sa.rekey_at = Instant::max();
        sa.waiting.emplace_back(new_ike_offer(context, sa));
    }
    for (ChildSa& child : sa.children) {
        if (child.state == ChildState::installed && context.now >= child.rekey_at) {
            rekey_child(context, sa, child);
        }
    }
    take_due_turns(context, sa);
    if (context.now >= next_look(sa)) {
        look_at_traffic(context, sa);
    }
    if (sa.nat_here && context.now >= sa.sent_at + context.settings.keepalive) {
        context.actions.emplace_back(
            SendDatagram{.from = sa.local, .to = sa.remote, .bytes = {0xFF}, .keepalive = true});
        sa.sent_at = context.now;
    }
}

void remove_lingering(Context& context, Sa& sa) {
    std::erase_if(sa.children, [&](const ChildSa& child) {
        if (context.now < child.remove_at) {
            return false;
        }
        context.actions.emplace_back(RemoveChild{child.spec});
        return true;
    });
}

}  // namespace

void on_incoming(Context& context, Sa& sa, const Incoming& message, bool is_response) {
    if (is_response) {
        on_response(context, sa, message);
    } else {
        on_request(context, sa, message);
    }
}

void on_message(Context& context, Sa& sa, const wire::Outer& message, const DatagramReceived& datagram) {
    if (message.header.from_initiator == sa.initiator) {
        return;  // our own message, come back
    }
    if (sa.state == State::init_sent) {
        // What answers a request from where we no longer are is about another request.
        const bool expected = message.header.is_response && message.header.message_id.value == 0 &&
                              datagram.local.address == sa.local.address &&
                              message.header.exchange == wire::ExchangeType::ike_sa_init;
        if (expected && wire::check(message.header, message.payloads, {}, false)) {
            on_init_response(context, sa, message, datagram.bytes);
        }
    } else if (message.encrypted) {
        on_protected(context, sa, message, *message.encrypted, datagram);
    } else if (sa.state == State::half_open && !message.header.is_response) {
        answer_repetition(context, sa, message.header, datagram);
    }
    start_next(context, sa);
}

void on_time(Context& context, Sa& sa) {
    if (sa.state == State::signing || sa.state == State::verifying) {
        on_waiting(context, sa);
    } else if (sa.negotiation && context.now >= sa.negotiation->until) {
        on_patience_end(context, sa, *sa.negotiation);
    } else if (sa.state == State::eap && sa.negotiation->eap->handshake && !sa.negotiation->asked) {
        ask_tls_again(context, sa);  // a restored one
    } else if (sa.negotiation && sa.negotiation->exchanging && !sa.negotiation->asked) {
        ask_for_exchange(context, sa);  // a restored one
    } else if (sa.delayed && context.now >= sa.delayed->until) {
        on_delay_end(context, sa);
    }
    if (auto& request = sa.window.outstanding; request && context.now >= request->again_at) {
        if (request->sent >= context.settings.retransmission.tries) {
            on_silence(context, sa, request->sent);
        } else {
            send_by_paths(context, sa);
        }
    }
    remove_lingering(context, sa);
    if (sa.state == State::established) {
        on_established_time(context, sa);
    }
    if (sa.state == State::replaced && context.now >= sa.close_at) {
        end(context, sa);
    }
    start_next(context, sa);
}

}  // namespace keysluice::ike
