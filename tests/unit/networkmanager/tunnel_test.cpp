#include "dbus/networkmanager/tunnel.hpp"

#include <doctest/doctest.h>

using namespace keysluice;
using namespace keysluice::networkmanager;

namespace {

constexpr Duration kPatience = std::chrono::seconds(55);
const Standing kStanding{.gateway = "192.0.2.2", .interface = {}, .addresses = {}, .dns = {}, .domains = {}};

struct Fixture {
    Tunnel tunnel;

    Actions on(const Event& event) { return tunnel.on(event); }
    /// As far as the question whether it stands.
    void negotiate() {
        on(ConnectWanted{kPatience});
        on(Added{});
        on(Begun{});
    }
    void establish() {
        negotiate();
        on(Seen{kStanding});
        REQUIRE(tunnel.state() == State::started);
    }
};

Event failed(std::string_view reason) {
    return Failed{{reason, "why"}};
}

/// After the Remove that comes before it.
Actions end_of(Failure failure) {
    return {ShowFailure{failure}, ShowState{State::stopped}, End{}};
}

}  // namespace

TEST_SUITE("networkmanager: tunnel") {
    TEST_CASE_FIXTURE(Fixture, "from Connect to Disconnect") {
        CHECK(tunnel.state() == State::init);
        CHECK(Tunnel::begin() == Actions{Arm{Tunnel::kIdle}});
        CHECK(on(ConnectWanted{kPatience}) == Actions{ShowState{State::starting}, Arm{kPatience}, Add{}});
        CHECK(on(Added{}) == Actions{Begin{}});
        CHECK(on(Begun{}) == Actions{Look{}});
        CHECK(on(Seen{}).empty());
        CHECK(on(Changed{}) == Actions{Look{}});
        CHECK(on(Seen{kStanding}) ==
              Actions{Arm{Tunnel::kSettling}, ShowConfig{kStanding}, ShowState{State::started}});
        CHECK(on(Changed{}) == Actions{Look{}});
        CHECK(on(Seen{kStanding}).empty());
        CHECK(on(DisconnectWanted{}) == Actions{ShowState{State::stopping}, Arm{Tunnel::kRemoval}, Remove{}});
        CHECK(on(DisconnectWanted{}).empty());
        CHECK(on(Removed{}) == Actions{ShowState{State::stopped}, End{}});
        CHECK(on(Removed{}).empty());
    }

    TEST_CASE_FIXTURE(Fixture, "of several gateways each may fail once before NetworkManager hears of it") {
        on(ConnectWanted{kPatience, 2});
        on(Added{});
        on(Begun{});
        CHECK(on(failed("timeout")) == Actions{Note{"timeout", "why; the next gateway is tried"}});
        CHECK(on(Seen{kStanding}).size() == 3);
        on(TimeUp{});
        on(Changed{});
        on(Seen{});  // begun anew, and so is the count
        on(Begun{});
        CHECK(on(failed("timeout")) == Actions{Note{"timeout", "why; the next gateway is tried"}});
        CHECK(on(failed("auth-refused")) == Actions{Note{"auth-refused", "why"}, Arm{Tunnel::kRemoval}, Remove{}});
    }

    TEST_CASE_FIXTURE(Fixture, "what fails is removed before NetworkManager hears of it") {
        on(ConnectWanted{kPatience});
        SUBCASE("refused as it is") {
            CHECK(on(Added{fail("host-not-found", "why")}) ==
                  Actions{Note{"host-not-found", "why"}, Arm{Tunnel::kRemoval}, Remove{}});
        }
        SUBCASE("no way to the peer") {
            on(Added{});
            CHECK(on(Begun{fail("no-route", "why")}) ==
                  Actions{Note{"no-route", "why"}, Arm{Tunnel::kRemoval}, Remove{}});
        }
        SUBCASE("failed before Up has returned") {
            on(Added{});
            CHECK(on(failed("no-proposal-chosen")).back() == Action(Remove{}));
            CHECK(on(Begun{}).empty());
        }
        SUBCASE("failed later") {
            on(Added{});
            on(Begun{});
            CHECK(on(failed("no-proposal-chosen")).back() == Action(Remove{}));
        }
        SUBCASE("not in time") {
            on(Added{});
            on(Begun{});
            CHECK(std::get<Note>(on(TimeUp{}).front()).reason == "vpn-timeout");
        }
        CHECK(tunnel.state() == State::starting);
        CHECK(on(Seen{kStanding}).empty());
        CHECK(on(Removed{}) == end_of(Failure::connect_failed));
    }

    TEST_CASE_FIXTURE(Fixture, "a removal that nobody confirms") {
        negotiate();
        on(failed("no-proposal-chosen"));
        SUBCASE("keysluiced is gone, and so is what it had") {
            CHECK(on(KeysluicedGone{}) == end_of(Failure::connect_failed));
        }
        SUBCASE("keysluiced does not answer") {
            CHECK(on(TimeUp{}) == end_of(Failure::connect_failed));
        }
        CHECK(on(Removed{}).empty());
    }

    TEST_CASE_FIXTURE(Fixture, "a login that is refused is told from other failures") {
        negotiate();
        on(failed("auth-refused"));
        CHECK(on(Removed{}) == end_of(Failure::login_failed));
        for (const char* reason : {"auth-failed", "auth-refused", "peer-identity", "certificate-untrusted",
                                   "crl-missing", "vpn-secret-missing"}) {
            CAPTURE(reason);
            CHECK(failure_for(reason) == Failure::login_failed);
        }
        CHECK(failure_for("ts-unacceptable") == Failure::bad_ip_config);
        CHECK(failure_for("peer-silent") == Failure::connect_failed);
    }

    TEST_CASE_FIXTURE(Fixture, "keysluiced goes and comes: NetworkManager hears nothing of it") {
        establish();
        CHECK(on(KeysluicedBack{}).empty());
        CHECK(on(KeysluicedGone{}).front() == Action(Arm{Tunnel::kAbsence}));
        CHECK(on(KeysluicedGone{}).empty());
        CHECK(on(Changed{}).empty());
        const Actions back = on(KeysluicedBack{});  // all the time again, of which its absence has taken nothing
        CHECK(std::holds_alternative<Arm>(back.at(0)));
        CHECK(back.at(0) != Action(Arm{Tunnel::kAbsence}));
        CHECK(back.at(1) == Action(Add{}));
        CHECK(on(Added{}) == Actions{Begin{}});
        CHECK(on(Begun{}) == Actions{Look{}});
        CHECK(on(Seen{kStanding}) == Actions{Arm{Tunnel::kSettling}});
        CHECK(tunnel.state() == State::started);
    }

    TEST_CASE_FIXTURE(Fixture, "another IKE SA with another address takes the tunnel's place") {
        establish();
        CHECK(on(Seen{kStanding}).empty());
        Standing moved = kStanding;
        moved.addresses = {"10.9.0.7"};
        const Actions actions = on(Seen{moved});
        CHECK(std::get<Note>(actions.at(0)).reason == "vpn-other-address");
        CHECK(actions.back() == Action(Remove{}));
    }

    TEST_CASE_FIXTURE(Fixture, "what keysluiced can't remove is noted, and the end is the end") {
        establish();
        on(DisconnectWanted{});
        SUBCASE("it can't") {
            const Actions actions = on(Removed{fail("host-not-found", "why")});
            CHECK(std::get<Note>(actions.at(0)).reason == "host-not-found");
            CHECK(actions.back() == Action(End{}));
        }
        SUBCASE("there is nothing") {
            CHECK_FALSE(std::holds_alternative<Note>(on(Removed{fail("not-added", "why")}).at(0)));
        }
    }

    TEST_CASE("keysluiced goes and does not come, whether the tunnel stood or not") {
        for (void (Fixture::*before)() : {&Fixture::negotiate, &Fixture::establish}) {
            Fixture waiting;
            (waiting.*before)();
            waiting.on(KeysluicedGone{});
            const Actions actions = waiting.on(TimeUp{});
            CHECK(std::get<Note>(actions.at(0)).reason == "service-not-running");
            CHECK(Actions(actions.begin() + 1, actions.end()) == end_of(Failure::connect_failed));

            Fixture unwanted;
            (unwanted.*before)();
            unwanted.on(KeysluicedGone{});
            CHECK(unwanted.on(DisconnectWanted{}) ==
                  Actions{ShowState{State::stopping}, ShowState{State::stopped}, End{}});
        }
    }

    TEST_CASE_FIXTURE(Fixture, "a tunnel that breaks is begun anew, unless it has hardly stood") {
        establish();
        SUBCASE("it has stood for a while") {
            CHECK(on(TimeUp{}).empty());
            CHECK(on(failed("rekey-refused")) == Actions{Look{}});
            const Actions actions = on(Seen{});
            CHECK(std::get<Note>(actions.front()).reason == "vpn-interrupted");
            CHECK(Actions(actions.begin() + 1, actions.end()) == Actions{Arm{kPatience}, Begin{}});
            on(Begun{});
            CHECK(on(Seen{kStanding}) == Actions{Arm{Tunnel::kSettling}});
            CHECK(tunnel.state() == State::started);
        }
        SUBCASE("it has, and comes back with another address") {
            on(TimeUp{});
            on(Seen{});
            on(Begun{});
            Standing moved = kStanding;
            moved.addresses = {"10.9.0.7"};
            const Actions actions = on(Seen{moved});
            CHECK(std::get<Note>(actions.at(1)).reason == "vpn-other-address");
            CHECK(actions.back() == Action(Remove{}));
        }
        SUBCASE("it has, and does not come back") {
            on(TimeUp{});
            on(Seen{});
            on(Begun{});
            CHECK(on(TimeUp{}).back() == Action(Remove{}));
            CHECK(on(Removed{}) == end_of(Failure::connect_failed));
        }
        SUBCASE("at once") {
            CHECK(std::get<Note>(on(Seen{}).front()).reason == "vpn-interrupted");
            CHECK(on(Removed{}) == end_of(Failure::connect_failed));
        }
    }

    TEST_CASE_FIXTURE(Fixture, "nobody wants anything of it: it ends") {
        SUBCASE("in time") {
            CHECK(on(TimeUp{}) == Actions{End{}});
        }
        SUBCASE("at once") {
            CHECK(on(DisconnectWanted{}) == Actions{End{}});
        }
        CHECK(on(ConnectWanted{kPatience}).empty());
    }
}
