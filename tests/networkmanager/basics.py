"""A tunnel from nmcli's point of view: up and down, what is refused and how, what dies meanwhile."""

import contextlib
import signal
import time

from support import processes
from support.authority import Authority, for_keysluice
from support.bus import Bus, CallFailed
from support.network import Network
from support.networkmanager import POLICIES, NetworkManager
from support.scenario import eventually, expect, expect_equal, scenario
from support.sluice import Sluice
from support.tunnel import Tunnel

SILENT = ("--null-kernel",)
SETTLED = 6  # seconds: it is begun anew after that


class Bare(Sluice):
    """Without connections of its own."""

    def _connections(self):
        return []

    def _answers(self):
        try:
            return self.status()
        except (OSError, ValueError, KeyError):
            return None


@contextlib.contextmanager
def laptop(world, kind="dbus-daemon", gateway=None, ike=None):
    """`gateway`: keys of its connection; `ike`: of [ike] of the keysluiced beside NetworkManager. Yields (NetworkManager, the keysluiced beside it, a client of its bus, the gateway)."""
    place, tunnel = Network(swans=()), Tunnel()
    with Bus(world, kind, policies=POLICIES) as bus, NetworkManager(world, bus, place.left, place.right) as manager:
        ours = Bare(world, place.left, place.right, tunnel, daemon={"bus": bus.address}, arguments=SILENT, ike=ike)
        theirs = Sluice(world, place.right, place.left, tunnel, connection=gateway, arguments=SILENT)
        with theirs, ours:
            bus.await_service()
            yield manager, ours, bus.client(), theirs


def office(manager, gate, name="office", **more):
    """The connection that the gateway takes, or one that differs. Returns its name in keysluiced."""
    tunnel = gate.tunnel
    keys = {"secret": tunnel.secret, "gateway": gate.end.outer[4], "local_id": gate.peer.identity,
            "remote_id": gate.end.identity, "proposals": tunnel.proposal, "esp": tunnel.esp,
            "local_ts": gate.peer.network[4], "remote_ts": gate.end.network[4]}
    return "nm-" + manager.add(name, **keys | more)


def connections(client):
    return sorted(path.rpartition("/")[2] for path in client.paths("connection"))


def nothing_left(world, manager, client, gateway):
    eventually(lambda: not manager.services(), world.patience(10), "no nm-keysluice-service is left")
    eventually(lambda: not client.list_sas()[0] and not gateway.sas(), world.patience(10), "no IKE SA is left")
    eventually(lambda: connections(client) == [], world.patience(10), "keysluiced has forgotten the connection")


@scenario("NetworkManager: up, and down")
def up_and_down(world):
    with laptop(world) as (manager, ours, client, gateway):
        name = office(manager, gateway)
        manager.up("office")
        expect_equal(manager.state("office"), "activated", "state")
        row, = client.list_sas(connection=name)[0]
        expect_equal(len(gateway.children()), 1, "CHILD SAs at the gateway")
        manager.down("office")
        nothing_left(world, manager, client, gateway)


@scenario("NetworkManager: two at once, and each goes by itself")
def two(world):
    with laptop(world, gateway={"remote_id": "*.test"}) as (manager, ours, client, gateway):
        names = [office(manager, gateway, name, local_id=f"{name}.test") for name in ("office", "home")]
        manager.up("office")
        manager.up("home")
        eventually(lambda: connections(client) == sorted(names_of_objects(names)), world.patience(5), "both have objects")
        expect_equal(len(manager.services()), 2, "processes")
        manager.down("office")
        eventually(lambda: len(manager.services()) == 1, world.patience(10), "one process is left")
        expect_equal(manager.state("home"), "activated", "the other one")
        manager.down("home")
        nothing_left(world, manager, client, gateway)


def address_of(row):
    """The peer's, of a row of ListSas."""
    return str(row[6]).rpartition(":")[0]


def names_of_objects(names):
    """As elements of paths."""
    return [name.replace("-", "_2d") for name in names]


