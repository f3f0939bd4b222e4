"""IKE SAs with new proofs in the place of old ones, make before break, under a steady stream of numbered packets."""

import subprocess

from support import checks
from support.bus import Bus
from support.scenario import eventually, expect, expect_equal, scenario
from support.traffic import streams
from support.tunnel import Tunnel
from ike.basics import both_have_it, gateways
from ike.eap import as_client
from ike.virtual_addresses import GIVEN, client_of_strongswan, gateway_for_strongswan

SHORT = "6s"
# strongSwan begins between 6 and 7 s, and would close after a minute more.
SHORT_AT_STRONGSWAN = {"reauth_time": "7", "rand_time": "1", "over_time": "60"}
MAKE_BEFORE_BREAK = {"make_before_break": "yes"}
DONE = r"is in the place of [0-9a-f]{16}.*\((\S+)\)"


def is_replaced(world, gateway, act=lambda: None):
    """Waits until none of its IKE SAs is one that it had before."""
    before = gateway.ike_spis()
    act()
    eventually(lambda: (now := gateway.ike_spis()) and not now & before, world.patience(30), f"{gateway} has another one")


def settles(world, both, end):
    both_have_it(world, both)
    eventually(lambda: all(len(each.ike_spis()) == 1 for each in both.values()), world.patience(30),
               "each end has one IKE SA")
    eventually(lambda: end.namespace.run("ip xfrm state").count("spi") == 2, world.patience(20),
               f"the kernel on the {end.name} has two SAs left")


def keysluice_does(world, place, inside, tunnel, both, count=5):
    ours = both["keysluice"]
    with streams(world, inside, tunnel):
        for _ in range(count):
            is_replaced(world, ours)
        eventually(lambda: len(ours.sas()) == 1, world.patience(20), "the old one is gone")
    settles(world, both, place.left)
    expect("reauth-failed" not in ours.log() and "nothing has come in the place" not in ours.log(), "one has failed")
    world.note(ours.await_log(DONE))


@scenario("reauthentication: keysluice begins, with a pre-shared key")
def client(world):
    tunnel = Tunnel()
    with gateways(world, tunnel, "keysluice", sluice={"connection": {"reauth_time": SHORT}}) as (place, both):
        both_have_it(world, both)
        keysluice_does(world, place, place, tunnel, both)


@scenario("reauthentication: keysluice begins, with EAP-MSCHAPv2")
def client_of_eap(world):
    tunnel = Tunnel()
    with gateways(world, tunnel, "keysluice", **as_client(world, reauth_time=SHORT)) as (place, both):
        both_have_it(world, both)
        keysluice_does(world, place, place, tunnel, both)


@scenario("reauthentication: keysluice begins, and keeps its virtual address")
def client_with_address(world):
    with client_of_strongswan(world, 4, reauth_time=SHORT) as (place, inside, tunnel, both):
        keysluice_does(world, place, inside, tunnel, both)
        expect_equal(both["keysluice"].sas()[0]["virtual_addresses"], [GIVEN[4]], "the address")


@scenario("reauthentication: keysluiced is killed in the middle, again and again")
def killed(world):
    tunnel = Tunnel()
    with gateways(world, tunnel, "keysluice", sluice={"connection": {"reauth_time": SHORT}}) as (place, both):
        ours = both["keysluice"]
        both_have_it(world, both)
        with streams(world, place, tunnel):
            for _ in range(world.choose(3, 20)):
                # As soon as the new IKE SA is begun.
                said = ours.log().count("IKE SA")
                eventually(lambda: ours.log().count("IKE SA") > said, world.patience(30), "another one begins")
                ours.replace()
                is_replaced(world, ours)
        ours.reload(reauth_time="0s")
        settles(world, both, place.left)


