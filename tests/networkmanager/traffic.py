"""Real traffic through tunnels of NetworkManager's, with strongSwan at the other end: on a kernel with ESP."""

import dataclasses
import signal
import types

from networkmanager.basics import Bare, connections
from support import checks
from support.bus import Bus
from support.gateway_site import GATEWAYS, Site, Stream, kill
from support.networkmanager import POLICIES, NetworkManager
from support.scenario import Skip, eventually, expect, expect_equal, scenario
from support.strongswan import StrongSwan
from support.traffic import insisting
from support.tunnel import Tunnel

HOME = {"identity": "home.test", "network": {4: "10.3.0.0/24"}, "host": {4: "10.3.0.1"}}
SMALL = 100_000
# Packets meet a trap, are on their way to an SA that has gone, or come from one whose policy has.
WHILE_CLOSING = ("XfrmInNoStates", "XfrmInNoPols", "XfrmInTmplMismatch", "XfrmOutNoStates")


def add_home(place, swan):
    """A second network behind the gateway, for a peer of another name. Returns the network that has it."""
    left, right = place.ends
    right.namespace.ip(f"addr add {HOME['host'][4]}/24 dev lo")
    swan.ask("load-shared", {"id": "home", "type": "IKE", "data": swan.tunnel.secret, "owners": [HOME["identity"]]})
    child = swan.connection["children"]["net"] | {"local_ts": [HOME["network"][4]]}
    swan.ask("load-conn", {"home": swan.connection | {
        "remote": {"auth": "psk", "id": HOME["identity"]}, "children": {"home": child}}})
    return types.SimpleNamespace(ends=(left, dataclasses.replace(right, network=HOME["network"], host=HOME["host"])))


def one_is_new(before, now):
    return len(before) == len(now) == 2 and len(now - before) == 1


def add(manager, swan, name, identity, network):
    tunnel, (left, right) = swan.tunnel, network.ends
    return "nm-" + manager.add(name, secret=tunnel.secret, gateway=right.outer[4], local_id=identity,
                               remote_id=right.identity, proposals=tunnel.proposal, esp=tunnel.esp,
                               local_ts=left.network[4], remote_ts=right.network[4])


@scenario("traffic: two of NetworkManager's connections at once, rekeyed, and brought down one by one")
def two_tunnels(world):
    tunnel = Tunnel()
    with checks.network(world) as place, Bus(world, "dbus-daemon", policies=POLICIES) as bus, \
            NetworkManager(world, bus, *place.ends) as manager, \
            StrongSwan(world, place.right, place.left, tunnel) as swan, \
            Bare(world, place.left, place.right, tunnel, daemon={"bus": bus.address}):
        bus.await_service()
        client = bus.client()
        home = add_home(place, swan)
        office_name = add(manager, swan, "office", place.left.identity, place)
        add(manager, swan, "home", HOME["identity"], home)
        manager.up("office")
        manager.up("home")
        expect_equal(len(swan.children()), 2, "CHILD SAs at strongSwan")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        checks.traffic_flows(world, home, tunnel, swan, SMALL)

        before = swan.ike_spis()
        swan.ask("rekey", {"ike": "peer"})
        eventually(lambda: one_is_new(before, swan.ike_spis()), world.patience(20), "the office's IKE SA is another one")
        before = swan.children()
        client.manager("Rekey", "sa{sv}", office_name, {"child": "vpn"})
        eventually(lambda: one_is_new(before, swan.children()), world.patience(20), "so is its CHILD SA")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        checks.traffic_flows(world, home, tunnel, swan, SMALL)
        expect_equal((manager.state("office"), manager.state("home")), ("activated", "activated"), "states")

        manager.down("office")
        eventually(lambda: len(swan.children()) == 1, world.patience(20), "one CHILD SA is left at strongSwan")
        checks.traffic_flows(world, home, tunnel, swan, SMALL)
        manager.down("home")
        checks.closed(world, swan)
        eventually(lambda: not checks.left_in_kernel(place.left.namespace), world.patience(20),
                   "the kernel on the left has no SA and no policy left")
        eventually(lambda: not connections(client) and not manager.services(), world.patience(20), "nothing is left")


