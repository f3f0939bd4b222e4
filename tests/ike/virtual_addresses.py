"""Configuration payloads and XFRM interfaces: one end gives the other an address in its network, with resolvers."""

import contextlib

from support import checks, keysluice
from support.bus import Bus
from support.resolved import POLICY, Resolved
from support.scenario import Failure, eventually, expect, expect_equal, scenario
from support.sluice import Sluice
from support.strongswan import StrongSwan
from support.traffic import streams
from support.tunnel import Tunnel
from ike.basics import both_have_it

SMALL = 100_000
GIVEN = {4: "10.9.0.1", 6: "fd00:9::1"}
POOL = {4: "10.9.0.0/24", 6: "fd00:9::/64"}
ANY = {4: "0.0.0.0", 6: "::"}


class PoolSluice(Sluice):
    """With pools, and a child for what its peers get out of them. `interface`: it is behind that one."""

    def __init__(self, *arguments, pools, **more):
        super().__init__(*arguments, **more)
        self.pools = pools
        self.connection |= {"pools": [each["name"] for each in pools]}
        del self.child["remote_ts"]

    def _connections(self):
        return [*(keysluice.table("[[ike.pool]]", each) for each in self.pools), *super()._connections()]


def of_ours(namespace):
    """Interfaces, addresses and routes that keysluice may have left."""
    lines = namespace.run("ip -o link show type xfrm") + namespace.run("ip route show proto 107")
    return lines + namespace.run("ip -6 route show proto 107")


@contextlib.contextmanager
def client_of_strongswan(world, version, daemon=None, **connection):
    """keysluice on the left asks strongSwan for an address and is behind an interface."""
    tunnel = Tunnel(carries=version)
    pool = {"laptops": {"addrs": POOL[version], "dns": ["10.2.0.53"], "25": ["corp.example", "lab.example"]}}
    with checks.network(world) as place:
        left, right = place.ends
        right.namespace.ip(f"route add {POOL[version]} via {left.outer[version]}")
        with StrongSwan(world, right, left, tunnel, connection={"pools": ["laptops"]},
                        child={"remote_ts": ["dynamic"]}, credentials=[("load-pool", pool)]) as swan:
            ours = Sluice(world, left, right, tunnel, connection={
                "virtual_addresses": [ANY[version]], "interface": "ks-left", "start": "on-load"} | connection,
                daemon=daemon)
            del ours.child["local_ts"]
            with ours:
                both = {"keysluice": ours, "strongSwan": swan}
                if ours.connection["start"] == "on-load":
                    both_have_it(world, both)
                yield place, place.with_host("left", GIVEN[version], version), tunnel, both


for family in (4, 6):

    @scenario(f"virtual addresses: keysluice gets one of strongSwan, IPv{family}, with split DNS, behind an interface")
    def client(world, version=family):
        with client_of_strongswan(world, version) as (place, inside, tunnel, both):
            ours, swan = both["keysluice"], both["strongSwan"]
            (sa,) = ours.sas()
            expect_equal([sa[key] for key in ("virtual_addresses", "dns", "domains", "interface")],
                         [[GIVEN[version]], ["10.2.0.53"], ["corp.example", "lab.example"], "ks-left"], "what was given")
            expect(GIVEN[version] in place.left.namespace.run("ip addr show dev ks-left"), "the interface has it")
            checks.traffic_flows(world, inside, tunnel, swan)
            with streams(world, inside, tunnel):
                swan.rekey_child()
                swan.rekey_ike()
            expect_equal(ours.sas()[0]["virtual_addresses"], [GIVEN[version]], "addresses after rekeying")
            ours.replace()
            both_have_it(world, both)
            expect_equal(ours.sas()[0]["virtual_addresses"], [GIVEN[version]], "addresses in the process that took over")
            checks.traffic_flows(world, inside, tunnel, swan, SMALL)
            ours.stop()
            checks.closed(world, ours, swan)
            expect_equal(of_ours(place.left.namespace), "", "left over")


