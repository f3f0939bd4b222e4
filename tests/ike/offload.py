"""A network device that is to take over a part of ESP: what was asked for, what is in force, and why it is less."""

import contextlib

from support import checks, netdevsim, traffic
from support.scenario import Failure, Skip, eventually, expect, expect_equal, expect_raises, scenario
from support.tunnel import Tunnel
from ike.basics import SIDES, SMALL, both_have_it, gateways

DECLINED = "wire does not take over ESP's cryptography: the kernel took the SA and does it itself"
REFUSED = "wire was to take over {}: the kernel refused the ESP SA [0-9a-f]{{8}} to [0-9.]*: Invalid argument{}"


def seen(ours):
    """Of keysluice's only child: what was asked for, what is in force, by which device, and why it is less."""
    (child,) = ours.child_sas()
    return tuple(child[f"offload{each}"] for each in ("_requested", "", "_device", "_reason"))


def falls_back(world):
    tunnel = Tunnel()
    with gateways(world, tunnel) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        swan.up()
        both_have_it(world, both)
        expect_equal(seen(ours), ("auto", "none", "wire", DECLINED), "offload")
        swan.rekey_child()
        both_have_it(world, both)
        expect_equal(seen(ours), ("auto", "none", "wire", DECLINED), "offload of the new CHILD SA")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)


scenario("offload: \"auto\" on a device without it, before and after a rekeying")(falls_back)


