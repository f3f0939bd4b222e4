#include "ike/exchange.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "ike/create_child.hpp"
#include "ike/informational.hpp"
#include "ike/mobility.hpp"
#include "ike/rekey_ike.hpp"
#include "ike/wire/rules.hpp"

namespace keysluice::ike {
namespace {

/// How long a dead SA still answers repetitions of the peer's last request.
constexpr Duration kAfterlife = std::chrono::seconds(30);

wire::Header header_of(const Sa& sa, wire::ExchangeType exchange, bool response, MessageId id) {
    return {.initiator_spi = sa.initiator_spi,
            .responder_spi = sa.responder_spi,
            .exchange = exchange,
            .from_initiator = sa.initiator,
            .is_response = response,
            .message_id = id};
}

/// The protected datagrams of a message, or the end of the SA.
std::vector<wire::Octets> seal(Context& context, Sa& sa, const wire::Header& header, const Payloads& payloads) {
    const Fragmentation fragmentation{.allowed = sa.fragmentation, .datagram_size = context.settings.datagram_size};
    auto sealed = seal_message(context.tools, sa.suite, sa.sending(), sa.iv, header, payloads, fragmentation);
    if (!sealed) {
        fail_and_end(context, sa, std::move(sealed).error());
        return {};
    }
    return *std::move(sealed);
}

void make_outstanding(Context& context, Sa& sa, wire::ExchangeType exchange, std::vector<wire::Octets> datagrams) {
    assert(!sa.window.outstanding);
    sa.window.outstanding =
        OutstandingRequest{.id = sa.window.next_request,
                           .exchange = exchange,
                           .datagrams = std::move(datagrams),
                           .sent = 1,
                           .again_at = context.now + context.settings.retransmission.wait_after(1)};
    send_datagrams(context, sa.local, sa.remote, sa.window.outstanding->datagrams);
    sa.sent_at = context.now;
}

}  // namespace

void send_datagrams(Context& context, const UdpEndpoint& from, const UdpEndpoint& to,
                    const std::vector<wire::Octets>& datagrams) {
    for (const wire::Octets& datagram : datagrams) {
        context.actions.emplace_back(SendDatagram{.from = from, .to = to, .bytes = datagram});
    }
}

void send_request(Context& context, Sa& sa, wire::ExchangeType exchange, const Payloads& payloads) {
    auto datagrams = seal(context, sa, header_of(sa, exchange, false, sa.window.next_request), payloads);
    if (sa.state != State::dead) {
        make_outstanding(context, sa, exchange, std::move(datagrams));
    }
}

void send_init_request(Context& context, Sa& sa, const Payloads& payloads) {
    auto datagram = wire::emit(header_of(sa, wire::ExchangeType::ike_sa_init, false, MessageId{0}), payloads);
    // RFC 7296 section 2.15: the initiator signs its first message as it was last sent, cookie included.
    sa.negotiation->own_first_message = datagram;
    sa.window.outstanding.reset();
    make_outstanding(context, sa, wire::ExchangeType::ike_sa_init, {std::move(datagram)});
}

Ends way_back(const Context& context, const Sa& sa) {
    // RFC 4555 section 3.10: by which way a request and its response get through says something about that way alone,
    // so the response goes back by it. Without MOBIKE, IKE is to go where ESP goes, and to end where that ends. A
    // response that comes late goes to where the peer is now.
    return sa.mobility.agreed ? context.came_by.value_or(sa.ends()) : sa.ends();
}

void send_response(Context& context, Sa& sa, const Incoming& request, const Payloads& payloads) {
    auto datagrams = seal(context, sa, header_of(sa, request.exchange, true, request.id), payloads);
    if (sa.state == State::dead && datagrams.empty()) {
        return;
    }
    const Ends way = way_back(context, sa);
    send_datagrams(context, way.local, way.remote, datagrams);
    sa.sent_at = context.now;
    sa.window.given = GivenResponse{.id = request.id, .request = request.digest, .datagrams = std::move(datagrams)};
    sa.window.expected_request = MessageId{request.id.value + 1};
    if (find_notify(payloads, wire::NotifyType::invalid_syntax) != nullptr) {
        // RFC 7296 section 2.21.3: "If a peer parsing a request notices that it is badly formatted […] and it returns
        // an INVALID_SYNTAX notification, then this error notification is considered fatal in both peers, meaning
        // that the IKE SA is deleted without needing an explicit Delete payload."
        end(context, sa);
    }
}

void send_again(Context& context, Sa& sa) {
    assert(sa.window.outstanding);
    OutstandingRequest& request = *sa.window.outstanding;
    ++request.sent;
    request.again_at = context.now + context.settings.retransmission.wait_after(request.sent);
    send_datagrams(context, sa.local, sa.remote, request.datagrams);
    sa.sent_at = context.now;
}

void send_anew(Context& context, Sa& sa) {
    sa.window.outstanding->sent = 0;
    send_again(context, sa);
}

void close_exchange(Sa& sa) {
    sa.window.outstanding.reset();
    ++sa.window.next_request.value;
}

void report(Context& context, const Sa& sa, Report::Kind kind, Error error, std::string child) {
    context.actions.emplace_back(Report{.kind = kind,
                                        .connection = sa.connection ? sa.connection->name : std::string(),
                                        .child = std::move(child),
                                        .peer = sa.remote,
                                        .sa = sa.own_spi(),
                                        .error = std::move(error)});
}

void end(Context& context, Sa& sa) {
    if (sa.state == State::dead) {
        return;
    }
    for (const ChildSa& child : sa.children) {
        context.actions.emplace_back(RemoveChild{child.spec});
    }
    sa.children.clear();
    sa.current.reset();
    sa.waiting.clear();
    sa.awaited.reset();
    sa.delayed.reset();
    sa.negotiation.reset();
    sa.window.outstanding.reset();
    sa.request_fragments.reset();
    sa.response_fragments.reset();
    sa.rekey_at = Instant::max();
    sa.close_at = context.now + kAfterlife;
    become(context, sa, State::dead);
}

void fail_and_end(Context& context, Sa& sa, Error error) {
    report(context, sa, Report::Kind::failed, std::move(error));
    end(context, sa);
}

void start_next(Context& context, Sa& sa) {
    const bool may = sa.state == State::established || sa.state == State::replaced || sa.state == State::closing;
    while (may && sa.state != State::dead && !sa.window.outstanding) {
        const auto next =
            std::ranges::find_if(sa.waiting, [&](const Task& task) { return due_time(task) <= context.now; });
        if (next == sa.waiting.end()) {
            return;
        }
        sa.current = std::move(*next);
        sa.waiting.erase(next);
        const auto start = [&](auto& task) {
            using Kind = std::decay_t<decltype(task)>;
            if constexpr (std::is_same_v<Kind, ChildOffer>) {
                start_create_child(context, sa, task);
            } else if constexpr (std::is_same_v<Kind, IkeOffer>) {
                start_rekey_ike(context, sa, task);
            } else {
                start_informational(context, sa, task);
            }
        };
        std::visit(start, *sa.current);
        if (!sa.window.outstanding) {
            sa.current.reset();  // nothing was left to be asked for
        }
    }
}

std::string peer_text(const Sa& sa) {
    const std::string where = sa.remote.text();
    return sa.peer_id.data.empty() ? where : fmt::format("{} at {}", wire::print(sa.peer_id), where);
}

Error in_exchange(wire::ExchangeType exchange, Error error) {
    error.sentence = fmt::format("{}: {}", wire::name_of(exchange), error.sentence);
    return error;
}

const wire::NotifyPayload* find_notify(const Payloads& payloads, wire::NotifyType type) {
    for (const wire::Payload& payload : payloads) {
        const auto* found = std::get_if<wire::NotifyPayload>(&payload);
        if (found != nullptr && found->type == type) {
            return found;
        }
    }
    return nullptr;
}

const wire::NotifyPayload* find_error(const Payloads& payloads) {
    for (const wire::Payload& payload : payloads) {
        const auto* found = std::get_if<wire::NotifyPayload>(&payload);
        if (found != nullptr && wire::is_error(found->type)) {
            return found;
        }
    }
    return nullptr;
}

wire::NotifyPayload notify(wire::NotifyType type, Bytes data) {
    return {.type = type, .protocol = wire::Protocol::none, .spi = {}, .data = {data.begin(), data.end()}};
}

std::optional<wire::NotifyPayload> unsupported_critical(const Payloads& payloads) {
    const auto type = wire::critical_unknown(payloads);
    if (!type) {
        return {};
    }
    // RFC 7296 section 2.5: "In that Notify payload, the Notification Data contains the one-octet payload type."
    const std::array data{static_cast<std::uint8_t>(*type)};
    return notify(wire::NotifyType::unsupported_critical_payload, data);
}

Error critical_error(const Payloads& payloads) {
    const auto type = wire::critical_unknown(payloads);
    return {"ike-payloads", fmt::format("a payload of type {}, which nobody here knows, is said to be critical",
                                        type ? static_cast<unsigned>(*type) : 0)};
}

GroupId suggested_group(const wire::NotifyPayload& notify) {
    Reader reader(notify.data);
    const auto group = reader.be<std::uint16_t>();
    return reader.finished() ? static_cast<GroupId>(group) : GroupId::none;
}

wire::NotifyPayload suggest_group(GroupId group) {
    Writer data;
    data.be(static_cast<std::uint16_t>(group));
    return notify(wire::NotifyType::invalid_ke_payload, data.view());
}

wire::Octets new_nonce(Random& random) {
    // RFC 7296 section 2.10: "Nonces used in IKEv2 MUST be randomly chosen, MUST be at least 128 bits in size, and
    // MUST be at least half the key size of the negotiated pseudorandom function (PRF)."
    wire::Octets nonce(32);
    random.fill(nonce);
    return nonce;
}

Result<crypto::KeyPair> new_key_pair(Random& random, GroupId group) {
    const crypto::Group chosen = group_of(group);
    Secret<80> seed;
    random.fill(seed.writable(crypto::private_size(chosen)));
    return crypto::make_key_pair(chosen, seed.expose());
}

Instant early(Context& context, Duration time) {
    return context.now + time - time / 10 / 65536 * context.random.number<std::uint16_t>();
}

std::uint64_t early(Context& context, std::uint64_t count) {
    return count == 0 ? 0 : count - count / 10 * context.random.number<std::uint16_t>() / 65536;
}

Instant retry_time(Context& context) {
    // RFC 7296 section 2.25, of TEMPORARY_FAILURE: "it MUST NOT immediately retry the operation; it MUST wait so that
    // the sender may complete whatever operation caused the temporary condition."
    constexpr Duration kLeast = std::chrono::seconds(2);
    constexpr Duration kMore = std::chrono::seconds(8);
    return context.now + kLeast + kMore / 65536 * context.random.number<std::uint16_t>();
}

const wire::Octets& lower_nonce(const wire::Octets& a, const wire::Octets& b) {
    // RFC 7296 section 2.8.1: "start by comparing the first octet; if they're equal, move to the next octet, and so
    // on. If you reach the end of one nonce, that nonce is the lower one."
    return std::ranges::lexicographical_compare(a, b) ? a : b;
}

}  // namespace keysluice::ike
