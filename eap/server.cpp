#include "eap/server.hpp"

#include <fmt/format.h>

#include <algorithm>

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
    return {.kind = Reply::Kind::request,
            .packet = request(server, method, begin(random, server.mschapv2, server.id))};
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
    const bool begun = server.asked == Type::identity || server.mschapv2.phase != Mschapv2Server::Phase::challenged;
    if (answers && packet->type == Type::nak && !begun) {
        return on_nak(random, server, *packet);
    }
    if (!answers || packet->type != server.asked) {
        return give_up(server, {"eap-malformed", fmt::format("a response to the request {} for {} was expected",
                                                             server.id, name_of(server.asked))});
    }
    return packet->type == Type::identity ? on_identity(random, server, *packet)
                                          : on_method(legacy, rules, server, *packet);
}

}  // namespace keysluice::eap