def refused(world, offload, initiator, says, esp="aes128gcm16", simulated=False):
    child = {"offload": offload}
    with gateways(world, Tunnel(esp=esp), initiator, sluice={"child": child}, simulated=simulated) as (_, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        if initiator == "strongSwan":
            expect_raises(Failure, swan.initiate, "initiating by strongSwan")
        world.note(ours.await_log(says))
        eventually(lambda: not ours.children() and not swan.children(), world.patience(10), "nobody has a CHILD SA")
        eventually(lambda: not checks.left_in_kernel(ours.end.namespace), world.patience(10),
                   "keysluice left nothing in the kernel")


for _offload, _says in (("crypto", DECLINED + r" \(offload-declined\)"),
                        ("packet", REFUSED.format("whole ESP packets", r" \(offload-refused\)"))):
    for _initiator in SIDES:
        scenario(f"offload: \"{_offload}\" on a device without it is no SA, {_initiator} begins")(
            lambda world, offload=_offload, initiator=_initiator, says=_says: refused(world, offload, initiator, says))


# ---- a device that pretends to

@contextlib.contextmanager
def pretending():
    if not netdevsim.available():
        raise Skip("this kernel has no netdevsim")
    try:
        yield
    finally:
        netdevsim.remove_all()


def taken(world, offload, initiator):
    """Both halves are with the device, of a CHILD SA and of its successor, which has its outbound half later."""
    with pretending(), gateways(world, Tunnel(), initiator, sluice={"child": {"offload": offload}},
                                simulated=True) as (_, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        both[initiator].up()
        both_have_it(world, both)
        expect_equal(seen(ours), (offload, "crypto", "wire", ""), "offload")
        swan.rekey_child()
        both_have_it(world, both)
        expect_equal(seen(ours), (offload, "crypto", "wire", ""), "offload of the new CHILD SA")
        for inbound, outbound in ours.children():
            for spi, direction in ((inbound, "in"), (outbound, "out")):
                shown = ours.end.namespace.run(f"ip xfrm state list spi 0x{spi:08x}")
                expect(f"crypto offload parameters: dev wire dir {direction}" in shown, f"the kernel says {shown}")


for _offload, _initiator in (("crypto", "keysluice"), ("auto", "strongSwan")):
    scenario(f"offload: \"{_offload}\" on a device that pretends to do it, {_initiator} begins")(
        lambda world, offload=_offload, initiator=_initiator: taken(world, offload, initiator))

SPARE = {"left": "198.51.100.1", "right": "198.51.100.2"}


def lead(place, device):
    """Packets take this device from now on, ESP and what is to become it. The outer addresses are not the devices', as
    where a routing protocol chooses."""
    for end, other in (place.ends, place.ends[::-1]):
        via = f"via {SPARE[other.name]} " if device == "spare" else ""
        end.namespace.ip(f"route replace {other.outer[4]}/32 {via}dev {device} src {end.outer[4]}",
                         f"route replace {other.network[4]} {via}dev {device}")


def add_spare(place):
    left, right = place.ends
    left.namespace.ip(f"link add spare type veth peer name spare netns {right.namespace.path}")
    for end in place.ends:
        end.namespace.ip(f"addr add {end.outer[4]}/32 dev lo", f"addr add {SPARE[end.name]}/24 dev spare",
                         "link set spare up")


ON_SPARE = ("auto", "none", "spare",
            "spare does not take over ESP's cryptography: the kernel took the SA and does it itself")
ON_WIRE = ("auto", "crypto", "wire", "")


@scenario("offload: the device disappears under traffic and comes back")
def lost_and_regained(world):
    """The kernel deletes the SAs with their device and tells nobody. A new CHILD SA stands at once, in software; only
    what was on its way meanwhile is lost. With the device the offload comes back."""
    tunnel = Tunnel()
    with pretending(), gateways(world, tunnel, "keysluice", simulated=True) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        ours.up()
        both_have_it(world, both)
        expect_equal(seen(ours), ON_WIRE, "offload")
        add_spare(place)
        lead(place, "spare")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        for counter in ("XfrmInNoStates", "XfrmOutNoStates"):
            place.forgive(counter)
        streams = [traffic.Stream(place, tunnel, forward, 0.02) for forward in (True, False)]
        for each in streams:
            each.flows(world)
        netdevsim.unplug_left()
        world.note(ours.await_log(r"wire is down or gone, and with it the kernel has deleted the ESP SA .*\(offload-lost\)"))
        eventually(lambda: len(ours.children()) == 1 and seen(ours) == ON_SPARE, world.patience(20),
                   "the CHILD SA goes on in software")
        for each in streams:
            each.flows(world)
        for each in streams:
            lost, twice = each.finish(world)
            expect_equal(twice, 0, f"packets that came twice {each.name}")
            world.note(f"{each.name}: {lost} packets of {each.sent}, one each 20 ms, were lost, {len(each.refused)} refused")
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        left = place.ends[0].namespace
        netdevsim.plug_left(left, place.ends[1].namespace, "wire")
        left.ip("link set wire up")
        lead(place, "wire")
        ours.await_log("the network device does its part again")
        eventually(lambda: len(ours.children()) == 1 and seen(ours) == ON_WIRE, world.patience(20),
                   "the offload is back")
        both_have_it(world, both)


LIMITS = (("packet", "aes128gcm16", "whole ESP packets", "Unsupported ipsec offload type"),
          ("crypto", "chacha20poly1305", "ESP's cryptography", "Failed to get key data"),
          ("crypto", "aes128gcm16-esn", "ESP's cryptography", "Device doesn't support offload with ESN"))


def beyond(world, offload, esp, what, words):
    """What this device can't do: with the driver's words."""
    with pretending():
        says = REFUSED.format(what, f'.*{words}.*')
        refused(world, offload, "strongSwan", says + r" \(offload-refused\)", esp, simulated=True)


for _limit in LIMITS:
    scenario(f"offload: \"{_limit[0]}\" of {_limit[1]} on a device that can't")(
        lambda world, limit=_limit: beyond(world, *limit))


@scenario("offload: \"auto\" of aes128gcm16-esn on a device that can't")
def falls_back_with_words(world):
    with pretending(), gateways(world, Tunnel(esp="aes128gcm16-esn"), simulated=True) as (_, both):
        both["strongSwan"].up()
        both_have_it(world, both)
        requested, in_force, device, reason = seen(both["keysluice"])
        expect_equal((requested, in_force, device), ("auto", "none", "wire"), "offload")
        expect("Device doesn't support offload with ESN" in reason, f"the reason is {reason!r}")
        world.note(reason)
