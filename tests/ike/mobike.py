"""MOBIKE (RFC 4555) with strongSwan: addresses change under a tunnel, NATs come and go, links die, and the tunnel stays."""

import contextlib
import hashlib
import os
import re
import threading
import time

from support import checks, traffic
from support.scenario import eventually, expect_equal, scenario
from support.tunnel import Tunnel
from ike.basics import SIDES, both_have_it, gateways

SMALL = 100_000
CHANGES = 50


@contextlib.contextmanager
def roaming(world, initiator, nat=None, family=4, alone=False, **more):
    """Both may be at any address; who begins may change it. `alone`: there is IPv4 and nothing else."""
    tunnel = Tunnel(family=family, carries=4)
    sluice = {"connection": {"local": "any", "liveness": "2s", "liveness_idle": "2s"} | more.pop("connection", {}),
              "ike": more.pop("ike", {})}
    swan = {"charon": {"retransmit_timeout": "1.0", "retransmit_base": "1.2"},
            "connection": {"local_addrs": ["%any"], "dpd_delay": "2"}}
    if initiator == "strongSwan":
        sluice["connection"]["remote"] = "any"
    else:
        swan["connection"]["remote_addrs"] = ["%any"]
    with gateways(world, tunnel, initiator, nat, sluice=sluice, swan=swan, **more) as (place, both):
        # A packet that is on its way while its SA moves meets none, or one with other addresses; strongSwan takes its
        # policies out for that time; and after it the path's MTU is yet to be found again.
        for counter in ("XfrmOutNoStates", "XfrmInNoStates", "XfrmInTmplMismatch", "XfrmInStateMismatch",
                        "XfrmOutStateInvalid", "XfrmInStateInvalid", "XfrmAcquireError", "XfrmOutBundleGenError",
                        "XfrmInNoPols", "XfrmOutPolBlock", "XfrmOutStateModeError"):
            place.forgive(counter)
        for end in place.ends if alone else ():
            end.namespace.switch(ipv6__conf__wire__disable_ipv6=1)
        both[initiator].up()
        both_have_it(world, both)
        yield place, tunnel, both


def move(end, before, after):
    """The gateway's address changes, as when a host comes into another network; the routes stay as they were."""
    routes = [line.split(" src ")[0] for line in end.namespace.run("ip route show proto boot").splitlines()]
    length = "64 nodad" if ":" in after else "24"
    end.namespace.switch(ipv4__conf__all__promote_secondaries=1)
    end.namespace.ip(f"addr add {after}/{length} dev wire", f"addr del {before}/{length.split()[0]} dev wire",
                     *(f"route replace {route}" for route in routes if " via " in route))


def go_between(world, place, one, other):
    for end in place.ends:
        checks.sas_go_between(world, end.namespace, one, other)


def new_address(world, initiator, family=4):
    # strongSwan may take to the other family in the moment between two addresses, and stay there.
    alone = initiator == "strongSwan" and family == 4
    with roaming(world, initiator, family=family, alone=alone) as (place, tunnel, both):
        swan, mover = both["strongSwan"], both[initiator].end
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        before = both["keysluice"].children()
        old, new = mover.outer[family], mover.outer[family] + "1"
        other = next(each for each in place.ends if each is not mover).outer[family]
        move(mover, old, new)
        go_between(world, place, new, other)
        both_have_it(world, both)
        expect_equal(both["keysluice"].children(), before, "the CHILD SA, which goes on")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        both["keysluice"].await_log("address-changed" if initiator == "keysluice" else "peer-asked")


for _initiator in SIDES:
    scenario(f"mobike: {_initiator} begins, new address")(
        lambda world, initiator=_initiator: new_address(world, initiator))
    scenario(f"mobike: {_initiator} begins, new address, IPv6")(
        lambda world, initiator=_initiator: new_address(world, initiator, 6))


