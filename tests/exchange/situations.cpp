#include "tests/exchange/situations.hpp"

#include <doctest/doctest.h>

#include <array>
#include <functional>

#include "ike/key_exchange.hpp"
#include "ike/snapshot.hpp"

namespace keysluice::ike::testing {
namespace {

void with_second_groups(Connection& connection) {
    connection.proposals = {*parse_ike_proposal("aes128gcm16-prfsha256-x25519-ecp256", {})};
    connection.children.front().proposals = {*parse_esp_proposal("aes128gcm16-x25519-none", {})};
}

/// Both ends sign, and believe what they are told about signatures: see answer_errand().
void with_certificates(Connection& connection) {
    with_second_groups(connection);
    connection.auth = connection.remote_auth = Auth::certificate;
    connection.certificate = {.chain = {{0x30, 0x00}}, .key_kind = crypto::KeyKind::ed25519, .key_id = {}};
    connection.authorities = std::make_shared<const crypto::Authorities>(std::vector<crypto::Certificate>{},
                                                                         std::vector<crypto::RevocationListPtr>{});
}

/// a proves itself by EAP, z by a pre-shared key, since these tests have no certificates.
void with_eap(Connection& connection) {
    with_second_groups(connection);
    const bool is_a = same(connection.local_id, *parse_identity("a.example"));
    (is_a ? connection.auth : connection.remote_auth) = Auth::eap_mschapv2;
    connection.eap_rules.methods = {eap::Type::mschapv2};
    connection.eap_rules.identity = "alice";
    connection.eap_rules.password = eap::Password(as_bytes("sesame"));
    connection.eap_rules.users.emplace("alice", eap::Password(as_bytes("sesame")));
}

/// a proves itself by EAP-TLS, and so does z: see answer_errand().
void with_eap_tls(Connection& connection) {
    with_certificates(connection);
    const bool is_a = same(connection.local_id, *parse_identity("a.example"));
    (is_a ? connection.auth : connection.remote_auth) = Auth::eap_tls;
    connection.eap_rules.methods = {eap::Type::tls};
    connection.eap_rules.identity = "a.example";
    connection.eap_only = true;
}

/// The server's proof is on its way to the initiator.
void begin_eap(TwoEnds& ends) {
    ends.initiate(ends.a);
    for (int messages = 0; messages < 7; ++messages) {
        ends.deliver();
    }
}

/// Key exchanges that threads compute.
void with_slow_groups(Connection& connection) {
    connection.proposals = {*parse_ike_proposal("aes128gcm16-prfsha256-x448", {})};
    connection.children.front().proposals = {*parse_esp_proposal("aes128gcm16-x448-none", {})};
}

struct Making {
    State state;  ///< of one of the SAs
    bool at_a;
    std::function<void(TwoEnds&)> build;
    void (*change)(Connection&) = with_second_groups;
};

void establish(TwoEnds& ends) {
    ends.initiate(ends.a);
    ends.settle();
}

/// IKE_AUTH with certificates, up to where the errand of that number, from 0, is asked for: the signature of a, its
/// verification by z, the signature of z, its verification by a.
void authenticate(TwoEnds& ends, int errand) {
    ends.a.holds_errands = ends.z.holds_errands = true;
    ends.initiate(ends.a);
    for (int done = 0; done <= errand; ++done) {
        ends.settle();
        End& end = ends.a.errands.empty() ? ends.z : ends.a;
        REQUIRE(end.errands.size() == 1);
        if (done < errand) {
            const Action asked = std::move(end.errands.back());
            end.errands.clear();
            ends.event(end, answer_errand(asked, true));
        }
    }
}

void answer_of_threads(TwoEnds& ends, End& end) {
    REQUIRE(end.errands.size() == 1);
    const Action asked = std::move(end.errands.back());
    end.errands.clear();
    ends.event(end, answer_errand(asked, true));
}

/// EAP-TLS up to where TLS is asked so many times more.
void begin_tls(TwoEnds& ends, int answered) {
    ends.a.holds_errands = ends.z.holds_errands = true;
    ends.initiate(ends.a);
    ends.settle();
    for (int done = 0; done < answered; ++done) {
        answer_of_threads(ends, ends.a.errands.empty() ? ends.z : ends.a);
        ends.settle();
    }
}

/// The first IKE_SA_INIT has arrived, and nobody has computed anything for it.
void begin_slowly(TwoEnds& ends) {
    ends.a.holds_errands = ends.z.holds_errands = true;
    ends.initiate(ends.a);
    answer_of_threads(ends, ends.a);
    ends.deliver();
}

/// The same of a rekeying by a.
void rekey_slowly(TwoEnds& ends, const std::string& child) {
    establish(ends);
    ends.a.holds_errands = ends.z.holds_errands = true;
    ends.event(ends.a, Rekey{"a-z", child});
    answer_of_threads(ends, ends.a);
    ends.deliver();
}

const std::array kMakings{
    Making{State::init_sent, true, [](TwoEnds& ends) { ends.initiate(ends.a); }},
    Making{State::half_open, false,
           [](TwoEnds& ends) {
               ends.initiate(ends.a);
               ends.deliver();
           }},
    Making{State::auth_sent, true,
           [](TwoEnds& ends) {
               ends.initiate(ends.a);
               ends.deliver();
               ends.deliver();
           }},
    Making{State::established, true, establish},
    Making{State::established, false, establish},
    // Our rekeying of the CHILD SA, and of the IKE SA, waits for its answer.
    Making{State::established, true,
           [](TwoEnds& ends) {
               establish(ends);
               ends.event(ends.a, Rekey{"a-z", "net"});
           }},
    Making{State::established, true,
           [](TwoEnds& ends) {
               establish(ends);
               ends.event(ends.a, Rekey{"a-z", {}});
           }},
    // A rekeying of the peer waits for our kernel.
    Making{State::established, false,
           [](TwoEnds& ends) {
               establish(ends);
               ends.event(ends.a, Rekey{"a-z", "net"});
               ends.z.holds_installs = true;
               ends.deliver();
           }},
    Making{State::replaced, false,
           [](TwoEnds& ends) {
               establish(ends);
               ends.event(ends.a, Rekey{"a-z", {}});
               ends.deliver();
           }},
    Making{State::closing, true,
           [](TwoEnds& ends) {
               establish(ends);
               ends.event(ends.a, Terminate{"a-z"});
           }},
    Making{State::dead, false,
           [](TwoEnds& ends) {
               establish(ends);
               ends.event(ends.a, Terminate{"a-z"});
               ends.deliver();
           }},
    Making{State::signing, true, [](TwoEnds& ends) { authenticate(ends, 0); }, with_certificates},
    Making{State::verifying, false, [](TwoEnds& ends) { authenticate(ends, 1); }, with_certificates},
    Making{State::signing, false, [](TwoEnds& ends) { authenticate(ends, 2); }, with_certificates},
    Making{State::verifying, true, [](TwoEnds& ends) { authenticate(ends, 3); }, with_certificates},
    Making{State::half_open, false, begin_slowly, with_slow_groups},
    Making{State::init_sent, true,
           [](TwoEnds& ends) {
               begin_slowly(ends);
               answer_of_threads(ends, ends.z);
               ends.deliver();
           },
           with_slow_groups},
    Making{State::established, false, [](TwoEnds& ends) { rekey_slowly(ends, {}); }, with_slow_groups},
    Making{State::established, true,
           [](TwoEnds& ends) {
               rekey_slowly(ends, "net");
               answer_of_threads(ends, ends.z);
               ends.deliver();
           },
           with_slow_groups},
    Making{State::eap, true, begin_eap, with_eap},
    Making{State::eap, false, begin_eap, with_eap},
    // TLS has yet to answer: a's first word, and z's.
    Making{State::eap, true, [](TwoEnds& ends) { begin_tls(ends, 0); }, with_eap_tls},
    Making{State::eap, false, [](TwoEnds& ends) { begin_tls(ends, 1); }, with_eap_tls},
    // z has its answer to send in fragments.
    Making{State::eap, false,
           [](TwoEnds& ends) {
               begin_tls(ends, 1);
               answer_of_threads(ends, ends.z);
               ends.deliver();
               ends.deliver();
           },
           with_eap_tls},
};

Situation freeze(const Making& making) {
    TwoEnds ends(settings_of_situations(), settings_of_situations());
    ends.configure([&](Connection& of_a, Connection& of_z) {
        making.change(of_a);
        making.change(of_z);
    });
    making.build(ends);
    const End& target = making.at_a ? ends.a : ends.z;
    Situation frozen{.state = making.state,
                     .now = ends.now,
                     .own = target.address,
                     .peer = (making.at_a ? ends.z : ends.a).address,
                     .connection = target.connections.front(),
                     .sas = {},
                     .kernel = target.kernel,
                     .unanswered = {}};
    bool reached = false;
    for (const auto& [spi, sa] : target.endpoint->sas()) {
        reached = reached || sa->state == making.state;
        frozen.sas.push_back(write_snapshot(*sa));
        for (const ChildSa& child : sa->children) {
            if (child.state == ChildState::installing) {
                frozen.unanswered.push_back({child.spec.inbound, {}});
            }
        }
    }
    REQUIRE(reached);
    return frozen;
}

}  // namespace

Settings settings_of_situations() {
    Settings fewer;
    fewer.children_most = 4;
    return fewer;
}

std::vector<Situation> all_situations() {
    std::vector<Situation> all;
    all.reserve(kMakings.size());
    for (const Making& making : kMakings) {
        all.push_back(freeze(making));
    }
    return all;
}

Event answer_errand(const Action& errand, bool well) {
    const auto failed = [] { return std::unexpected(Error{"auth-failed", "so the fuzzer will have it"}); };
    if (const auto* sign = std::get_if<Sign>(&errand)) {
        return Signed{sign->sa, sign->epoch,
                      well ? Result<wire::Octets>(wire::Octets(64, 0x5a)) : Result<wire::Octets>(failed())};
    }
    if (const auto* exchange = std::get_if<ExchangeKeys>(&errand)) {
        KeysExchanged exchanged = exchange_keys(*exchange);
        if (!well) {
            exchanged.result = failed();
        }
        return exchanged;
    }
    if (const auto* turn = std::get_if<AnswerTls>(&errand)) {
        TlsAnswered answer{turn->sa, turn->epoch, {}};
        answer.progress.records = wire::Octets(well ? 2000 : 7, 0x16);
        if (!well) {
            answer.progress.why = {"eap-tls-failed", "so the fuzzer will have it"};
        } else if (!turn->turn.begins) {
            answer.progress.msk = eap::Msk(wire::Octets(64, 0x5a));
        }
        return answer;
    }
    const auto& verify = std::get<VerifyPeer>(errand);
    return PeerVerified{verify.sa, verify.epoch, well ? Result<void>() : Result<void>(failed())};
}

}  // namespace keysluice::ike::testing
