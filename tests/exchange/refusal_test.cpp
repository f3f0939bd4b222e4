#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

#include "ike/exchange.hpp"
#include "tests/exchange/two_ends.hpp"

using namespace keysluice;
using namespace keysluice::ike;
using keysluice::ike::testing::End;
using keysluice::ike::testing::find_in;
using keysluice::ike::testing::Packet;
using keysluice::ike::testing::RewrittenEnds;
using keysluice::ike::testing::TwoEnds;

namespace {

/// The last failure that an end reported: "reason: sentence".
std::string told(const End& end) {
    for (auto each = end.reports.rbegin(); each != end.reports.rend(); ++each) {
        if (!each->error.reason.empty()) {
            return std::string(each->error.reason) + ": " + each->error.sentence;
        }
    }
    return {};
}

void check_told(const End& end, std::string_view reason, std::initializer_list<std::string_view> words) {
    const std::string text = told(end);
    CAPTURE(text);
    CHECK(text.starts_with(std::string(reason) + ": "));
    for (const std::string_view word : words) {
        CAPTURE(word);
        CHECK(text.contains(word));
    }
}

/// The answer to a's IKE_SA_INIT, in the clear as anybody on the way could send it.
void answer_init(TwoEnds& ends, const Payloads& payloads) {
    REQUIRE(ends.wire.size() == 1);
    const auto request = wire::parse(ends.wire.front().bytes);
    REQUIRE(request);
    ends.wire.clear();
    wire::Header header = request->header;
    header.from_initiator = false;
    header.is_response = true;
    ends.event(ends.a, DatagramReceived{ends.a.address, ends.z.address, wire::emit(header, payloads)});
}

template <typename Ends>
struct Begun {
    explicit Begun(const std::function<void(Connection&, Connection&)>& change = {}) {
        ends.configure(change);
        ends.initiate(ends.a);
    }
    /// Delivers the first messages, until the IKE_AUTH of `sender` is on its way.
    void until_auth_of(const End& sender) {
        for (int i = 0; i < (&sender == &ends.a ? 2 : 3); ++i) {
            REQUIRE(ends.deliver());
        }
    }
    Ends ends;
};

constexpr Duration kRefusalBelieved = std::chrono::seconds(3);

}  // namespace

