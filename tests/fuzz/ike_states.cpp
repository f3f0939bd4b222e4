// An Endpoint in each state of ike/transitions.hpp, and then whatever comes. The first byte chooses the situation;
// steps follow: what is done, how, the type of the first payload, a length, and the octets of a message. A message is
// a raw datagram, or plaintext that is sealed with the SA's own keys, as a peer with keys would: what is parsed
// behind the integrity check is reached. After each step the SAs are consistent, and once everybody is silent,
// nothing of them is left.

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <deque>

#include "ike/exchange.hpp"
#include "ike/protection.hpp"
#include "ike/snapshot.hpp"
#include "tests/exchange/outside_doctest.hpp"
#include "tests/exchange/situations.hpp"

namespace {

using namespace keysluice;
using namespace keysluice::ike;
using namespace keysluice::ike::testing;

constexpr int kMostSteps = 8;
/// Retransmissions, liveness and afterlife of a few SAs are some hundreds.
constexpr int kMostDeadlines = 5000;

void require(bool holds, const char* what) {
    if (!holds) {
        std::fprintf(stderr, "%s\n", what);
        std::abort();
    }
}

/// The bits of a step's second byte.
struct How {
    std::uint8_t bits;

    [[nodiscard]] bool response() const { return (bits & 1U) != 0; }
    [[nodiscard]] wire::ExchangeType exchange() const {
        constexpr std::array kExchanges{wire::ExchangeType::create_child_sa, wire::ExchangeType::informational,
                                        wire::ExchangeType::ike_auth, wire::ExchangeType::ike_sa_init};
        return kExchanges.at((bits >> 1U) & 3U);
    }
    [[nodiscard]] std::uint32_t ahead() const { return (bits >> 3U) & 1U; }
    [[nodiscard]] bool other_sa() const { return (bits & 0x10U) != 0; }
    [[nodiscard]] bool other_port() const { return (bits & 0x20U) != 0; }
};

class Attacked {
   public:
    explicit Attacked(const Situation& frozen)
        : frozen_(frozen),
          endpoint_(settings_of_situations(), random_),
          kernel_(frozen.kernel),
          unanswered_(frozen.unanswered),
          now_(frozen.now) {
        endpoint_.configure({frozen.connection});
        std::vector<std::unique_ptr<Sa>> sas;
        for (const SecretBuffer& each : frozen.sas) {
            sas.push_back(read_snapshot(each, [&](const std::string&) { return frozen.connection; }, 1).value());
        }
        endpoint_.restore(std::move(sas), {});
        endpoint_.restored({});
    }

    void step(std::uint8_t what, How how, wire::PayloadType first, Bytes octets) {
        const Sa* sa = chosen(how);
        switch (what % 8) {
            case 0:
                arrives(octets, how);
                break;
            case 1:
                if (sa != nullptr && octets.size() >= wire::kHeaderSize) {
                    arrives(with_names(octets, *sa), how);
                }
                break;
            case 2:
                if (sa != nullptr) {
                    arrives(in_clear(*sa, how, first, octets), how);
                }
                break;
            case 3:
                time_passes();
                break;
            case 4:
                command(how.bits);
                break;
            default:
                if (sa != nullptr && !sa->keys.d.empty()) {
                    arrives(sealed(*sa, how, first, octets), how);
                }
                break;
        }
    }

    /// Every peer is silent from now on. Our kernel and our threads are not.
    void end() {
        for (int count = 0; !unanswered_.empty() || endpoint_.next_deadline() != Instant::max(); ++count) {
            require(count < kMostDeadlines, "it does not come to an end");
            if (!unanswered_.empty()) {
                answer_of_kernel();
            } else if (!errands_.empty()) {
                answer_of_threads(true);
            } else {
                time_passes();
            }
        }
        require(endpoint_.sas().empty(), "an IKE SA is left over");
        require(kernel_.empty(), "a CHILD SA is left over in the kernel");
    }

   private:
    [[nodiscard]] const Sa* chosen(How how) const {
        std::vector<IkeSpi> names;
        for (const auto& [spi, sa] : endpoint_.sas()) {
            names.push_back(spi);
        }
        std::ranges::sort(names);
        return names.empty() ? nullptr : endpoint_.sas().at(how.other_sa() ? names.back() : names.front()).get();
    }

    static wire::Header header_for(const Sa& sa, How how) {
        const auto& outstanding = sa.window.outstanding;
        const MessageId id = !how.response() ? sa.window.expected_request
                             : outstanding   ? outstanding->id
                                             : sa.window.next_request;
        return {.initiator_spi = sa.initiator_spi,
                .responder_spi = sa.responder_spi,
                .exchange = how.exchange(),
                .from_initiator = !sa.initiator,
                .is_response = how.response(),
                .message_id = MessageId{id.value + how.ahead()}};
    }

    static wire::Octets with_names(Bytes datagram, const Sa& sa) {
        Writer out;
        out.be(sa.initiator_spi.value).be(sa.responder_spi.value).raw(datagram.subspan(16));
        return std::move(out).release();
    }

    static wire::Octets in_clear(const Sa& sa, How how, wire::PayloadType first, Bytes payloads) {
        Writer out;
        wire::Header header = header_for(sa, how);
        if (sa.state == State::init_sent) {
            header.responder_spi = IkeSpi{0x5a5a5a5a5a5a5a5aULL};
        }
        wire::emit_header({.header = header,
                           .first = first,
                           .length = static_cast<std::uint32_t>(wire::kHeaderSize + payloads.size())},
                          out);
        out.raw(payloads);
        return std::move(out).release();
    }

