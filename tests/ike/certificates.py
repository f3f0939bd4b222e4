"""keysluice with strongSwan, certificates: every kind of key in both roles, chains, fragments, old methods, refusals."""

import signal

from support import checks, processes
from support.authority import Authority, for_keysluice, for_strongswan
from support.scenario import Failure, eventually, expect, expect_raises, scenario
from support.tunnel import Tunnel
from ike.basics import SIDES, SMALL, both_have_it, gateways

OURS, THEIRS = "left.test", "right.test"
OLD = {"signature_authentication": "no"}


def credentials(authority, ours, theirs, **more):
    """What gateways() takes, from a certificate and a key for each."""
    return {"sluice": {"connection": for_keysluice(authority, *ours, **more)},
            "swan": for_strongswan(authority, *theirs, THEIRS, OURS)}


def works(world, initiator, settings, charon=None):
    settings["swan"]["charon"] = charon
    with gateways(world, Tunnel(), initiator, **settings) as (place, both):
        both[initiator].up()
        both_have_it(world, both)
        checks.traffic_flows(world, place, Tunnel(), both["strongSwan"], SMALL)
        return both["keysluice"].log()


def refused(world, initiator, settings, reasons, says=""):
    """`reasons`: keysluice's, as a regular expression."""
    with gateways(world, Tunnel(), initiator, **settings) as (_, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        if initiator == "strongSwan":
            expect_raises(Failure, swan.initiate, "initiating by strongSwan")
        world.note(ours.await_log(rf"{says}.*\(({reasons})\)|({reasons}): .*{says}"))
        eventually(lambda: not ours.children() and not swan.children(), world.patience(10), "nobody has a CHILD SA")
        expect(not checks.left_in_kernel(ours.end.namespace), "keysluice left something in the kernel")


def both_ways(name):
    """Registers a scenario for each initiator."""
    def register(function):
        for initiator in SIDES:
            scenario(f"certificates: {name}, {initiator} begins")(
                lambda world, initiator=initiator: function(world, initiator) and None)
        return function
    return register


def pair(world, key="p256", large=False):
    authority = Authority(world.certificates)
    return authority, authority.issue(OURS, key, large=large), authority.issue(THEIRS, key, large=large)


for _key in ("rsa", "p256", "p384", "p521", "ed25519", "ed448"):
    both_ways(_key)(lambda world, initiator, key=_key: works(world, initiator, credentials(*pair(world, key))))


@both_ways("RSA with PSS by strongSwan")
def pss(world, initiator):
    works(world, initiator, credentials(*pair(world, "rsa")), {"rsa_pss": "yes"})


@both_ways("plain RSA with SHA-1, for an old peer")
def plain_rsa(world, initiator):
    works(world, initiator, credentials(*pair(world, "rsa"), allow_weak=["sha1"]), OLD)


@both_ways("plain RSA with SHA-1 is refused unless it is let pass")
def plain_rsa_refused(world, initiator):
    settings = credentials(*pair(world, "rsa"))
    settings["swan"]["charon"] = OLD
    refused(world, initiator, settings, "signature-weak", "SHA-1")


@both_ways("ECDSA by its old method")
def old_ecdsa(world, initiator):
    works(world, initiator, credentials(*pair(world, "p384")), OLD)


@both_ways("an intermediate authority on each side")
def chains(world, initiator):
    root = Authority(world.certificates)
    left = Authority(world.certificates, "left-ca", root)
    right = Authority(world.certificates, "right-ca", Authority(world.certificates, "right-root-ca", root))
    works(world, initiator, credentials(root, left.issue(OURS), right.issue(THEIRS)))


@both_ways("fragments: a chain of certificates of 4 KiB")
def fragments(world, initiator):
    root = Authority(world.certificates)
    middle = Authority(world.certificates, "middle-ca", root)
    ours, theirs = middle.issue(OURS, "rsa", large=True), middle.issue(THEIRS, "rsa", large=True)
    works(world, initiator, credentials(root, ours, theirs))


@both_ways("a key by one, a certificate by the other")
def mixed(world, initiator):
    authority, ours, theirs = pair(world)
    settings = credentials(authority, ours, theirs, remote_auth="psk")
    settings["swan"]["connection"]["local"] = {"auth": "psk", "id": THEIRS}
    works(world, initiator, settings)


@both_ways("a certificate by one, a key by the other")
def mixed_otherwise(world, initiator):
    authority, ours, theirs = pair(world)
    settings = credentials(authority, ours, theirs, auth="psk", remote_auth="certificate")
    settings["swan"]["connection"]["remote"] = {"auth": "psk", "id": OURS}
    works(world, initiator, settings)


@both_ways("without identities in the configuration, the subjects")
def subjects(world, initiator):
    authority, ours, theirs = pair(world)
    settings = credentials(authority, ours, theirs, remote_id=f"O=keysluice, CN={THEIRS}")
    settings["swan"]["connection"]["local"]["id"] = f"O=keysluice, CN={THEIRS}"
    settings["swan"]["connection"]["remote"]["id"] = f"O=keysluice, CN={OURS}"
    settings["sluice"]["without"] = ("local_id",)
    works(world, initiator, settings)


@scenario("certificates: an engine that is killed is no obstacle")
def engine_killed(world):
    settings = credentials(*pair(world, "rsa"))
    with gateways(world, Tunnel(), "strongSwan", **settings) as (place, both):
        swan = both["strongSwan"]
        swan.up()
        both_have_it(world, both)
        (engine,) = [each["pid"] for each in both["keysluice"].status()["processes"] if each["kind"] == "engine"]
        processes.send_signal(engine, signal.SIGKILL)
        swan.down()
        checks.closed(world, *both.values())
        swan.up()
        both_have_it(world, both)
        checks.traffic_flows(world, place, Tunnel(), swan, SMALL)


# ---- refusals

@both_ways("a revoked certificate of the peer is refused")
def revoked(world, initiator):
    authority, ours, theirs = pair(world)
    crl = authority.revoke(theirs[0])
    refused(world, initiator, credentials(authority, ours, theirs, crl=[str(crl)]), "certificate-revoked", THEIRS)


@both_ways("a revocation list lets pass who is not on it")
def not_revoked(world, initiator):
    authority, ours, theirs = pair(world)
    works(world, initiator, credentials(authority, ours, theirs, crl=[str(authority.revoke(ours[0]))]))


@both_ways("an authority that we don't know")
def untrusted(world, initiator):
    authority, ours, theirs = pair(world)
    other = Authority(world.certificates, "other-ca")
    settings = credentials(authority, ours, theirs)
    settings["sluice"]["connection"]["ca"] = other.certificate
    refused(world, initiator, settings, "certificate-untrusted", THEIRS)


@both_ways("a certificate of somebody else")
def somebody_else(world, initiator):
    authority, ours, _ = pair(world)
    stranger = authority.issue("stranger.test")
    settings = credentials(authority, ours, stranger)
    settings["swan"]["connection"]["local"]["id"] = "stranger.test"
    refused(world, initiator, settings, "no-connection|peer-identity|auth-refused", "stranger.test|right.test")


@both_ways("a key where a certificate is expected")
def key_instead(world, initiator):
    authority, ours, theirs = pair(world)
    settings = credentials(authority, ours, theirs)
    settings["swan"]["connection"]["local"] = {"auth": "psk", "id": THEIRS}
    refused(world, initiator, settings, "auth-method", "shared key")
