"""IKE SAs with new proofs in the place of old ones, make before break, under a steady stream of numbered packets."""

from support import checks
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
