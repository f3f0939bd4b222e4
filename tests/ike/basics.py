"""keysluice with strongSwan: who begins × mode × IP version, every cipher and group; traffic; the end from either side."""

import contextlib

from support import checks
from support.scenario import eventually, expect, expect_equal, scenario
from support.sluice import Sluice
from support.strongswan import StrongSwan
from support.tunnel import Tunnel

SIDES = ("keysluice", "strongSwan")
SMALL = 100_000


@contextlib.contextmanager
def gateways(world, tunnel, initiator="strongSwan", nat=None, sluice=None, swan=None, theirs=None, simulated=False,
             kind=Sluice):
    """keysluice on the left and strongSwan on the right, both running. Yields the network and a dictionary of the two.
    `sluice` and `swan` are what their classes take beside a tunnel; strongSwan has the tunnel `theirs` where that differs.
    keysluice begins by itself if it is the initiator. `kind`: who starts it."""
    sluice = dict(sluice or {})
    if initiator == "keysluice":
        sluice["connection"] = {"start": "on-load"} | sluice.get("connection", {})
    with checks.network(world, nat, simulated=simulated) as place:
        left, right = place.ends
        with StrongSwan(world, right, left, theirs or tunnel, **(swan or {})) as peer:
            with kind(world, left, right, tunnel, **sluice) as ours:
                yield place, {"keysluice": ours, "strongSwan": peer}


def both_have_it(world, both):
    """Whether both see one CHILD SA of the same two SPIs."""
    (peer,) = (each for name, each in both.items() if name != "keysluice")

    def mirrored():
        ours, theirs = both["keysluice"].children(), peer.children()
        return len(ours) == 1 and theirs == {(outbound, inbound) for inbound, outbound in ours}
    eventually(mirrored, world.patience(20), "both gateways have the one CHILD SA")


def works(world, tunnel, initiator, size=None):
    with gateways(world, tunnel, initiator) as (place, both):
        both[initiator].up()
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, both["strongSwan"], size)
        return both["strongSwan"].sas()[0]


def register_basics():
    for initiator in SIDES:
        for mode in ("tunnel", "transport"):
            for family in (4, 6):
                tunnel = Tunnel(mode=mode, family=family)
                scenario(f"basics: {initiator} begins, {mode}, IPv{family}, PSK")(
                    lambda world, tunnel=tunnel, initiator=initiator: works(world, tunnel, initiator) and None)


# In IKE and in ESP; strongSwan's name of the cipher, where its status has one.
CIPHERS = {"aes128gcm16": "AES_GCM_16", "aes256gcm16": "AES_GCM_16", "chacha20poly1305": "CHACHA20_POLY1305",
           "aes256ccm16": "AES_CCM_16", "aes128-sha256": "AES_CBC", "aes256-sha256": "AES_CBC", "aes256-sha512": "AES_CBC",
           "aes128ctr-sha256": "AES_CTR", "aes128-aesxcbc": "AES_CBC"}
PRFS = {"aes256-sha512": "prfsha512", "aes128-aesxcbc": "prfaesxcbc", "aes256ccm16": "prfsha384",
        "aes128gcm16": "prfaescmac"}
GROUPS = {"x25519": "CURVE_25519", "x448": "CURVE_448", "ecp256": "ECP_256", "ecp384": "ECP_384", "ecp521": "ECP_521",
          "modp2048": "MODP_2048", "modp3072": "MODP_3072", "modp4096": "MODP_4096"}


def cipher_works(world, cipher, initiator, esn):
    prf = PRFS.get(cipher, "prfsha256")
    tunnel = Tunnel(proposal=f"{cipher}-{prf}-x25519", esp=f"{cipher}{'-esn' if esn else ''}")
    with gateways(world, tunnel, initiator) as (place, both):
        swan = both["strongSwan"]
        both[initiator].up()
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        (sa,), (child,) = swan.sas(), swan.child_sas()
        expect_equal((sa["encr-alg"], child["encr-alg"]), (CIPHERS[cipher],) * 2, "the ciphers of IKE and ESP")
        expect_equal(child.get("esn", "0"), "1" if esn else "0", "extended sequence numbers")


def group_works(world, group, initiator):
    """The group in IKE, and in the CHILD SA's rekey, which makes it perfect forward secrecy."""
    tunnel = Tunnel(proposal=f"aes128gcm16-prfsha256-{group}", esp=f"aes128gcm16-{group}")
    with gateways(world, tunnel, initiator) as (place, both):
        swan = both["strongSwan"]
        both[initiator].up()
        both_have_it(world, both)
        expect_equal(swan.sas()[0]["dh-group"], GROUPS[group], "the group of IKE")
        swan.rekey_child()
        eventually(lambda: {each.get("dh-group") for each in swan.child_sas()} == {GROUPS[group]}, world.patience(20),
                   f"the new CHILD SA was made with {GROUPS[group]}")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)


def register_algorithms():
    for number, cipher in enumerate(CIPHERS):
        initiator = SIDES[number % 2]
        for esn in (False, True):
            scenario(f"algorithms: {cipher}{', extended sequence numbers' if esn else ''}, {initiator} begins")(
                lambda world, cipher=cipher, initiator=initiator, esn=esn: cipher_works(world, cipher, initiator, esn))
    for number, group in enumerate(GROUPS):
        for initiator in SIDES:
            scenario(f"algorithms: {group} in IKE and in a rekey, {initiator} begins")(
                lambda world, group=group, initiator=initiator: group_works(world, group, initiator))


register_basics()
register_algorithms()


def register_ends():
    for initiator in SIDES:
        for ender in SIDES:
            scenario(f"the end: {initiator} begins, {ender} deletes the IKE SA")(
                lambda world, initiator=initiator, ender=ender: ends(world, initiator, ender))


def ends(world, initiator, ender):
    with gateways(world, Tunnel(), initiator) as (_, both):
        both[initiator].up()
        both_have_it(world, both)
        both[ender].down()
        checks.closed(world, *both.values())


register_ends()


@scenario("the end: strongSwan deletes the CHILD SA, and a new one can follow")
def child_deleted(world):
    tunnel = Tunnel()
    with gateways(world, tunnel) as (place, both):
        swan = both["strongSwan"]
        swan.up()
        both_have_it(world, both)
        before = swan.ike_spis()
        swan.close_child()
        checks.closed(world, *both.values())
        swan.up()
        both_have_it(world, both)
        expect_equal(swan.ike_spis(), before, "the IKE SA that stands all the while")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)


@scenario("the end: strongSwan stops, and keysluice knows")
def peer_stops(world):
    with gateways(world, Tunnel()) as (_, both):
        both["strongSwan"].up()
        both_have_it(world, both)
        both["strongSwan"].stop()
        checks.closed(world, both["keysluice"])
        expect(not both["keysluice"].sas(), "keysluice has an IKE SA with a peer that has gone")


@scenario("start: on-load, and again by itself after the peer deleted it")
def on_load(world):
    tunnel = Tunnel()
    with gateways(world, tunnel, "keysluice") as (place, both):
        both_have_it(world, both)
        both["strongSwan"].down()
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, both["strongSwan"], SMALL)