def refused(world, manager, client, gateway, says, code, name="office"):
    """NetworkManager says the one, and the journal of its service the other."""
    told = manager.up_fails(name)
    expect(says in told, f"nmcli says {told!r}")
    expect(f"({code})" in manager.log(), f"the journal has no {code}")
    expect_equal(manager.state(name), "", "state")
    nothing_left(world, manager, client, gateway)


# What nmcli makes of the three failures, and of a connection that is not even tried.
LOGIN, CONNECT, START = "Invalid secrets", "Unknown reason", "The VPN service failed to start"


@scenario("NetworkManager: another key than the gateway's is a login that failed")
def wrong_key(world):
    with laptop(world) as (manager, ours, client, gateway):
        office(manager, gateway, secret="not that one")
        refused(world, manager, client, gateway, LOGIN, "auth-refused")
        expect("not that one" not in manager.log() + ours.log(), "a secret is in a log")


@scenario("NetworkManager: a gateway that nobody knows, or that does not answer")
def no_gateway(world):
    with laptop(world) as (manager, ours, client, gateway):
        office(manager, gateway, gateway="gateway.invalid")
        refused(world, manager, client, gateway, CONNECT, "host-not-found")
        office(manager, gateway, "silent", gateway="192.0.2.77", timeout=8)
        refused(world, manager, client, gateway, CONNECT, "vpn-timeout", "silent")


@scenario("NetworkManager: of two gateways the first is silent, and the tunnel goes to the second")
def two_gateways(world):
    with laptop(world, ike={"retransmit_tries": 2, "retransmit_timeout": "500ms"}) as (manager, ours, client, gateway):
        both = f"192.0.2.77 {gateway.end.outer[4]}"
        name = office(manager, gateway, gateway=both)
        manager.up("office")
        expect_equal([address_of(row) for row in client.list_sas(connection=name)[0]], [gateway.end.outer[4]], "gateways")
        expect("the next gateway is tried" in manager.log(), "the journal says so")
        manager.down("office")
        nothing_left(world, manager, client, gateway)
        office(manager, gateway, "mistaken", gateway=both, secret="not that one")
        refused(world, manager, client, gateway, LOGIN, "auth-refused", "mistaken")


@scenario("NetworkManager: what the connection says wrongly is said by name")
def wrong_data(world):
    with laptop(world) as (manager, ours, client, gateway):
        office(manager, gateway, remote_net="10.2.0.0/16")
        refused(world, manager, client, gateway, START, "bad-vpn-data")
        office(manager, gateway, "greedy", proposals="aes256gcm17")
        refused(world, manager, client, gateway, CONNECT, "proposal-syntax", "greedy")
        office(manager, gateway, "nobody's", secret=None)
        told = manager.up_fails("nobody's")
        expect("secrets" in told, told)
        nothing_left(world, manager, client, gateway)


@scenario("NetworkManager: keysluiced is killed in the middle, and the tunnel stands without a word, and without a handshake")
def restarted(world):
    with laptop(world) as (manager, ours, client, gateway):
        name = office(manager, gateway)
        manager.up("office")
        service, = manager.services()
        before = own_spis(client, name)
        ours.replace(signal.SIGKILL)
        eventually(lambda: "has added it again" in ours.log(), world.patience(20), "its owner has added it again")
        expect_equal(own_spis(client, name), before, "IKE SAs of the connection")
        expect_equal(len(gateway.sas()), 1, "IKE SAs at the gateway")
        expect_equal(manager.state("office"), "activated", "state")
        time.sleep(SETTLED)
        client.manager("Down", "sa{sv}", name, {})
        eventually(lambda: own_spis(client, name) not in ([], before), world.patience(20), "it is negotiated anew, so its key is there")
        expect_equal(manager.services(), [service], "the process of the connection")
        expect("state changed" not in manager.log().partition("keysluiced has gone")[2], "NetworkManager heard of it")
        manager.down("office")
        nothing_left(world, manager, client, gateway)