@scenario("reauthentication: strongSwan begins, make before break")
def server(world):
    tunnel = Tunnel()
    swan = {"charon": MAKE_BEFORE_BREAK, "connection": SHORT_AT_STRONGSWAN}
    with gateways(world, tunnel, "strongSwan", swan=swan) as (place, both):
        both["strongSwan"].up()
        both_have_it(world, both)
        with streams(world, place, tunnel):
            for _ in range(5):
                is_replaced(world, both["strongSwan"])
        eventually(lambda: len(both["keysluice"].ike_spis()) == 1, world.patience(20), "keysluice has one IKE SA")
        both_have_it(world, both)


for charon in (MAKE_BEFORE_BREAK, {}):

    @scenario(f"reauthentication: strongSwan begins and keeps its virtual address, "
              f"{'make before break' if charon else 'break before make'}")
    def server_with_address(world, charon=charon):
        with gateway_for_strongswan(world, 4, charon=charon, theirs=SHORT_AT_STRONGSWAN) as (_, __, ___, both):
            ours, swan = both["keysluice"], both["strongSwan"]
            swan.up()
            both_have_it(world, both)
            for _ in range(3):
                is_replaced(world, swan)
                both_have_it(world, both)
                expect_equal({tuple(sa["assigned_addresses"]) for sa in ours.sas()}, {(GIVEN[4],)}, "what it has")


@scenario("reauthentication: keysluice tells strongSwan by when, and is heeded")
def told(world):
    tunnel = Tunnel()
    with gateways(world, tunnel, "strongSwan", sluice={"connection": {"reauth_time": "15s"}},
                  swan={"charon": MAKE_BEFORE_BREAK}) as (place, both):
        both["strongSwan"].up()
        both_have_it(world, both)
        world.note(both["strongSwan"].await_log("received AUTH_LIFETIME of 15s.*"))
        for _ in range(2):
            is_replaced(world, both["strongSwan"])
        both_have_it(world, both)


def reauth(world, bus):
    return subprocess.run([world.programs / "keysluice", f"--bus={bus.address}", "reauth", "peer"], capture_output=True,
                          text=True, timeout=world.patience(60))


def told_on_bus(events, kind):
    return [(each["more"]["from"]["data"], each["more"]["to"]["data"], each["reason"])
            for each in events.all() if each["kind"] == kind]


@scenario("reauthentication: by command, told on the bus; what fails leaves the old IKE SA")
def commanded(world):
    tunnel = Tunnel()
    with Bus(world, "dbus-daemon") as bus, bus.events() as events:
        with gateways(world, tunnel, "keysluice", sluice={"daemon": {"bus": bus.address}}) as (place, both):
            bus.await_service()
            ours, swan = both["keysluice"], both["strongSwan"]
            both_have_it(world, both)
            with streams(world, place, tunnel):
                ((old, _),) = ours.ike_spis()
                is_replaced(world, ours, lambda: expect_equal(reauth(world, bus).returncode, 0, "the command's status"))
                events.await_kind("reauthenticated")
                ((new, _),) = ours.ike_spis()
                expect_equal(told_on_bus(events, "reauthenticated"), [(old, new, "reauth-asked")], "from, to and reason")
                swan.ask("load-shared", {"id": "secret", "type": "IKE", "data": "another secret",
                                         "owners": [ours.end.identity, swan.end.identity]})
                reauth(world, bus)
                events.await_kind("reauth-failed")
                ((before, _, reason),) = told_on_bus(events, "reauth-failed")
                expect_equal((before, reason), (new, "auth-refused"), "from and reason")
                expect_equal(ours.ike_spis(), swan.ike_spis(), "the IKE SA that stays")
            both_have_it(world, both)


@scenario("reauthentication: who was asked is told that it can't begin")
def not_ours(world):
    tunnel = Tunnel()
    with Bus(world, "dbus-daemon") as bus:
        with gateways(world, tunnel, "strongSwan", sluice={"daemon": {"bus": bus.address}}) as (_, both):
            bus.await_service()
            both["strongSwan"].up()
            both_have_it(world, both)
            answer = reauth(world, bus)
            expect(answer.returncode != 0 and "reauth-by-peer" in answer.stdout + answer.stderr,
                   f"status {answer.returncode}: {answer.stdout}{answer.stderr}")
