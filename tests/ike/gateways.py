"""Two gateways serve one connection: the power of the first goes, traffic goes on through the second, and comes back.
support/gateway_site.py has the network."""

import contextlib
import re
import time

from support import checks
from support.bus import Bus
from support.gateway_site import GATEWAYS, Site, Stream, Wire, kill
from support.scenario import Skip, eventually, expect, expect_equal, scenario
from support.sluice import Sluice
from support.strongswan import StrongSwan
from support.tunnel import Tunnel
from ike.mobike import move

IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL = 34, 35, 36, 37
TRIES = 3


@contextlib.contextmanager
def running(world, swan=None, **connection):
    """keysluice and both strongSwans, on a bus. `swan`: of their connections."""
    if not world.kernel:
        raise Skip("this kernel has no ESP")
    site, tunnel = Site(), Tunnel()
    swans = [StrongSwan(world, each, site.left, tunnel, connection=swan) for each in site.gateways]
    ike = {"retransmit_tries": TRIES, "retransmit_timeout": "1s"}
    rules = {"remote": list(GATEWAYS), "start": "on-load", "liveness": "2s"} | connection
    with Bus(world, "dbus-daemon") as bus, swans[0], swans[1]:
        with bus.events() as events:
            with Sluice(world, site.left, site.gateways[0], tunnel, ike=ike, connection=rules,
                        daemon={"bus": bus.address}) as ours:
                bus.await_service()
                yield site, swans, ours, events, bus


def up(world, swan):
    eventually(swan.children, world.patience(30), f"{swan} has a CHILD SA")


def changes(events):
    """(from, to, reason) of each change of the gateway."""
    return [(event["more"]["from"]["data"], event["more"]["to"]["data"], event["reason"])
            for event in events.all() if event["kind"] == "gateway-changed"]


def endpoints():
    return [f"{address}:500" for address in GATEWAYS]


def gateway_on_bus(bus):
    client = bus.client()
    (path,) = client.paths("connection")
    return str(client.property(path, "Connection", "Gateway"))


@scenario("gateways: the first one's power goes, the second goes on, and the first is used again")
def fails_over(world):
    first, second = endpoints()
    with running(world, **{"return": "at-once", "return_check": "5s"}) as (site, swans, ours, events, bus):
        up(world, swans[0])
        before = site.errors()
        with Wire(site) as wire:
            stream = Stream(world, site)
            stream.flows(world)
            expect_equal(gateway_on_bus(bus), first, "the gateway on the bus")
            quiet = wire.requests(GATEWAYS[0], 0)
            expect(not quiet, f"the peer was asked although its packets came: {quiet}")
            cut = time.monotonic()
            site.power(0, False)
            kill(swans[0])
            event = eventually(lambda: changes(events), world.patience(60), "another gateway is in use")
            up(world, swans[1])
            moment = time.monotonic()
            stream.flows(world)
            expect_equal(event, [(first, second, "peer-silent")], "changes of the gateway")
            expect_equal(gateway_on_bus(bus), second, "the gateway on the bus")
            asked = wire.requests(GATEWAYS[0], cut)
            expect(set(asked[:TRIES]) == {INFORMATIONAL} and asked.count(INFORMATIONAL) == TRIES,
                   f"the dead one was asked {TRIES} times: {asked}")
            begun = [exchange for at, to, exchange, response in wire.ike
                     if to == GATEWAYS[1] and not response and at <= moment and exchange != INFORMATIONAL]
            expect(set(begun) == {IKE_SA_INIT, IKE_AUTH} and len(begun) <= 2 * TRIES, f"one handshake: {begun}")
            silence = [at for at, to, exchange, _ in wire.ike if to == GATEWAYS[0] and at >= cut][0] - cut
            world.note(f"the first question came {silence:.2f} s after the cut, a CHILD SA {moment - cut:.2f} s after it; "
                       f"the stream paused {stream.longest_stall():.2f} s")
            site.power(0, True)
            swans[0].__enter__()
            eventually(lambda: len(changes(events)) == 2, world.patience(60), "the first one is in use again")
            expect_equal(changes(events)[1], (second, first, "gateway-returned"), "the second change")
            up(world, swans[0])
            eventually(lambda: not swans[1].sas(), world.patience(30), "the second one has no IKE SA left")
            carried = swans[0].carried()[0]
            stream.flows(world)
            expect(swans[0].carried()[0] > carried, "the first one carries the stream")
            stream.finish(world)
            expect_equal(wire.clear, 0, "packets for the server in the clear")
        expect_equal(site.errors(), before, "/proc/net/xfrm_stat on the left")
        kinds = [event["kind"] for event in events.all()]
        # What was told of the beginning may have been before there was somebody to hear it.
        wanted = ["failed", "peer-unreachable", "gateway-changed", "ike-established", "child-established",
                  "ike-established", "child-established", "gateway-changed"]
        told = [kind for kind in kinds if kind in wanted]
        expect(re.search(".*".join(wanted), " ".join(told)), f"events in order: {told}")
        ours.await_log(f"the gateway from now on, after {first}")