def own_spis(client, name):
    """Of the connection's IKE SAs; none where keysluiced is not there."""
    with contextlib.suppress(CallFailed):
        return [int(row[0]) for row in client.list_sas(connection=name)[0]]
    return []


@scenario("NetworkManager: a key that is in no connection comes from a file, or from nowhere")
def key_asked_for(world):
    with laptop(world) as (manager, ours, client, gateway):
        secret = world.directory / "secrets"
        secret.write_text(f"vpn.secrets.psk:{gateway.tunnel.secret}\n")
        office(manager, gateway, secret=None, psk_flags=2)
        told = manager.up_fails("office")
        expect("secrets" in told, told)
        nothing_left(world, manager, client, gateway)
        manager.up("office", "passwd-file", secret)
        manager.down("office")
        nothing_left(world, manager, client, gateway)


@scenario("NetworkManager: the same on dbus-broker")
def on_broker(world):
    with laptop(world, "dbus-broker") as (manager, ours, client, gateway):
        office(manager, gateway)
        manager.up("office")
        ours.replace(signal.SIGKILL)
        eventually(lambda: gateway.sas() and not gateway.sas()[1:], world.patience(30), "one IKE SA stands again")
        expect_equal(manager.state("office"), "activated", "state")
        service, = manager.services()
        processes.send_signal(service, signal.SIGKILL)
        nothing_left(world, manager, client, gateway)


@scenario("NetworkManager: nm-keysluice-service and keysluiced are killed at once")
def both_killed(world):
    with laptop(world) as (manager, ours, client, gateway):
        office(manager, gateway)
        manager.up("office")
        service, = manager.services()
        processes.send_signal(service, signal.SIGKILL)
        ours.replace(signal.SIGKILL)
        eventually(lambda: manager.state("office") == "", world.patience(10), "NetworkManager sees that it has gone")
        eventually(lambda: connections_once_there(client) == [], world.patience(10), "keysluiced knows no connection")
        manager.up("office")
        manager.down("office")
        nothing_left(world, manager, client, gateway)


def connections_once_there(client):
    with contextlib.suppress(CallFailed):
        return connections(client)


@scenario("NetworkManager: nm-keysluice-service is killed, and so ends what it had")
def service_killed(world):
    with laptop(world) as (manager, ours, client, gateway):
        office(manager, gateway)
        manager.up("office")
        service, = manager.services()
        processes.send_signal(service, signal.SIGKILL)
        eventually(lambda: manager.state("office") == "", world.patience(10), "NetworkManager sees that it has gone")
        nothing_left(world, manager, client, gateway)
        manager.up("office")


@scenario("NetworkManager: it is killed itself, and so ends what it wanted")
def manager_killed(world):
    with laptop(world) as (manager, ours, client, gateway):
        office(manager, gateway)
        manager.up("office")
        service, = manager.services()
        manager.process.kill()
        eventually(lambda: not processes.is_alive(service), world.patience(10), "nm-keysluice-service has ended")
        eventually(lambda: connections(client) == [], world.patience(10), "keysluiced has forgotten the connection")
        eventually(lambda: not gateway.sas(), world.patience(10), "no IKE SA is left")


@scenario("NetworkManager: a tunnel that somebody closes is begun anew, unless it has just come up")
def interrupted(world):
    with laptop(world) as (manager, ours, client, gateway):
        name = office(manager, gateway)
        manager.up("office")
        client.manager("Down", "sa{sv}", name, {})
        eventually(lambda: manager.state("office") == "", world.patience(10), "NetworkManager gives it up")
        expect("(vpn-interrupted)" in manager.log(), "the journal says so")
        nothing_left(world, manager, client, gateway)
        manager.up("office")
        time.sleep(SETTLED)
        before = gateway.ike_spis()
        client.manager("Down", "sa{sv}", name, {})
        eventually(lambda: gateway.ike_spis() and not gateway.ike_spis() & before, world.patience(20), "another IKE SA stands")
        expect_equal(manager.state("office"), "activated", "state")
        manager.down("office")
        nothing_left(world, manager, client, gateway)