    /// With the keys of the peer: AES-GCM with 128 bits, as the connection has it (RFC 5282).
    wire::Octets sealed(const Sa& sa, How how, wire::PayloadType first, Bytes plaintext) {
        constexpr std::size_t kKey = 16;
        constexpr std::size_t kSalt = 4;
        const Bytes keys = sa.receiving().encryption.expose();
        wire::Octets padded(plaintext.begin(), plaintext.end());
        padded.push_back(0);
        wire::Octets iv(8);
        random_.fill(iv);
        wire::Octets nonce(keys.begin() + kKey, keys.begin() + kKey + kSalt);
        nonce.insert(nonce.end(), iv.begin(), iv.end());
        const std::size_t size = iv.size() + padded.size() + crypto::tag_size(crypto::Cipher::aes128_gcm);
        wire::Octets datagram = wire::emit_encrypted_prefix(header_for(sa, how), first, 0, 0, size);
        const wire::Octets associated = datagram;
        datagram.insert(datagram.end(), iv.begin(), iv.end());
        datagram.resize(associated.size() + size);
        const auto done = tools_.ciphers.seal(crypto::Cipher::aes128_gcm, keys.first(kKey), nonce, associated, padded,
                                              MutableBytes(datagram).subspan(associated.size() + iv.size()));
        require(done.has_value(), "a message can't be sealed");
        return datagram;
    }

    void arrives(Bytes datagram, How how) {
        UdpEndpoint peer = frozen_.peer;
        peer.port = static_cast<std::uint16_t>(peer.port + (how.other_port() ? 1 : 0));
        event(DatagramReceived{frozen_.own, peer, datagram});
    }

    void command(std::uint8_t which) {
        switch (which % 11) {
            case 0:
                event(Rekey{"a-z", {}});
                break;
            case 1:
                event(Rekey{"a-z", "net"});
                break;
            case 2:
                event(Terminate{"a-z"});
                break;
            case 3:
                event(Initiate{"a-z", {}, frozen_.own, frozen_.peer});
                break;
            case 4:
                kernel_.refuses = !kernel_.refuses;
                break;
            case 5:
                if (!kernel_.inbound().empty()) {
                    const EspSpi inbound = kernel_.inbound().begin()->first;
                    kernel_.delete_expired(inbound);
                    event(ChildLost{inbound, {"sa-expired", "at its limit"}});
                }
                break;
            case 6:
                answer_of_kernel();
                break;
            case 7:
                if (!kernel_.inbound().empty()) {
                    event(ChildSpent{kernel_.inbound().begin()->first});
                }
                break;
            case 8:
                if (!kernel_.inbound().empty()) {
                    event(PeerMoved{kernel_.inbound().begin()->first, {frozen_.peer.address, 4501}});
                }
                break;
            default:
                answer_of_threads(which % 11 == 9);
                break;
        }
    }

    void answer_of_threads(bool good) {
        if (!errands_.empty()) {
            const Action errand = std::move(errands_.front());
            errands_.pop_front();
            event(answer_errand(errand, good));
        }
    }

    void answer_of_kernel() {
        if (!unanswered_.empty()) {
            const ChildInstalled answer = std::move(unanswered_.front());
            unanswered_.pop_front();
            event(answer);
        }
    }

    void time_passes() {
        if (const Instant next = endpoint_.next_deadline(); next != Instant::max()) {
            now_ = std::max(now_, next);
            event(TimePassed{});
        }
    }

    void event(const Event& what) {
        for (Action& action : endpoint_.on(what, now_)) {
            if (const auto* install = std::get_if<InstallChild>(&action)) {
                unanswered_.push_back({install->spec.inbound, kernel_.install(*install)});
            } else if (const auto* outbound = std::get_if<InstallOutbound>(&action)) {
                const EspSpi inbound = outbound->spec.inbound;
                auto result = kernel_.install(*outbound);
                event(result ? Event(OutboundInstalled{inbound})
                             : Event(ChildLost{inbound, std::move(result).error()}));
            } else if (const auto* move = std::get_if<MoveChild>(&action)) {
                kernel_.move(*move);
            } else if (const auto* remove = std::get_if<RemoveChild>(&action)) {
                kernel_.remove(*remove);
            } else if (const auto* half = std::get_if<RemoveOutbound>(&action)) {
                kernel_.remove(*half);
            } else if (std::holds_alternative<Sign>(action) || std::holds_alternative<VerifyPeer>(action) ||
                       std::holds_alternative<ExchangeKeys>(action) || std::holds_alternative<AnswerTls>(action)) {
                errands_.push_back(std::move(action));
            }
        }
        const char* wrong = endpoint_.inconsistency();
        require(wrong == nullptr, wrong);
        require(kernel_.fault().empty(), kernel_.fault().c_str());
    }

    const Situation& frozen_;
    SeededRandom random_{3};
    Toolbox tools_;
    Endpoint endpoint_;
    FakeKernel kernel_;
    std::deque<ChildInstalled> unanswered_;
    std::deque<Action> errands_;
    Instant now_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Reader input(Bytes(data, size));
    static const OutsideDoctest outside;
    static const std::vector<Situation> situations = all_situations();
    Attacked attacked(situations[input.be<std::uint8_t>() % situations.size()]);
    for (int steps = 0; steps < kMostSteps && input.ok() && !input.rest().empty(); ++steps) {
        const auto what = input.be<std::uint8_t>();
        const How how{input.be<std::uint8_t>()};
        const auto first = static_cast<wire::PayloadType>(input.be<std::uint8_t>());
        const std::size_t length = input.be<std::uint16_t>();
        if (input.ok()) {
            attacked.step(what, how, first, input.take(std::min(length, input.rest().size())));
        }
    }
    attacked.end();
    return 0;
}
