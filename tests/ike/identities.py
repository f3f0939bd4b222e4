"""Every kind of identity, with pre-shared keys: of either end, whoever begins; and a key for each peer's identity."""

from support import checks
from support.scenario import Failure, expect, expect_raises, scenario
from support.tunnel import Tunnel
from ike.basics import SIDES, SMALL, both_have_it, gateways

# Of keysluice and of strongSwan, which write them alike.
KINDS = {
    "e-mail addresses": ("gw@left.test", "Gw@Right.test"),
    "IPv4 addresses": ("192.0.2.1", "192.0.2.2"),
    "key ids": ("keyid:left gateway", "keyid:right gateway"),
    "distinguished names": ("C=DE, O=keysluice, CN=left gateway", "C=DE, O=keysluice, CN=right gateway"),
}


def key(secret, *owners):
    """For strongSwan; without owners it is anybody's."""
    return "load-shared", {"id": secret, "type": "IKE", "data": secret} | ({"owners": list(owners)} if owners else {})


def known_by(world, kind, initiator):
    tunnel = Tunnel()
    ours, theirs = KINDS[kind]
    swan = {"connection": {"local": {"auth": "psk", "id": theirs}, "remote": {"auth": "psk", "id": ours}},
            "credentials": [key(tunnel.secret)]}
    with gateways(world, tunnel, initiator, sluice={"connection": {"local_id": ours, "remote_id": theirs}},
                  swan=swan) as (place, both):
        both[initiator].up()
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, both["strongSwan"], SMALL)


for _kind in KINDS:
    for _initiator in SIDES:
        scenario(f"identities: {_kind}, {_initiator} begins")(
            lambda world, kind=_kind, initiator=_initiator: known_by(world, kind, initiator))


@scenario("identities: a directory with a key for each of two peers, and a third peer")
def directory(world):
    tunnel, mail = Tunnel(), "gw@right.test"
    keys = {"right.test": tunnel.secret, mail: "a secret for the mail address alone"}
    folder = world.directory / "keys"
    folder.mkdir()
    for name, secret in keys.items():
        (folder / name).touch(0o600)
        (folder / name).write_text(secret + "\n")
    settings = {"connection": {"remote": "any", "psk": f"directory:{folder}"}, "without": ("remote_id",)}
    with gateways(world, tunnel, sluice=settings, swan={"credentials": [key(keys[mail], mail, "left.test")]}) as (_, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        for name in keys:
            swan.load(local={"auth": "psk", "id": name})
            swan.up()
            both_have_it(world, both)
            expect([sa["remote_id"] for sa in ours.sas()] == [name], f"keysluice knows the peer as {name}: {ours.sas()}")
            swan.down()
            checks.closed(world, ours, swan)
        swan.load(local={"auth": "psk", "id": "third.test"})
        swan.ask(*key(tunnel.secret))
        expect_raises(Failure, swan.initiate, "initiating by a peer without a key")
        world.note(ours.await_log(r"third\.test.*\([a-z-]+\)"))
        expect(not ours.children(), "a peer without a key has a CHILD SA")