@scenario("NetworkManager: a private connection, whose files its user opens")
def private(world):
    authority = Authority(world.certificates)
    certificate, key = authority.issue("left.test")
    with laptop(world, gateway=for_keysluice(authority, *authority.issue("right.test"))) as (manager, ours, client, gateway):
        def add(name, user, **files):
            added = office(manager, gateway, name, secret=None, method="certificate",
                           **{"certificate": certificate, "private_key": key, "ca": authority.certificate} | files)
            manager.nmcli("connection", "modify", name, "connection.permissions", user)
            return added
        name = add("office", "user:root")
        manager.up("office")
        expect_equal([each["remote_id"] for each in gateway.sas()], ["left.test"], "whom the gateway knows")
        before = gateway.ike_spis()
        ours.replace()
        eventually(lambda: connections_once_there(client), world.patience(20), "the connection is there again")
        client.manager("Reauthenticate", "sa{sv}", name, {})  # which is signed anew
        eventually(lambda: gateway.ike_spis() and not gateway.ike_spis() & before, world.patience(20), "another IKE SA stands")
        expect_equal(manager.state("office"), "activated", "state")
        manager.down("office")
        nothing_left(world, manager, client, gateway)
        add("missing", "user:root", ca="/home/somebody/ca.pem")
        refused(world, manager, client, gateway, START, "vpn-file-unreadable", "missing")
        add("shared", "user:root,user:daemon")
        refused(world, manager, client, gateway, START, "vpn-files-private", "shared")
        expect("PRIVATE KEY" not in manager.log() + ours.log(), "a private key is in a log")


@scenario("NetworkManager: certificates, and those that are refused")
def certificates(world):
    ours_from, other = Authority(world.certificates), Authority(world.certificates, "other")
    theirs = ours_from.issue("right.test")
    with laptop(world, gateway=for_keysluice(ours_from, *theirs)) as (manager, ours, client, gateway):
        def add(name, issuer, trusted):
            certificate, key = issuer.issue("left.test")
            office(manager, gateway, name, secret=None, method="certificate", certificate=certificate, private_key=key,
                   ca=trusted.certificate)
        add("office", ours_from, ours_from)
        manager.up("office")
        manager.down("office")
        nothing_left(world, manager, client, gateway)
        add("not trusted", other, ours_from)
        refused(world, manager, client, gateway, LOGIN, "auth-refused", "not trusted")
        add("not trusting", ours_from, other)
        refused(world, manager, client, gateway, LOGIN, "certificate-untrusted", "not trusting")


@scenario("NetworkManager: a name and a password, and a wrong one")
def passwords(world):
    authority = Authority(world.certificates)
    users = world.directory / "users"
    users.mkdir()
    (users / "alice").write_text("sesame\n")
    gateway = for_keysluice(authority, *authority.issue("right.test"), remote_auth="eap-mschapv2", remote_id="*",
                            eap_password=f"directory:{users}")
    with laptop(world, gateway=gateway) as (manager, ours, client, gateway):
        keys = {"secret": None, "method": "eap-mschapv2", "user": "alice", "ca": authority.certificate}
        name = office(manager, gateway, password="sesame", **keys)
        manager.up("office")
        expect_equal(client.list_sas(connection=name)[0][0][2], name, "whose IKE SA it is")
        expect_equal([each["remote_id"] for each in gateway.sas()], ["alice"], "whom the gateway knows")
        manager.down("office")
        nothing_left(world, manager, client, gateway)
        office(manager, gateway, "mistaken", password="not that one", **keys)
        refused(world, manager, client, gateway, LOGIN, "eap-refused", "mistaken")
        for secret in ("sesame", "not that one"):
            expect(secret not in manager.log() + ours.log() + gateway.log(), "a secret is in a log")