@scenario("gateways: the host roams, its gateway's power goes, and the host roams on with the next one, and back")
def roams(world):
    first, second = endpoints()
    addresses = iter(f"192.0.2.{number}" for number in range(100, 200))
    at = "192.0.2.1"
    with running(world, {"remote_addrs": ["%any"]}, local="any", liveness_idle="2s",
                 **{"return": "at-once", "return_check": "5s"}) as (site, swans, ours, events, bus):
        def roam(number):
            nonlocal at
            before, after = ours.children(), next(addresses)
            move(site.left, at, after)
            at = after
            stands_at(number)
            expect_equal(ours.children(), before, "the CHILD SA, which goes on")

        def stands_at(number):
            checks.sas_go_between(world, site.left.namespace, at, GATEWAYS[number], 40)

        up(world, swans[0])
        with Wire(site) as wire:
            stream = Stream(world, site)
            for _ in range(3):
                stream.flows(world)
                roam(0)
            expect_equal(changes(events), [], "changes of the gateway")
            stream.flows(world)
            site.power(0, False)
            kill(swans[0])
            up(world, swans[1])
            stands_at(1)
            expect_equal(changes(events), [(first, second, "peer-silent")], "changes of the gateway")
            for _ in range(3):
                stream.flows(world)
                roam(1)
            stream.flows(world)
            site.power(0, True)
            swans[0].__enter__()
            eventually(lambda: len(changes(events)) == 2, world.patience(60), "the first one is in use again")
            expect_equal(changes(events)[1], (second, first, "gateway-returned"), "the second change")
            eventually(lambda: not swans[1].sas(), world.patience(30), "the second one has no IKE SA left")
            stands_at(0)
            stream.flows(world)
            roam(0)
            stream.flows(world)
            stream.finish(world)
            expect_equal(wire.clear, 0, "packets for the server in the clear")
        world.note(f"7 addresses, 2 changes of the gateway, {stream.count} bytes, "
                   f"the longest stall {stream.longest_stall():.2f} s")
        moved = [event["more"]["from"]["data"] for event in events.all() if event["kind"] == "path-changed"]
        expect(len(moved) >= 7, f"each is told: {moved}")


@scenario("gateways: which one is in use outlives keysluiced")
def outlives(world):
    first, second = endpoints()
    with running(world) as (site, swans, ours, events, bus):
        up(world, swans[0])
        site.power(0, False)
        kill(swans[0])
        up(world, swans[1])
        before = swans[1].children()
        with Wire(site) as wire:
            for _ in range(3):
                ours.replace()
                bus.await_service()
                expect_equal(gateway_on_bus(bus), second, "the gateway on the bus")
            stream = Stream(world, site)
            stream.flows(world)
            stream.finish(world)
            expect_equal(swans[1].children(), before, "the CHILD SAs that stand all the while")
            expect_equal([each for each in wire.ike if each[2] == IKE_SA_INIT], [], "handshakes")


@scenario("gateways: when-idle goes back once the traffic rests")
def idle(world):
    first, second = endpoints()
    with running(world, **{"return": "when-idle", "return_check": "2s", "return_idle": "6s"}) as running_world:
        site, swans, ours, events, bus = running_world
        up(world, swans[0])
        site.power(0, False)
        kill(swans[0])
        up(world, swans[1])
        site.power(0, True)
        with Wire(site) as wire:
            stream = Stream(world, site)
            swans[0].__enter__()
            since = time.monotonic()
            for _ in range(10):
                time.sleep(1)
                stream.flows(world)
            expect_equal(wire.requests(GATEWAYS[0], since), [], "messages to the first one while there is traffic")
            stream.finish(world)
            eventually(lambda: len(changes(events)) == 2, world.patience(60), "the first one is in use again")
            expect_equal(changes(events)[1], (second, first, "gateway-returned"), "the second change")
            up(world, swans[0])