@scenario("virtual addresses: who comes back gets the same, and what is taken away is put back")
def again(world):
    with client_of_strongswan(world, 4) as (place, inside, tunnel, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        ours.stop()
        checks.closed(world, swan)
        with ours:
            both_have_it(world, both)
            expect_equal(ours.sas()[0]["virtual_addresses"], [GIVEN[4]], "the address of the second time")
            place.left.namespace.ip("link delete ks-left")
            eventually(lambda: GIVEN[4] in place.left.namespace.run("ip addr"), world.patience(10), "it is put back")
            checks.traffic_flows(world, inside, tunnel, swan, SMALL)


@scenario("virtual addresses: killed and started with another interface, keysluice leaves none of the first")
def renamed(world):
    with client_of_strongswan(world, 4) as (place, inside, tunnel, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        ours.kill()
        ours.connection["interface"] = "ks-other"
        with ours:
            both_have_it(world, both)
            expect("ks-other" in of_ours(place.left.namespace), "the other interface is there")
            eventually(lambda: "ks-left" not in of_ours(place.left.namespace), world.patience(60), "the first one goes")
            checks.traffic_flows(world, inside, tunnel, swan, SMALL)


@scenario("virtual addresses: everything but the gateway goes into the tunnel")
def everything(world):
    with client_of_strongswan(world, 4) as (place, inside, tunnel, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        swan.connection["children"]["net"]["local_ts"] = ["0.0.0.0/0"]
        swan.load()
        ours.child["remote_ts"] = ["0.0.0.0/0"]
        # What is more than everything else.
        place.left.namespace.ip(f"route delete {place.right.network[4]} via {place.right.outer[4]}")
        ours.restart()
        both_have_it(world, both)
        route = place.left.namespace.run("ip route get 8.8.8.8")
        expect("dev ks-left" in route and f"src {GIVEN[4]}" in route, f"the way to anywhere: {route}")
        expect("dev wire" in place.left.namespace.run(f"ip route get {place.right.outer[4]}"), "the way to the gateway")
        checks.traffic_flows(world, inside, tunnel, swan, SMALL)


@contextlib.contextmanager
def with_resolved(world, refusal=None, **connection):
    """client_of_strongswan() on a bus with a stand-in of systemd-resolved."""
    policy = world.directory / "resolved.conf"
    policy.write_text(POLICY)
    with Bus(world, "dbus-daemon", policies=[policy]) as bus:
        with client_of_strongswan(world, 4, daemon={"bus": bus.address}, **connection) as (place, _, __, both):
            with Resolved(world, bus, place.left.namespace, refusal) as resolved:
                yield resolved, bus, both


@scenario("virtual addresses: resolved hears of the resolvers, of the process that takes over too, and of the end")
def resolvers(world):
    expected = {"ks-left": (["10.2.0.53"], ["~corp.example", "~lab.example"], False)}
    with with_resolved(world, start="on-traffic") as (resolved, bus, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        client = bus.client()
        client.manager("Up", "sa{sv}", "peer", {})
        eventually(lambda: resolved.settings() == expected, world.patience(20), "the resolvers are told")
        ours.replace()
        both_have_it(world, both)
        bus.await_service()
        client.manager("Down", "sa{sv}", "peer", {})
        eventually(lambda: not swan.children(), world.patience(20), "strongSwan has no CHILD SA left")
        eventually(lambda: resolved.settings() == {}, world.patience(10), "they are taken back")
        client.manager("Up", "sa{sv}", "peer", {})
        eventually(lambda: resolved.settings() == expected, world.patience(20), "they are told again")


@scenario("virtual addresses: a resolved that refuses is in the log, and the tunnel stands")
def refusing(world):
    with with_resolved(world, "not for you") as (resolved, _, both):
        eventually(resolved.notes, world.patience(20), "it was asked")
        both["keysluice"].await_log("resolver-refused")
        expect("not for you" in both["keysluice"].log(), "its words are in the log")
        both_have_it(world, both)


@contextlib.contextmanager
def gateway_for_strongswan(world, version, wish=None, charon=None, theirs=None, **connection):
    """strongSwan on the right asks keysluice for an address. `charon` and `theirs`: more settings of it."""
    tunnel = Tunnel(carries=version)
    pools = [{"name": f"laptops{each}", "addresses": POOL[each], "dns": ["10.1.0.53"]} for each in (4, 6)]
    with checks.network(world) as place:
        left, right = place.ends
        if "interface" not in connection:
            left.namespace.ip(f"route add {POOL[version]} via {right.outer[version]}")
        with PoolSluice(world, left, right, tunnel, pools=pools, connection=connection) as ours:
            with StrongSwan(world, right, left, tunnel, charon={"install_virtual_ip": "yes"} | (charon or {}),
                            connection={"vips": [wish or ANY[version]]} | (theirs or {}), child={"local_ts": ["dynamic"]}) as swan:
                yield place, place.with_host("right", GIVEN[version], version), tunnel, {
                    "keysluice": ours, "strongSwan": swan}


for family, interface in ((4, None), (6, None), (4, "ks-gate")):

    @scenario(f"virtual addresses: strongSwan gets one of keysluice, IPv{family}, "
              f"{'behind an interface' if interface else 'by policies alone'}")
    def gateway(world, version=family, name=interface):
        with gateway_for_strongswan(world, version, **({"interface": name} if name else {})) as (
                place, inside, tunnel, both):
            ours, swan = both["keysluice"], both["strongSwan"]
            swan.up()
            both_have_it(world, both)
            expect_equal(swan.sas()[0]["local-vips"], [GIVEN[version]], "what strongSwan got")
            expect_equal(ours.sas()[0]["assigned_addresses"], [GIVEN[version]], "what keysluice gave")
            checks.traffic_flows(world, inside, tunnel, swan)
            with streams(world, inside, tunnel):
                swan.rekey_child()
                swan.rekey_ike()
            ours.replace()
            both_have_it(world, both)
            expect_equal(ours.sas()[0]["assigned_addresses"], [GIVEN[version]], "what the process that took over knows")
            checks.traffic_flows(world, inside, tunnel, swan, SMALL)
            swan.down()
            checks.closed(world, ours, swan)
            swan.up()
            both_have_it(world, both)
            expect_equal(swan.sas()[0]["local-vips"], [GIVEN[version]], "the address of the second time")


@scenario("virtual addresses: without one left, strongSwan is told, and the log says why")
def none_left(world):
    with gateway_for_strongswan(world, 4, wish="::") as (_, __, ___, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        ours.pools = [each for each in ours.pools if each["name"] == "laptops4"]
        ours.connection["pools"] = ["laptops4"]
        ours.restart()
        with contextlib.suppress(Failure):
            swan.initiate()
        ours.await_log("no-virtual-address")
        swan.await_log("INTERNAL_ADDRESS_FAILURE")