@scenario("traffic: a virtual address and its resolvers, shown by NetworkManager, and nothing of it afterwards")
def virtual_address(world):
    tunnel = Tunnel()
    pool = {"laptops": {"addrs": "10.9.0.0/24", "dns": ["10.2.0.53"], "25": ["corp.example"]}}
    with checks.network(world) as place, Bus(world, "dbus-daemon", policies=POLICIES) as bus, \
            NetworkManager(world, bus, *place.ends) as manager, \
            StrongSwan(world, place.right, place.left, tunnel, connection={"pools": ["laptops"]},
                       child={"remote_ts": ["dynamic"]}, credentials=[("load-pool", pool)]) as swan, \
            Bare(world, place.left, place.right, tunnel, daemon={"bus": bus.address}):
        left, right = place.ends
        right.namespace.ip(f"route add 10.9.0.0/24 via {left.outer[4]}")
        bus.await_service()
        links = left.namespace.run("ip -o link")
        name = "nm-" + manager.add(
            "office", secret=tunnel.secret, gateway=right.outer[4], local_id=left.identity, remote_id=right.identity,
            proposals=tunnel.proposal, esp=tunnel.esp, remote_ts=right.network[4], virtual_addresses="0.0.0.0")
        manager.up("office")
        told = {key: manager.nmcli("--get-values", key, "connection", "show", "office")
                for key in ("IP4.ADDRESS", "IP4.DNS", "IP4.DOMAIN")}
        expect_equal(told, {"IP4.ADDRESS": "10.9.0.1/32", "IP4.DNS": "10.2.0.53", "IP4.DOMAIN": "corp.example"},
                     "what NetworkManager shows")
        inside = place.with_host("left", "10.9.0.1", 4)
        checks.traffic_flows(world, inside, tunnel, swan, SMALL)
        swan.rekey_ike()
        swan.rekey_child()
        checks.traffic_flows(world, inside, tunnel, swan, SMALL)
        expect(f"dev {name[:11]} " in left.namespace.run(f"ip route get {right.host[4]}"), "the way into the tunnel")
        manager.down("office")
        checks.closed(world, swan)
        eventually(lambda: left.namespace.run("ip -o link") == links, world.patience(20), "the interface is gone")
        eventually(lambda: not checks.left_in_kernel(left.namespace), world.patience(20), "so are SAs and policies")
        expect_equal(left.namespace.run("ip route show proto 107"), "", "routes that are left")
        expect("10.9.0.1" not in left.namespace.run("ip addr"), "the address is left nowhere")


@scenario("traffic: keysluiced is killed, and the tunnel that NetworkManager shows is the same before and after")
def killed(world):
    tunnel = Tunnel()
    with checks.network(world) as place, Bus(world, "dbus-daemon", policies=POLICIES) as bus, \
            NetworkManager(world, bus, *place.ends) as manager, \
            StrongSwan(world, place.right, place.left, tunnel) as swan, \
            Bare(world, place.left, place.right, tunnel, daemon={"bus": bus.address}) as ours:
        bus.await_service()
        name = add(manager, swan, "office", place.left.identity, place)
        manager.up("office")
        before = swan.ike_spis(), swan.children()
        ours.replace(signal.SIGKILL)
        eventually(lambda: "has added it again" in ours.log(), world.patience(30), "its owner has added it again")
        expect_equal((swan.ike_spis(), swan.children()), before, "IKE SA and CHILD SA at strongSwan")
        expect_equal(manager.state("office"), "activated", "state")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        bus.client().manager("Rekey", "sa{sv}", name, {"child": "vpn"})
        eventually(lambda: swan.children() and not swan.children() & before[1], world.patience(20), "another CHILD SA stands")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        expect_equal(place.errors(), {}, "/proc/net/xfrm_stat of both gateways so far")
        for counter in WHILE_CLOSING:
            place.forgive(counter)
        with insisting(place.left, *tunnel.hosts(place)):  # no packet brings up again what is to go down
            manager.down("office")
            checks.closed(world, swan)
            eventually(lambda: not checks.left_in_kernel(place.left.namespace), world.patience(20), "nothing is left")
        expect_equal(swan.ike_spis(), set(), "IKE SAs at strongSwan")


