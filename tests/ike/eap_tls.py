"""keysluice with strongSwan, EAP-TLS in both roles: traffic and rekeying, fragments, EAP alone, refusals, dead engines."""

from support import checks, processes
from support.authority import Authority, for_keysluice, for_strongswan
from support.scenario import Failure, eventually, expect, expect_raises, scenario
from support.tunnel import Tunnel
from ike.basics import SMALL, both_have_it, gateways

OURS, THEIRS = "left.test", "right.test"
EAP = {"auth": "eap-tls"}


def as_client(world, large=False, ours=None, **more):
    """keysluice proves who it is by EAP-TLS, strongSwan by its certificate."""
    authority = Authority(world.certificates)
    swan = for_strongswan(authority, *authority.issue(THEIRS, large=large), THEIRS, OURS)
    swan["connection"]["remote"] = EAP | {"eap_id": "%any", "id": "%any"}
    connection = for_keysluice(authority, *(ours or authority.issue(OURS, large=large)), auth="eap-tls",
                               eap_identity=OURS)
    return {"sluice": {"connection": connection | more}, "swan": swan}


def as_server(world, large=False, theirs=None, identity=THEIRS, **more):
    """The other way round."""
    authority = Authority(world.certificates)
    swan = for_strongswan(authority, *(theirs or authority.issue(THEIRS, large=large)), identity, OURS)
    swan["connection"]["local"] |= EAP
    connection = for_keysluice(authority, *authority.issue(OURS, large=large), remote_auth="eap-tls", remote_id="*")
    return {"sluice": {"connection": connection | more}, "swan": swan}


ROLES = {"keysluice": as_client, "strongSwan": as_server}


def works(world, initiator, settings, then=lambda both: None):
    tunnel = Tunnel()
    with gateways(world, tunnel, initiator, **settings) as (place, both):
        swan = both["strongSwan"]
        both[initiator].up()
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        swan.rekey_ike()
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        then(both)
        (ike,) = both["keysluice"].sas()
        if initiator == "strongSwan":  # keysluice would begin again
            swan.down()
            checks.closed(world, *both.values())
        return ike


def refused(world, initiator, settings, reason, theirs=""):
    """`reason`: keysluice's. `theirs`: what strongSwan's log says."""
    with gateways(world, Tunnel(), initiator, **settings) as (_, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        if initiator == "strongSwan":
            expect_raises(Failure, swan.initiate, "initiating by strongSwan")
        world.note(ours.await_log(rf"\(({reason})\)|({reason}):"))
        world.note(swan.await_log(theirs))
        eventually(lambda: not ours.children() and not swan.children(), world.patience(10), "nobody has a CHILD SA")
        expect(not checks.left_in_kernel(ours.end.namespace), "keysluice left something in the kernel")


@scenario("eap: TLS, keysluice begins")
def client(world):
    works(world, "keysluice", as_client(world))


@scenario("eap: TLS, strongSwan begins")
def server(world):
    ike = works(world, "strongSwan", as_server(world))
    expect(THEIRS in str(ike), f"who proved itself is {THEIRS}: {ike}")


for _initiator, _settings in ROLES.items():
    @scenario(f"eap: TLS, large certificates in fragments, {_initiator} begins")
    def fragments(world, initiator=_initiator, settings=_settings):
        works(world, initiator, settings(world, large=True))

    @scenario(f"eap: TLS alone, {_initiator} begins")
    def alone(world, initiator=_initiator, settings=_settings):
        more = settings(world, eap_only=True)
        for end in ("local", "remote"):
            more["swan"]["connection"][end] |= EAP
        more["swan"]["connection"]["remote"].pop("cacerts", None)  # only of a signature

        def without_signature(both):
            first = "response 1 \\[ IDr EAP/REQ/ID"
            both["strongSwan"].await_log(first)
        works(world, initiator, more, without_signature)

    @scenario(f"eap: TLS, the responder does not know of EAP alone, {_initiator} begins")
    def not_alone(world, initiator=_initiator, settings=_settings):
        more = settings(world, eap_only=initiator == "keysluice")
        if initiator == "strongSwan":
            more["swan"]["connection"]["remote"] |= {"auth": "pubkey"}
        works(world, initiator, more)


@scenario("eap: TLS, a user of another authority, strongSwan begins")
def untrusted(world):
    other = Authority(world.certificates, "other")
    refused(world, "strongSwan", as_server(world, theirs=other.issue(THEIRS)), "certificate-untrusted",
            "received EAP_FAILURE")


@scenario("eap: TLS, a revoked user, strongSwan begins")
def revoked(world):
    authority = Authority(world.certificates)
    certificate, _ = theirs = authority.issue("revoked.test")
    refused(world, "strongSwan", as_server(world, theirs=theirs, identity="revoked.test",
                                           crl=[authority.revoke(certificate)]),
            "certificate-revoked", "received EAP_FAILURE")


@scenario("eap: TLS, a user of another authority, keysluice begins")
def untrusted_client(world):
    other = Authority(world.certificates, "other")
    refused(world, "keysluice", as_client(world, ours=other.issue(OURS)), "eap-tls-failed",
            r"IKE_AUTH response \d+ \[ EAP/FAIL \]")


@scenario("eap: TLS, the server of EAP has another name than expected, keysluice begins")
def other_server(world):
    refused(world, "keysluice", as_client(world, eap_server_id="aaa.test"), "certificate-identity",
            r"received fatal TLS alert 'certificate unknown'(.|\n)*IKE_AUTH response \d+ \[ EAP/FAIL \]")


@scenario("eap: TLS, all engines are killed, keysluice begins, and does again")
def engines_die(world):
    with gateways(world, Tunnel(), "keysluice", **as_client(world)) as (_, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        both_have_it(world, both)
        for each in ours.status()["processes"]:
            if each["kind"] == "engine":
                processes.send_signal(each["pid"], 9)
        swan.down()
        both_have_it(world, both)