TEST_SUITE("exchange: a refusal says who, in which exchange, what was offered and what expected") {
    // A refusal of IKE_SA_INIT may be forged, so that another process does not inherit it: no RewrittenEnds here.
    TEST_CASE("IKE_SA_INIT without a common proposal") {
        Begun<TwoEnds> begun([](Connection& of_a, Connection&) {
            of_a.proposals = {*parse_ike_proposal("aes256-sha512-modp4096", {}),
                              *parse_ike_proposal("aes128gcm16-prfsha512-x25519", {})};
        });
        begun.ends.pass(kRefusalBelieved);
        check_told(begun.ends.z, "no-proposal-chosen",
                   {"IKE_SA_INIT: ", "peer offers aes256-sha512-prfsha512-modp4096, aes128gcm16-prfsha512-x25519",
                    "accepts aes128gcm16-prfsha256-x25519", "nearest differs in prf"});
        check_told(begun.ends.a, "no-proposal-chosen",
                   {"198.51.100.7", "IKE_SA_INIT", "aes256-sha512-prfsha512-modp4096, aes128gcm16-prfsha512-x25519"});
    }

    TEST_CASE("another version: of a higher one the peer is told, of any the administrator") {
        TwoEnds ends;
        ends.configure();
        ends.initiate(ends.a);
        REQUIRE(ends.wire.size() == 1);
        const Packet init = ends.wire.front();
        for (const unsigned version : {1U, 3U}) {
            ends.wire.clear();
            Packet other = init;
            other.bytes[17] = static_cast<std::uint8_t>(version << 4U);
            ends.wire.push_back(other);
            ends.deliver();
            check_told(ends.z, "ike-version", {fmt::format("IKE version 2 expected, got {}", version)});
            CHECK(ends.z.endpoint->sas().empty());
            REQUIRE(ends.wire.size() == (version > 2 ? 1 : 0));
        }
        const auto answer = wire::parse(ends.wire.front().bytes);
        REQUIRE(answer);
        CHECK(answer->header.is_response);
        CHECK(answer->header.initiator_spi == wire::parse(init.bytes)->header.initiator_spi);
        CHECK(find_notify(answer->payloads, wire::NotifyType::invalid_major_version) != nullptr);
        // An answer to an answer would go to and fro for ever.
        ends.wire.front().bytes[17] = 0x30;
        ends.deliver();
        CHECK(ends.wire.empty());
    }

    TEST_CASE("IKE_SA_INIT with an error that means nothing there") {
        Begun<TwoEnds> begun;
        answer_init(begun.ends, {notify(wire::NotifyType::invalid_syntax)});
        CHECK(begun.ends.a.standing() == 1);
        begun.ends.pass_silently(kRefusalBelieved);
        check_told(begun.ends.a, "ike-init-refused",
                   {"198.51.100.7", "INVALID_SYNTAX", "we offered aes128gcm16-prfsha256-x25519"});
        CHECK(begun.ends.a.standing() == 0);
    }

    TEST_CASE("a group that is not offered is demanded in IKE_SA_INIT") {
        Begun<TwoEnds> begun;
        answer_init(begun.ends, {suggest_group(static_cast<GroupId>(2))});
        begun.ends.pass_silently(kRefusalBelieved);
        check_told(begun.ends.a, "ike-group-refused",
                   {"198.51.100.7", "IKE_SA_INIT", "of the group x25519", "demand for modp1024",
                    "we offered aes128gcm16-prfsha256-x25519"});
        CHECK(begun.ends.a.standing() == 0);
    }

    TEST_CASE("a new cookie for every IKE_SA_INIT") {
        Begun<TwoEnds> begun;
        std::uint8_t asked = 0;
        while (!begun.ends.wire.empty() && asked < 100) {
            answer_init(begun.ends, {notify(wire::NotifyType::cookie, std::array<std::uint8_t, 8>{++asked})});
        }
        CHECK(asked < 10);
        begun.ends.pass_silently(kRefusalBelieved);
        check_told(begun.ends.a, "ike-init-loop", {"198.51.100.7", "IKE_SA_INIT"});
        CHECK(begun.ends.a.standing() == 0);
    }

    TEST_CASE_TEMPLATE("no IKE_AUTH after IKE_SA_INIT", Ends, TwoEnds, RewrittenEnds) {
        Begun<Ends> begun;
        begun.ends.deliver();
        begun.ends.pass_silently(std::chrono::minutes(1));
        check_told(begun.ends.z, "half-open-timeout", {"192.0.2.1", "IKE_AUTH", "30 s", "port 500"});
        CHECK(begun.ends.z.standing() == 0);
    }

    TEST_CASE_TEMPLATE("a proof of another kind, and none at all", Ends, TwoEnds, RewrittenEnds) {
        Begun<Ends> rsa;
        rsa.until_auth_of(rsa.ends.a);
        rsa.ends.tamper(rsa.ends.a,
                        [](Payloads& all) { find_in<wire::AuthPayload>(all)->method = wire::AuthMethod::rsa; });
        rsa.ends.settle();
        check_told(rsa.ends.z, "auth-method", {"a.example", "192.0.2.1"});
        CHECK(rsa.ends.a.last_reason() == "auth-refused");

        Begun<Ends> eap;
        eap.until_auth_of(eap.ends.a);
        eap.ends.tamper(eap.ends.a, [](Payloads& all) {
            std::erase_if(all,
                          [](const wire::Payload& each) { return std::holds_alternative<wire::AuthPayload>(each); });
        });
        eap.ends.settle();
        check_told(eap.ends.z, "auth-method", {"192.0.2.1", "IKE_AUTH", "EAP"});
        CHECK(eap.ends.z.standing() == 0);
    }

    TEST_CASE_TEMPLATE("a peer for whom there is no key", Ends, TwoEnds, RewrittenEnds) {
        Begun<Ends> begun([](Connection&, Connection& of_z) {
            of_z.keys = SharedKeys();
            of_z.keys.set(*parse_identity("b.example"), SharedKey(as_bytes("for somebody else")));
        });
        begun.ends.settle();
        check_told(begun.ends.z, "no-shared-key", {"a-z", "a.example"});
        check_told(begun.ends.a, "auth-refused", {"198.51.100.7", "IKE_AUTH", "AUTHENTICATION_FAILED", "a.example"});
        CHECK(begun.ends.z.standing() == 0);
    }

    TEST_CASE_TEMPLATE("identities that no connection has, with those that it could have had", Ends, TwoEnds,
                       RewrittenEnds) {
        Begun<Ends> begun([](Connection& of_a, Connection&) { of_a.local_id = *parse_identity("b.example"); });
        begun.ends.settle();
        check_told(begun.ends.z, "no-connection",
                   {"b.example", "192.0.2.1", "asks for", "z.example", "a-z is ", "expects a.example"});
    }

    TEST_CASE_TEMPLATE("another identity than was asked for", Ends, TwoEnds, RewrittenEnds) {
        Begun<Ends> begun;
        begun.until_auth_of(begun.ends.z);
        begun.ends.tamper(begun.ends.z, [](Payloads& all) {
            find_in<wire::IdResponderPayload>(all)->identity = *parse_identity("y.example");
        });
        begun.ends.settle();
        check_told(begun.ends.a, "peer-identity", {"198.51.100.7", "y.example", "a-z", "z.example"});
    }

    TEST_CASE_TEMPLATE("traffic selectors that do not meet, or beyond the offer", Ends, TwoEnds, RewrittenEnds) {
        Begun<Ends> apart([](Connection& of_a, Connection&) {
            of_a.children.front().local = {*parse_selector("10.3.0.0/16"), *parse_selector("10.4.0.0/16")};
        });
        apart.ends.settle();
        check_told(apart.ends.z, "ts-unacceptable",
                   {"IKE_AUTH: ", "192.0.2.1", "10.3.0.0/16", "10.4.0.0/16", "10.1.0.0/16", "child net"});
        check_told(apart.ends.a, "ts-unacceptable", {"198.51.100.7", "child net", "10.3.0.0/16", "10.4.0.0/16"});

        Begun<Ends> wide;
        wide.until_auth_of(wide.ends.z);
        wide.ends.tamper(wide.ends.z, [](Payloads& all) {
            find_in<wire::TsResponderPayload>(all)->selectors = {*parse_selector("10.0.0.0/8")};
        });
        wide.ends.settle();
        check_told(wide.ends.a, "ts-not-offered",
                   {"198.51.100.7", "child net", "10.0.0.0/8", "our offer of 10.1.0.0/16 to 10.2.0.0/16"});
        CHECK(wide.ends.a.kernel.empty());
    }

    TEST_CASE_TEMPLATE("another mode", Ends, TwoEnds, RewrittenEnds) {
        Begun<Ends> begun([](Connection& of_a, Connection&) { of_a.children.front().mode = Mode::transport; });
        begun.ends.settle();
        check_told(begun.ends.z, "mode-refused", {"IKE_AUTH: ", "192.0.2.1", "transport mode", "child net"});
        check_told(begun.ends.a, "child-refused", {"198.51.100.7", "child net", "NO_PROPOSAL_CHOSEN", "aes128gcm16"});
    }

    TEST_CASE_TEMPLATE("rekeying without a common proposal, and with the second best group", Ends, TwoEnds,
                       RewrittenEnds) {
        Begun<Ends> begun;
        begun.ends.settle();
        begun.ends.check_up();
        begun.ends.event(begun.ends.a, Rekey{"a-z", {}});
        begun.ends.tamper(begun.ends.a, [](Payloads& all) {
            for (wire::Proposal& each : find_in<wire::SaPayload>(all)->proposals) {
                std::erase_if(each.transforms,
                              [](const wire::Transform& one) { return one.type == wire::TransformType::prf; });
            }
        });
        begun.ends.settle();
        check_told(begun.ends.z, "no-proposal-chosen", {"CREATE_CHILD_SA: ", "peer offers ", "accepts "});
        check_told(
            begun.ends.a, "rekey-refused",
            {"198.51.100.7", "NO_PROPOSAL_CHOSEN", "we offered aes128gcm16-prfsha256-x25519", "key of x25519"});
        begun.ends.check_up();

        Begun<Ends> grouped([](Connection& of_a, Connection& of_z) {
            of_a.children.front().proposals = {*parse_esp_proposal("aes128gcm16-ecp256-x25519", {})};
            of_z.children.front().proposals = {*parse_esp_proposal("aes128gcm16-x25519", {})};
        });
        grouped.ends.settle();
        grouped.ends.event(grouped.ends.a, Rekey{"a-z", "net"});
        grouped.ends.settle();
        check_told(grouped.ends.z, "ike-group-refused",
                   {"CREATE_CHILD_SA: ", "192.0.2.1", "key of ecp256", "child net takes x25519"});
        grouped.ends.check_up();
    }
}
