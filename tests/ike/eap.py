"""keysluice with strongSwan, EAP-MSCHAPv2 in both roles: traffic and rekeying, wrong passwords, unknown users."""

from support import checks
from support.authority import Authority, for_keysluice, for_strongswan
from support.scenario import Failure, eventually, expect, expect_equal, expect_raises, scenario
from support.traffic import streams
from support.tunnel import Tunnel
from ike.basics import SIDES, SMALL, both_have_it, gateways

OURS, THEIRS = "left.test", "right.test"
USER, PASSWORD = "alice", "a pässword of hers"


def secret(world, path, content):
    path = world.directory / path
    path.parent.mkdir(exist_ok=True)
    path.touch(0o600)
    path.write_text(content + "\n")
    return path


def user_at_strongswan(password=PASSWORD):
    return ("load-shared", {"id": "user", "type": "EAP", "data": password, "owners": [USER]})


def as_client(world, password=PASSWORD, user=USER, **more):
    """keysluice proves who it is by EAP, strongSwan by its certificate."""
    authority = Authority(world.certificates)
    swan = for_strongswan(authority, *authority.issue(THEIRS), THEIRS, OURS)
    swan["connection"]["remote"] = {"auth": "eap-mschapv2", "eap_id": "%any", "id": "%any"}
    swan["credentials"].append(user_at_strongswan())
    ours = {"auth": "eap-mschapv2", "ca": authority.certificate, "eap_identity": user,
            "eap_password": f"file:{secret(world, 'alice.password', password)}"}
    return {"sluice": {"connection": ours | more}, "swan": swan}


def as_server(world, password=PASSWORD, user=USER, identity=THEIRS, **more):
    """The other way round."""
    authority = Authority(world.certificates)
    swan = for_strongswan(authority, *authority.issue(THEIRS), THEIRS, OURS)
    swan["connection"]["local"] = {"auth": "eap-mschapv2", "eap_id": user, "id": identity}
    swan["credentials"].append(("load-shared", {"id": "user", "type": "EAP", "data": password, "owners": [user]}))
    file = secret(world, f"users/{USER}", PASSWORD)
    ours = for_keysluice(authority, *authority.issue(OURS), remote_auth="eap-mschapv2", remote_id="*",
                         eap_password=f"directory:{file.parent}")
    return {"sluice": {"connection": ours | more}, "swan": swan}


ROLES = {"keysluice": as_client, "strongSwan": as_server}


def works(world, initiator, settings):
    tunnel = Tunnel()
    with gateways(world, tunnel, initiator, **settings) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        both[initiator].up()
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        with streams(world, place, tunnel):
            swan.rekey_child()
            swan.rekey_ike()
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        expect(PASSWORD not in ours.log(), "the password is in keysluice's log")
        (ike,) = ours.sas()
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
        expect(PASSWORD not in ours.log(), "the password is in keysluice's log")


@scenario("eap: MSCHAPv2, keysluice begins")
def client(world):
    works(world, "keysluice", as_client(world))


@scenario("eap: MSCHAPv2, strongSwan begins")
def server(world):
    ike = works(world, "strongSwan", as_server(world))
    expect(USER in str(ike), f"who proved itself is {USER}: {ike}")


@scenario("eap: MSCHAPv2, strongSwan begins, and says that it is an address")
def server_of_an_address(world):
    works(world, "strongSwan", as_server(world, identity="192.0.2.2"))


@scenario("eap: MSCHAPv2, keysluice begins, and gets a virtual address, which it has again after a kill")
def laptop(world):
    settings = as_client(world, virtual_addresses=["0.0.0.0"], interface="ks-left")
    settings["sluice"]["child"] = {"local_ts": ["0.0.0.0/0"]}
    settings["swan"]["connection"]["pools"] = ["laptops"]
    settings["swan"]["child"] = {"remote_ts": ["dynamic"]}
    settings["swan"]["credentials"].append(("load-pool", {"laptops": {"addrs": "10.9.0.0/24"}}))
    tunnel = Tunnel()
    with gateways(world, tunnel, "keysluice", **settings) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        place.right.namespace.ip(f"route add 10.9.0.0/24 via {place.left.outer[4]}")
        both_have_it(world, both)
        checks.traffic_flows(world, place.with_host("left", "10.9.0.1", 4), tunnel, swan, SMALL)
        ours.replace()
        both_have_it(world, both)
        expect_equal(ours.sas()[0]["virtual_addresses"], ["10.9.0.1"], "addresses")
        checks.traffic_flows(world, place.with_host("left", "10.9.0.1", 4), tunnel, swan, SMALL)


@scenario("eap: MSCHAPv2, a wrong password, keysluice begins")
def wrong_at_client(world):
    refused(world, "keysluice", as_client(world, password="guessed"), "eap-refused", "EAP method EAP_MSCHAPV2 failed")


@scenario("eap: MSCHAPv2, an unknown user, keysluice begins")
def unknown_at_client(world):
    refused(world, "keysluice", as_client(world, user="mallory"), "eap-refused", "EAP method EAP_MSCHAPV2 failed")


@scenario("eap: MSCHAPv2, a wrong password, strongSwan begins")
def wrong_at_server(world):
    refused(world, "strongSwan", as_server(world, password="guessed"), "eap-password", "EAP-MS-CHAPv2 failed with error")


@scenario("eap: MSCHAPv2, an unknown user, strongSwan begins")
def unknown_at_server(world):
    refused(world, "strongSwan", as_server(world, user="mallory"), "eap-user", "EAP-MS-CHAPv2 failed with error")


for _initiator in SIDES:
    @scenario(f"eap: the peer wants EAP, and a key is expected, {_initiator} begins")
    def not_offered(world, initiator=_initiator):
        settings = ROLES[initiator](world)
        if initiator == "strongSwan":
            settings["sluice"]["connection"]["remote_auth"] = "psk"
            refused(world, initiator, settings, "auth-method", "AUTHENTICATION_FAILED")
        else:
            settings["swan"]["connection"]["remote"] = {"auth": "psk", "id": "%any"}
            refused(world, initiator, settings, "auth-refused", "")
