#include "eap/mschapv2.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "crypto/digest.hpp"

// What stands behind the type, draft-kamath-pppext-eap-mschapv2-02 section 2:
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |     OpCode    | MS-CHAPv2-ID  |  MS-Length …  |  Data …
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// MS-Length counts from the OpCode on. The responses of success and failure are an OpCode alone.

namespace keysluice::eap {
namespace {

enum class OpCode : std::uint8_t { challenge = 1, response = 2, success = 3, failure = 4 };

constexpr std::uint8_t kResponseSize = 49;
constexpr std::string_view kOurName = "keysluice";
constexpr std::string_view kErrorCode = "E=";

std::unexpected<Error> malformed(std::string_view what) {
    return fail("eap-malformed", fmt::format("MS-CHAP-V2: {}", what));
}

Octets with_header(OpCode code, std::uint8_t id, Bytes data) {
    Writer writer;
    writer.be(static_cast<std::uint8_t>(code)).be(id).be(static_cast<std::uint16_t>(4 + data.size())).raw(data);
    return std::move(writer).release();
}

struct Message {
    OpCode code;
    std::uint8_t id;
    Bytes data;
};

std::optional<Message> read(Bytes octets) {
    Reader reader(octets);
    Message message{};
    message.code = static_cast<OpCode>(reader.be<std::uint8_t>());
    message.id = reader.be<std::uint8_t>();
    const auto length = reader.be<std::uint16_t>();
    message.data = reader.rest();
    return reader.ok() && length == octets.size() ? std::optional(message) : std::nullopt;
}

// ---- the side that proves who it is

Result<Octets> answer_challenge(crypto::LegacyAlgorithms& legacy, Random& random, const Rules& rules,
                                Mschapv2Peer& peer, const Message& request) {
    Reader reader(request.data);
    const Bytes challenge = reader.prefixed<std::uint8_t>();
    if (!reader.ok() || challenge.size() != peer.known.server.size()) {
        return malformed("a challenge of 16 octets was expected");
    }
    std::ranges::copy(challenge, peer.known.server.begin());
    random.fill(peer.known.peer);
    const auto hash = nt_hash(legacy, rules.password.expose());
    if (!hash) {
        return std::unexpected(hash.error());
    }
    auto code = nt_response(legacy, *hash, peer.known, rules.identity);
    if (!code) {
        return pass_on(std::move(code));
    }
    peer.known.response = *code;
    peer.answered = true;
    Writer data;
    constexpr std::array<std::uint8_t, 8> kReserved{};
    data.be(kResponseSize).raw(peer.known.peer).raw(kReserved).raw(peer.known.response).be(std::uint8_t{0});
    data.raw(as_bytes(rules.identity));
    return with_header(OpCode::response, request.id, data.view());
}

Result<Octets> believe(crypto::LegacyAlgorithms& legacy, const Rules& rules, const Mschapv2Peer& peer, Msk& msk,
                       const Message& request) {
    if (!peer.answered) {
        return malformed("success without a challenge");
    }
    const auto hash = nt_hash(legacy, rules.password.expose());
    if (!hash) {
        return std::unexpected(hash.error());
    }
    auto expected = authenticator_response(legacy, *hash, peer.known, rules.identity);
    if (!expected) {
        return pass_on(std::move(expected));
    }
    const Bytes said = request.data.first(std::min(request.data.size(), expected->size()));
    if (!crypto::equal(said, as_bytes(*expected))) {
        return fail("eap-server",
                    fmt::format("it does not know the password of {}, whom it accepts all the same: it is not the "
                                "server that it says it is",
                                rules.identity));
    }
    auto made = msk_of(legacy, *hash, peer.known.response);
    if (!made) {
        return pass_on(std::move(made));
    }
    msk = *std::move(made);
    return Octets{static_cast<std::uint8_t>(OpCode::success)};
}

/// The number behind "E=", or one for none.
std::uint32_t error_code(std::string_view text) {
    constexpr std::uint32_t kUntold = 1;
    const auto at = text.find(kErrorCode);
    std::uint32_t code = 0;
    if (at != std::string_view::npos) {
        const std::string_view digits = text.substr(at + kErrorCode.size(), 10);
        std::from_chars(digits.data(), digits.data() + digits.size(), code);
    }
    return code == 0 ? kUntold : code;
}

// ---- the side that asks for proof

struct Response {
    Exchanged known;
    std::string name;
};

std::optional<Response> read_response(const Mschapv2Server& server, Bytes octets) {
    const auto message = read(octets);
    if (!message || message->code != OpCode::response) {
        return {};
    }
    Reader reader(message->data);
    Reader value(reader.prefixed<std::uint8_t>());
    Response response;
    response.known.server = server.challenge;
    const Bytes peer = value.take(response.known.peer.size());
    static_cast<void>(value.take(8));  // reserved
    const Bytes code = value.take(response.known.response.size());
    static_cast<void>(value.take(1));  // flags
    const std::string_view name = as_text(reader.rest());
    if (!reader.ok() || !value.finished() || name.size() > kLongestIdentity) {
        return {};
    }
    std::ranges::copy(peer, response.known.peer.begin());
    std::ranges::copy(code, response.known.response.begin());
    response.name = name;
    return response;
}

Verdict failure(Error why) {
    return {.kind = Verdict::Kind::failure, .request = {}, .why = std::move(why)};
}

/// "E=691 R=0 C=… V=3 M=…": wrong, no second try, a challenge that nobody answers, version 3.
Octets refusal(const Challenge& challenge, std::uint8_t id) {
    std::string text = "E=691 R=0 C=";
    for (const std::uint8_t octet : challenge) {
        text += fmt::format("{:02X}", octet);
    }
    text += " V=3 M=Authentication failed";
    return with_header(OpCode::failure, id, as_bytes(text));
}

/// Whether the response is the one of this password; then `msk` and the server's own proof are there.
Result<std::string> prove(crypto::LegacyAlgorithms& legacy, const Password& password, const Response& response,
                          Msk& msk, bool& right) {
    const auto hash = nt_hash(legacy, password.expose());
    if (!hash) {
        return std::unexpected(hash.error());
    }
    auto code = nt_response(legacy, *hash, response.known, response.name);
    if (!code) {
        return pass_on(std::move(code));
    }
    right = crypto::equal(*code, response.known.response);
    auto made = msk_of(legacy, *hash, *code);
    if (!made) {
        return pass_on(std::move(made));
    }
    msk = *std::move(made);
    return authenticator_response(legacy, *hash, response.known, response.name);
}

Verdict judge_response(crypto::LegacyAlgorithms& legacy, const Rules& rules, std::string_view user,
                       Mschapv2Server& server, Msk& msk, std::uint8_t id, Bytes octets) {
    const auto response = read_response(server, octets);
    if (!response) {
        return failure({"eap-malformed", "MS-CHAP-V2: a response to the challenge was expected"});
    }
    const Password nobody;
    const auto found = rules.users.find(user);
    server.known_user = found != rules.users.end();
    bool right = false;
    const auto proof = prove(legacy, server.known_user ? found->second : nobody, *response, msk, right);
    if (!proof) {
        return failure(proof.error());
    }
    if (!right || !server.known_user) {
        msk.clear();
        server.phase = Mschapv2Server::Phase::refused;
        Error why = server.known_user ? Error{"eap-password", "a wrong password"}
                                      : Error{"eap-user", "there is no such user"};
        return {.kind = Verdict::Kind::next_request, .request = refusal(server.challenge, id), .why = std::move(why)};
    }
    server.phase = Mschapv2Server::Phase::accepted;
    return {.kind = Verdict::Kind::next_request,
            .request = with_header(OpCode::success, id, as_bytes(*proof + " M=Welcome"))};
}

}  // namespace

Result<Octets> answer(crypto::LegacyAlgorithms& legacy, Random& random, const Rules& rules, Mschapv2Peer& peer,
                      Msk& msk, Bytes request) {
    const auto message = read(request);
    if (!message) {
        return malformed("its length is not that of the packet");
    }
    switch (message->code) {
        case OpCode::challenge:
            return answer_challenge(legacy, random, rules, peer, *message);
        case OpCode::success:
            return believe(legacy, rules, peer, msk, *message);
        case OpCode::failure:
            peer.refused = error_code(as_text(message->data));
            return Octets{static_cast<std::uint8_t>(OpCode::failure)};
        case OpCode::response:
            break;
    }
    return malformed(fmt::format("a request with OpCode {}", static_cast<unsigned>(message->code)));
}

Octets begin(Random& random, Mschapv2Server& server, std::uint8_t id) {
    server = {};
    random.fill(server.challenge);
    Writer data;
    data.prefixed<std::uint8_t>(server.challenge).raw(as_bytes(kOurName));
    return with_header(OpCode::challenge, id, data.view());
}

Verdict judge(crypto::LegacyAlgorithms& legacy, const Rules& rules, std::string_view user, Mschapv2Server& server,
              Msk& msk, std::uint8_t id, Bytes response) {
    switch (server.phase) {
        case Mschapv2Server::Phase::challenged:
            return judge_response(legacy, rules, user, server, msk, id, response);
        case Mschapv2Server::Phase::accepted:
            if (response.empty() || static_cast<OpCode>(response[0]) != OpCode::success) {
                return failure({"eap-refused", "MS-CHAP-V2: the peer does not believe that we know its password"});
            }
            return {.kind = Verdict::Kind::success};
        case Mschapv2Server::Phase::refused:
            return {};  // it was told, and some peers never answer to that
    }
    std::unreachable();
}

}  // namespace keysluice::eap
