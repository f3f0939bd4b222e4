#include "eap/server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace keysluice::eap {
namespace {

Octets request(Server& server, Type type, Octets data) {
    server.asked = type;
    return emit({.code = Code::request, .id = server.id, .type = type, .data = std::move(data)});
}

Reply give_up(const Server& server, Error why) {
    return {.kind = Reply::Kind::failure,
            .packet = emit({.code = Code::failure, .id = server.id}),
            .why = std::move(why)};
}

Reply next_method(Random& random, Server& server, std::string_view wanted) {
    if (server.left.empty()) {
        return give_up(server, {"eap-method", fmt::format("the peer takes none of the methods that this connection "
                                                          "has, and asks for {}",
                                                          wanted)});
    }
    const Type method = server.left.front();
    server.left.erase(server.left.begin());
    ++server.id;
    Octets first =
        method == Type::tls ? emit_tls({.start = true, .total = {}}) : begin(random, server.mschapv2, server.id);
    return {.kind = Reply::Kind::request, .packet = request(server, method, std::move(first))};
}

Reply on_identity(Random& random, Server& server, const Packet& response) {
    if (response.data.size() > kLongestIdentity) {
        return give_up(server, {"eap-malformed", fmt::format("an identity of {} octets, where {} are the most",
                                                             response.data.size(), kLongestIdentity)});
    }
    server.identity = as_text(response.data);
    return next_method(random, server, "others");
}

/// RFC 3748 section 5.3.1: the peer names what it would rather have, before the method has begun.
Reply on_nak(Random& random, Server& server, const Packet& response) {
    std::string wanted;
    for (const std::uint8_t each : response.data) {
        wanted += (wanted.empty() ? "" : ", ") + name_of(static_cast<Type>(each));
    }
    std::erase_if(server.left, [&](Type each) {
        return std::ranges::find(response.data, static_cast<std::uint8_t>(each)) == response.data.end();
    });
    return next_method(random, server, wanted);
}

Reply go_on(Server& server, Octets data) {
    ++server.id;
    return {.kind = Reply::Kind::request, .packet = request(server, Type::tls, std::move(data))};
}

Reply on_tls_response(Server& server, const Packet& response) {
    auto frame = parse_tls(response.data);
    if (!frame || frame->start) {
        return give_up(server,
                       frame ? Error{"eap-malformed", "EAP-TLS: a response that begins anew"} : frame.error());
    }
    auto heard = hear(server.tls.turns, *frame);
    if (!heard) {
        return give_up(server, std::move(heard).error());
    }
    if (auto& answer = heard->answer; answer) {
        return go_on(server, *std::move(answer));
    }
    switch (server.tls.phase) {
        case TlsServer::Phase::refused:
            return give_up(server, {});
        case TlsServer::Phase::accepted:
            if (heard->turn.empty()) {
                return {.kind = Reply::Kind::success, .packet = emit({.code = Code::success, .id = server.id})};
            }
            return give_up(server, {"eap-tls-failed",
                                    "the peer had something to say when all was said: it does not "
                                    "believe us"});
        case TlsServer::Phase::started:
        case TlsServer::Phase::running:
            break;
    }
    if (heard->turn.empty()) {
        return give_up(server, {"eap-malformed", "EAP-TLS: a response with nothing in it"});
    }
    const bool begins = std::exchange(server.tls.phase, TlsServer::Phase::running) == TlsServer::Phase::started;
    return {.kind = Reply::Kind::handshake, .turn = {.begins = begins, .records = std::move(heard->turn)}};
}

Reply on_method(crypto::LegacyAlgorithms& legacy, const Rules& rules, Server& server, const Packet& response) {
    const auto next = static_cast<std::uint8_t>(server.id + 1);
    Verdict verdict = judge(legacy, rules, server.identity, server.mschapv2, server.msk, next, response.data);
    switch (verdict.kind) {
        case Verdict::Kind::next_request:
            server.id = next;
            return {.kind = Reply::Kind::request,
                    .packet = request(server, response.type, std::move(verdict.request)),
                    .why = std::move(verdict.why)};
        case Verdict::Kind::success:
            return {.kind = Reply::Kind::success, .packet = emit({.code = Code::success, .id = server.id})};
        case Verdict::Kind::failure:
            return give_up(server, std::move(verdict.why));
    }
    std::unreachable();
}

}  // namespace

Octets begin(Random& random, const Rules& rules, Server& server) {
    server = {};
    server.left = rules.methods;
    server.id = random.number<std::uint8_t>();
    return request(server, Type::identity, {});
}

Reply on_response(crypto::LegacyAlgorithms& legacy, Random& random, const Rules& rules, Server& server,
                  Bytes octets) {
    const auto packet = parse(octets);
    if (!packet) {
        return give_up(server, packet.error());
    }
    const bool answers = packet->code == Code::response && packet->id == server.id;
    const bool begun = server.asked == Type::identity || server.mschapv2.phase != Mschapv2Server::Phase::challenged ||
                       server.tls.phase != TlsServer::Phase::started || !server.tls.turns.incoming.empty();
    if (answers && packet->type == Type::nak && !begun) {
        return on_nak(random, server, *packet);
    }
    if (!answers || packet->type != server.asked) {
        return give_up(server, {"eap-malformed", fmt::format("a response to the request {} for {} was expected",
                                                             server.id, name_of(server.asked))});
    }
    if (packet->type == Type::identity) {
        return on_identity(random, server, *packet);
    }
    return packet->type == Type::tls ? on_tls_response(server, *packet) : on_method(legacy, rules, server, *packet);
}

Reply on_tls(Server& server, TlsProgress progress) {
    const bool failed = !progress.why.reason.empty();
    if (!failed && progress.records.empty()) {
        return give_up(server, {"eap-malformed", "EAP-TLS: a response that ends in the middle of what TLS says"});
    }
    if (failed && progress.records.empty()) {
        return give_up(server, std::move(progress.why));
    }
    if (failed) {
        server.tls.phase = TlsServer::Phase::refused;
    } else if (!progress.msk.empty()) {
        server.tls.phase = TlsServer::Phase::accepted;
        server.msk = std::move(progress.msk);
    }
    Reply reply = go_on(server, speak(server.tls.turns, std::move(progress.records)));
    reply.why = std::move(progress.why);
    return reply;
}

}  // namespace keysluice::eap
