#include "ike/informational.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ike/auth_lifetime.hpp"
#include "ike/child_answer.hpp"
#include "ike/create_child.hpp"
#include "ike/mobility.hpp"
#include "ike/rekey_ike.hpp"
#include "ike/twins.hpp"

namespace keysluice::ike {
namespace {

/// It may be what the peer made by its answer to our offer, which we have yet to get.
void note_deleted(const Context& context, Sa& sa, EspSpi outbound) {
    ChildOffer* offer = unanswered_offer(sa);
    if (offer != nullptr && offer->deleted.size() < context.settings.children_most) {
        offer->deleted.push_back(outbound);
    }
}

/// RFC 7296 section 1.4.1: the peer names its inbound SPIs; we answer with ours of the same CHILD SAs.
wire::DeletePayload delete_children(Context& context, Sa& sa, const wire::DeletePayload& request) {
    wire::DeletePayload answer{.protocol = wire::Protocol::esp, .spis = {}};
    for (const EspSpi spi : request.spis) {
        const ChildSa* child = sa.find_child_by_outbound(spi);
        if (child == nullptr) {
            note_deleted(context, sa, spi);
        }
        if (child == nullptr || child->state == ChildState::lingering) {
            continue;  // 2.25.1: "… a Child SA that does not exist, it SHOULD reply without a Delete payload."
        }
        // 1.4.1: "If a node receives a delete request for SAs for which it has already issued a delete request, it
        // MUST delete the outgoing SAs while processing the request and the incoming SAs while processing the
        // response. In that case, the responses MUST NOT include Delete payloads for the deleted SAs".
        if (child->state != ChildState::deleting) {
            answer.spis.push_back(child->spec.inbound);
        }
        retire_child(context, sa, child->spec.inbound);
    }
    return answer;
}

void delete_ike(Context& context, Sa& sa, const Incoming& message) {
    send_response(context, sa, message, {});
    // 2.25.2: "If a peer receives a request to close an IKE SA that it is currently rekeying, it SHOULD reply as
    // usual, and forget about its own rekeying request." Where the peer's own rekeying came first, its new IKE SA has
    // the children.
    const bool inherited = leave_to_rival(context, sa);
    const bool lost = sa.replacement && sa.children.empty();  // a collision of rekeyings: it never had anything
    Sa* twin = sa.state == State::established && !inherited && !lost ? context.registry.twin_of(sa) : nullptr;
    if (twin != nullptr) {
        retire_into(context, sa, *twin);
    } else if (sa.state == State::established && !inherited && !lost) {
        report(context, sa, Report::Kind::closed);
    }
    end(context, sa);
}

}  // namespace

void start_informational(Context& context, Sa& sa, const DeleteChildren& task) {
    for (const EspSpi inbound : task.inbound) {
        if (ChildSa* child = sa.find_child(inbound); child != nullptr && child->state != ChildState::lingering) {
            child->state = ChildState::deleting;
        }
    }
    send_request(context, sa, wire::ExchangeType::informational,
                 {wire::DeletePayload{.protocol = wire::Protocol::esp, .spis = task.inbound}});
}

void start_informational(Context& context, Sa& sa, const DeleteIke& /*task*/) {
    become(context, sa, State::closing);
    send_request(context, sa, wire::ExchangeType::informational,
                 {wire::DeletePayload{.protocol = wire::Protocol::ike, .spis = {}}});
}

void start_informational(Context& context, Sa& sa, const RefuseAuthentication& /*task*/) {
    send_request(context, sa, wire::ExchangeType::informational, {notify(wire::NotifyType::authentication_failed)});
}

void on_informational_response(Context& context, Sa& sa, const Task& task, const Incoming& message) {
    if (const auto* children = std::get_if<DeleteChildren>(&task)) {
        for (const EspSpi inbound : children->inbound) {
            retire_child(context, sa, inbound);
        }
    } else if (std::holds_alternative<DeleteIke>(task)) {
        if (!sa.we_replace) {
            report(context, sa, Report::Kind::closed);
        }
        end(context, sa);
    } else if (std::holds_alternative<RefuseAuthentication>(task)) {
        end(context, sa);
    } else if (const auto* update = std::get_if<UpdateAddresses>(&task)) {
        on_update_response(context, sa, *update, message);
    } else if (const auto* check = std::get_if<CheckPath>(&task)) {
        on_check_response(context, sa, *check, message);
    } else if (std::holds_alternative<Liveness>(task)) {
        on_liveness_response(context, sa, message);
    }
}

bool deletes_ike(const Payloads& payloads) {
    return std::ranges::any_of(payloads, [](const wire::Payload& payload) {
        const auto* request = std::get_if<wire::DeletePayload>(&payload);
        return request != nullptr && request->protocol == wire::Protocol::ike;
    });
}

void on_informational_request(Context& context, Sa& sa, const Incoming& message) {
    if (find_notify(message.payloads, wire::NotifyType::authentication_failed) != nullptr) {
        send_response(context, sa, message, {});
        fail_and_end(context, sa,
                     {"auth-refused", fmt::format("{} does not accept our identity {}; its log says why",
                                                  peer_text(sa), wire::print(sa.connection->local_id))});
        return;
    }
    if (deletes_ike(message.payloads)) {
        delete_ike(context, sa, message);
        return;
    }
    heed_lifetime(context, sa, message.payloads);
    Payloads answer = answer_mobility(context, sa, message);
    wire::DeletePayload deleted{.protocol = wire::Protocol::esp, .spis = {}};
    for (const wire::Payload& payload : message.payloads) {
        const auto* request = std::get_if<wire::DeletePayload>(&payload);
        if (request != nullptr && request->protocol == wire::Protocol::esp) {
            std::ranges::copy(delete_children(context, sa, *request).spis, std::back_inserter(deleted.spis));
        }
    }
    if (!deleted.spis.empty()) {
        answer.emplace_back(std::move(deleted));
    }
    send_response(context, sa, message, answer);
}

void close(Context& context, Sa& sa) {
    if (sa.state != State::established) {
        if (sa.state != State::closing && sa.state != State::replaced) {
            end(context, sa);
        }
        return;
    }
    sa.waiting.clear();
    sa.waiting.emplace_back(DeleteIke{});
    start_next(context, sa);
}

}  // namespace keysluice::ike