@scenario("mobike: keysluice begins, and has IPv6 alone from now on, and IPv4 again")
def other_family(world):
    with roaming(world, "keysluice") as (place, tunnel, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        before = ours.children()
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        left, right = place.ends
        left.namespace.ip(f"addr del {left.outer[4]}/24 dev wire", f"route replace {right.network[4]} dev wire")
        go_between(world, place, left.outer[6], right.outer[6])
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        left.namespace.ip(f"addr add {left.outer[4]}/24 dev wire", f"addr del {left.outer[6]}/64 dev wire",
                          f"route replace {right.network[4]} via {right.outer[4]}")
        go_between(world, place, left.outer[4], right.outer[4])
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        expect_equal(ours.children(), before, "the CHILD SA, which goes on")


def in_udp(swan):
    """What strongSwan says of its CHILD SAs; while it moves one, it has none."""
    return {each.get("encap", "no") for each in swan.child_sas()}


def nat_appears(world, initiator):
    """Who began moves behind a NAT that was not there before, and out of it again: ESP goes into UDP and out of it."""
    with roaming(world, initiator, alone=True) as (place, tunnel, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        mover = both[initiator].end
        other = next(each for each in place.ends if each is not mover)
        before = ours.children()
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        detour = place.detour(mover)
        moves = initiator == "strongSwan"  # which stays at its address as long as it has it
        detour.take(moves)
        eventually(lambda: in_udp(swan) == {"yes"}, world.patience(30), "strongSwan has ESP in UDP")
        ours.await_log("nat-appeared")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        detour.remap()
        eventually(lambda: re.search("dport 62[0-9][0-9][0-9] ", other.namespace.run("ip xfrm state")),
                   world.patience(40), f"the {other.name} sends to the NAT's new mapping")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        detour.leave(moves)
        eventually(lambda: in_udp(swan) == {"no"}, world.patience(30), "strongSwan has ESP without UDP again")
        ours.await_log("nat-gone")
        go_between(world, place, mover.outer[4], other.outer[4])
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        expect_equal(ours.children(), before, "the CHILD SA, which goes on")


def link_dies(world, initiator):
    """Both gateways are connected by two links. Nothing passes by the first one any more, and nobody is told."""
    with roaming(world, initiator) as (place, tunnel, both):
        swan = both["strongSwan"]
        before = both["keysluice"].children()
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        second = place.second_link()
        if initiator == "keysluice":
            swan.await_log("sending address list update using MOBIKE(.|\\n)*parsed INFORMATIONAL response")
            place.cut()
        else:
            swan.await_log(r"N\(ADD_4_ADDR\)")
            place.right.namespace.ip("link set wire down")  # strongSwan does not look for another way otherwise
        go_between(world, place, second["left"], second["right"])
        place.lead_by_second_link()
        expect_equal(both["keysluice"].children(), before, "the CHILD SA, which goes on")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)


@scenario("mobike: a host that was nowhere for a while begins as soon as there is a way again")
def back_from_nowhere(world):
    """The pause between two attempts is an hour: the routes are what it goes by."""
    fast = {"retransmit_tries": 2, "retransmit_timeout": "1s"}
    with roaming(world, "keysluice", alone=True, ike=fast, connection={"retry": "1h"}) as (place, tunnel, both):
        ours, left = both["keysluice"], place.left
        left.namespace.ip(f"addr del {left.outer[4]}/24 dev wire")
        eventually(lambda: not ours.children(), world.patience(60), "keysluice has no CHILD SA any more")
        left.namespace.ip(f"addr add {left.outer[4]}/24 dev wire",
                          f"route add {place.right.network[4]} via {place.right.outer[4]}")
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, both["strongSwan"], SMALL)


def fifty_changes(world, initiator):
    """A TCP stream loses nothing; how long it stood still at most is told."""
    with roaming(world, initiator, alone=True) as (place, tunnel, both):
        mover = both[initiator].end
        other = next(each for each in place.ends if each is not mover).outer[4]
        client, server = traffic.connection(world, tunnel, *zip(place.ends, tunnel.hosts(place)))
        with client, server:
            flow = Flow(client, server)
            address = mover.outer[4]
            for number in range(CHANGES):
                after = f"192.0.2.{100 + number}"
                move(mover, address, after)
                address = after
                go_between(world, place, address, other)
                flow.passes(world)
            flow.finish(world)
        world.note(f"{CHANGES} addresses, {flow.count} bytes, the longest stall {flow.longest:.2f} s")


class Flow:
    """Bytes that are sent without a pause, and compared by their hash when all have arrived."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.sent, self.arrived = hashlib.sha256(), hashlib.sha256()
        self.count, self.longest, self.over = 0, 0.0, threading.Event()
        self.threads = [threading.Thread(target=each, daemon=True) for each in (self._send, self._receive)]
        for each in self.threads:
            each.start()

    def _send(self):
        while not self.over.is_set():
            piece = os.urandom(1024)
            self.client.sendall(piece)
            self.sent.update(piece)
            time.sleep(0.01)
        self.client.shutdown(1)

    def _receive(self):
        last = time.monotonic()
        while piece := self.server.recv(65536):
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now
            self.arrived.update(piece)
            self.count += len(piece)

    def passes(self, world):
        before = self.count
        eventually(lambda: self.count > before, world.patience(60), "the stream goes on")

    def finish(self, world):
        self.over.set()
        for each in self.threads:
            each.join(world.patience(60))
        expect_equal(self.arrived.hexdigest(), self.sent.hexdigest(), "the hash of what arrived")


for _initiator in SIDES:
    scenario(f"mobike: {_initiator} begins, a NAT appears, forgets, and is gone")(
        lambda world, initiator=_initiator: nat_appears(world, initiator))
    scenario(f"mobike: {_initiator} begins, one of two links dies")(
        lambda world, initiator=_initiator: link_dies(world, initiator))
    scenario(f"mobike: {_initiator} begins, a stream over {CHANGES} addresses")(
        lambda world, initiator=_initiator: fifty_changes(world, initiator))