WIFI = {"laptop": "203.0.113.1", "router": "203.0.113.254"}
MASQUERADE = """
table ip nat {
  chain out { type nat hook postrouting priority srcnat; ip saddr 203.0.113.0/24 masquerade; }
}
"""


def add_wifi(site, manager):
    """A second way to the gateways, which is worse than the cable, and behind a NAT."""
    site.middle.ip(f"link add air type veth peer name air netns {site.left.namespace.path}",
                   f"addr add {WIFI['router']}/24 dev air", "link set air up", "addr add 192.0.2.254/24 dev between")
    site.middle.switch(ipv4__ip_forward=1)
    site.middle.run("nft -f -", MASQUERADE)
    manager.nmcli("connection", "add", "type", "ethernet", "con-name", "air", "ifname", "air", "autoconnect", "no", "--",
                  "ipv4.method", "manual", "ipv4.addresses", f"{WIFI['laptop']}/24", "ipv4.gateway", WIFI["router"],
                  "ipv4.route-metric", 600, "ipv6.method", "disabled")
    manager.nmcli("connection", "up", "air")


@scenario("traffic: one transfer goes from the cable to a Wi-Fi behind a NAT, to the second gateway, and back to the cable")
def roams(world):
    if not world.kernel:
        raise Skip("this kernel has no ESP")
    site, tunnel = Site(), Tunnel()
    left = site.left
    swans = [StrongSwan(world, each, left, tunnel, connection={"remote_addrs": ["%any"]}) for each in site.gateways]
    with Bus(world, "dbus-daemon", policies=POLICIES) as bus, \
            NetworkManager(world, bus, left, site.gateways[0]) as manager, swans[0], swans[1], \
            Bare(world, left, site.gateways[0], tunnel, daemon={"bus": bus.address},
                 ike={"retransmit_tries": 3, "retransmit_timeout": "1s"}):
        bus.await_service()
        add_wifi(site, manager)
        manager.add("office", secret=tunnel.secret, gateway=" ".join(GATEWAYS), local_id=left.identity, liveness="2s",
                    remote_id=site.gateways[0].identity, proposals=tunnel.proposal, esp=tunnel.esp,
                    local_ts=left.network[4], remote_ts="10.2.0.0/24")
        manager.nmcli("connection", "modify", "office", "vpn.persistent", "yes")
        manager.up("office")
        stream = Stream(world, site)

        def goes_on(address, gateway):
            checks.sas_go_between(world, left.namespace, address, GATEWAYS[gateway], 60)
            stream.flows(world)
            expect_equal(manager.state("office"), "activated", "what NetworkManager says")

        goes_on(left.outer[4], 0)
        child = swans[0].children()
        site.middle.ip("link set left down")  # the cable is pulled
        goes_on(WIFI["laptop"], 0)
        expect_equal(swans[0].children(), child, "the CHILD SA, which goes on")
        site.power(0, False)
        kill(swans[0])
        goes_on(WIFI["laptop"], 1)
        child = swans[1].children()
        site.middle.ip("link set left up")
        manager.nmcli("connection", "up", "base")
        goes_on(left.outer[4], 1)
        expect_equal(swans[1].children(), child, "the CHILD SA, which goes on")
        stream.finish(world)
        world.note(f"{stream.count} bytes, the longest stall {stream.longest_stall():.2f} s")
        manager.down("office")
        eventually(lambda: not swans[1].sas(), world.patience(20), "the gateway has no IKE SA left")
        eventually(lambda: not checks.left_in_kernel(left.namespace), world.patience(20), "no SA and no policy is left")
