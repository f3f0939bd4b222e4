// EAP at both ends: the first byte chooses the end, packets follow, each behind its length. With 'f' the packet gets
// the identifier that is waited for, so that what lies behind it is reached. Nobody is let in who does not know the
// password, and every answer is a packet. 't' and 'c' are a server and a client of EAP-TLS, whose TLS answers each
// turn with another one and never comes to an end: no turn is longer than allowed, and nobody is let in.
#include <cstdlib>

#include "eap/peer.hpp"
#include "eap/server.hpp"

namespace {

using namespace keysluice;
using namespace keysluice::eap;

constexpr int kMostPackets = 8;

void require(bool fact) {
    if (!fact) {
        std::abort();
    }
}

/// The same in every run.
class Numbers final : public Random {
   public:
    void fill(MutableBytes out) override {
        for (std::uint8_t& octet : out) {
            state_ = state_ * 1103515245U + 12345U;
            octet = static_cast<std::uint8_t>(state_ >> 16U);
        }
    }

   private:
    std::uint32_t state_ = 1;
};

Rules rules(Type method = Type::mschapv2) {
    Rules made;
    made.methods = {method};
    made.identity = "alice";
    made.password = Password(as_bytes("sesame"));
    made.users.emplace("alice", Password(as_bytes("sesame")));
    return made;
}

void attack_peer(crypto::LegacyAlgorithms& legacy, Reader& input) {
    const Rules mine = rules();
    Numbers random;
    Peer peer;
    for (int packets = 0; packets < kMostPackets && !input.rest().empty(); ++packets) {
        const auto answer = on_packet(legacy, random, mine, peer, input.prefixed<std::uint16_t>());
        if (!answer) {
            require(!answer.error().sentence.empty());
            return;
        }
        require(answer->kind != Answer::Kind::success && peer.msk.empty());
        require(answer->kind != Answer::Kind::response || parse(answer->packet)->code == Code::response);
    }
}

void attack_server(crypto::LegacyAlgorithms& legacy, Reader& input, bool fitting) {
    const Rules theirs = rules();
    Numbers random;
    Server server;
    require(parse(begin(random, theirs, server)).has_value());
    bool told = false;
    for (int packets = 0; packets < kMostPackets && !input.rest().empty(); ++packets) {
        const Bytes taken = input.prefixed<std::uint16_t>();
        Octets packet(taken.begin(), taken.end());
        if (fitting && packet.size() > 1) {
            packet[1] = server.id;
        }
        const Reply reply = on_response(legacy, random, theirs, server, packet);
        require(reply.kind != Reply::Kind::success && server.msk.empty());
        require(parse(reply.packet)->code == (reply.kind == Reply::Kind::request ? Code::request : Code::failure));
        told = told || !reply.why.sentence.empty();
        if (reply.kind == Reply::Kind::failure) {
            require(told);
            return;
        }
    }
}

constexpr std::size_t kTurn = 3000;  // three fragments

void attack_tls_client(crypto::LegacyAlgorithms& legacy, Reader& input) {
    const Rules mine = rules(Type::tls);
    Numbers random;
    Peer peer;
    while (!input.rest().empty()) {
        auto answer = on_packet(legacy, random, mine, peer, input.prefixed<std::uint16_t>());
        require(peer.tls.turns.incoming.size() <= kMostTlsOctets);
        if (!answer) {
            require(!answer.error().sentence.empty());
            return;
        }
        require(answer->kind != Answer::Kind::success);
        if (answer->kind == Answer::Kind::handshake) {
            require(answer->turn.begins == answer->turn.records.empty());
            const bool fails = answer->turn.records.size() % 4 == 3;  // with an alert, or without one
            TlsProgress progress{.records = Octets(kTurn)};
            if (fails) {
                progress = {.records = Octets(answer->turn.records.size() % 8),
                            .why = {"eap-tls-failed", "TLS failed"}};
                progress.of_tls = true;
            }
            *answer = on_tls(peer, answer->turn.records, std::move(progress)).value();
        }
        require(answer->kind != Answer::Kind::response || parse(answer->packet)->code == Code::response);
    }
}

void attack_tls_server(crypto::LegacyAlgorithms& legacy, Reader& input) {
    const Rules theirs = rules(Type::tls);
    Numbers random;
    Server server;
    static_cast<void>(begin(random, theirs, server));
    while (!input.rest().empty()) {
        const Bytes taken = input.prefixed<std::uint16_t>();
        Octets packet(taken.begin(), taken.end());
        if (packet.size() > 1) {
            packet[1] = server.id;
        }
        Reply reply = on_response(legacy, random, theirs, server, packet);
        require(server.tls.turns.incoming.size() <= kMostTlsOctets);
        if (reply.kind == Reply::Kind::handshake) {
            require(!reply.turn.records.empty());
            reply = on_tls(server, {.records = Octets(kTurn)});
        }
        require(reply.kind != Reply::Kind::success && server.msk.empty());
        require(parse(reply.packet)->code == (reply.kind == Reply::Kind::request ? Code::request : Code::failure));
        if (reply.kind == Reply::Kind::failure) {
            return;
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static crypto::LegacyAlgorithms legacy;
    Reader input(Bytes(data, size));
    const auto what = input.be<std::uint8_t>();
    if (what == 'p') {
        attack_peer(legacy, input);
    } else if (what == 't') {
        attack_tls_server(legacy, input);
    } else if (what == 'c') {
        attack_tls_client(legacy, input);
    } else {
        attack_server(legacy, input, what == 'f');
    }
    return 0;
}
