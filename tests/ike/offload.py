"""A network device that is to take over a part of ESP: what was asked for, what is in force, and why it is less."""

import contextlib
import subprocess
import time

from support import checks, netdevsim, traffic
from support.bus import Bus
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

NO_MOBIKE = {"connection": {"mobike": "no"}}  # or both would go to each other's spare addresses
SPARE = {"left": "198.51.100.1", "right": "198.51.100.2"}


def lead(place, device):
    """Packets take this device from now on, ESP and what is to become it. The outer addresses are not the devices', as
    where a routing protocol chooses."""
    for end, other in (place.ends, place.ends[::-1]):
        via = f"via {SPARE[other.name]} " if device == "spare" else ""
        end.namespace.ip(f"route replace {other.outer[4]}/32 {via}dev {device} src {end.outer[4]}",
                         f"route replace {other.network[4]} {via}dev {device}")


SECOND = 2  # the number of a spare device that pretends, too


def add_spare(place, simulated=False):
    left, right = place.ends
    if simulated:
        netdevsim.connect(left.namespace, right.namespace, "spare", SECOND)
    else:
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
    with pretending(), gateways(world, tunnel, "keysluice", swan=NO_MOBIKE, simulated=True) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        ours.up()
        both_have_it(world, both)
        expect_equal(seen(ours), ON_WIRE, "offload")
        add_spare(place)
        for counter in ("XfrmInNoStates", "XfrmOutNoStates", "XfrmInStateProtoError"):
            place.forgive(counter)
        streams = [traffic.Stream(place, tunnel, forward, 0.02) for forward in (False, True)]
        streams[0].flows(world)  # netdevsim only pretends to encrypt what goes the other way
        netdevsim.unplug_left()
        lead(place, "spare")
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
        give_device(place)
        ours.await_log("the network device does its part again")
        eventually(lambda: len(ours.children()) == 1 and seen(ours) == ON_WIRE, world.patience(20),
                   "the offload is back")
        both_have_it(world, both)


# ---- packets that go by another device

def by(device):
    return ("auto", "crypto", device, "")


def shown_by_kernel(ours, device):
    """Both halves are with that device."""
    shown = ours.end.namespace.run("ip xfrm state")
    return all(f"crypto offload parameters: dev {device} dir {direction}" in shown for direction in ("in", "out"))


@scenario("offload: packets go by another link between the same addresses, and the same SAs go along")
def another_link(world):
    """As with a bond or VRRP on one host. The peer, which knows no MOBIKE, has nothing to do, and IKE says nothing."""
    tunnel = Tunnel()
    with pretending(), Bus(world, "dbus-daemon") as bus, gateways(
            world, tunnel, "keysluice", sluice={"daemon": {"bus": bus.address}}, swan=NO_MOBIKE, simulated=True) as (place, both):
        bus.await_service()
        ours = both["keysluice"]
        ours.up()
        both_have_it(world, both)
        before = ours.children()
        add_spare(place, simulated=True)
        for counter in ("XfrmInNoStates", "XfrmOutNoStates", "XfrmInStateProtoError"):
            place.forgive(counter)
        forward, back = (traffic.Stream(place, tunnel, each, 0.02) for each in (True, False))
        back.flows(world)
        with bus.events() as events:
            ways = (("spare", "wire", SECOND), ("wire", "spare", 0), ("spare", "wire", SECOND))
            for count, (device, other, number) in enumerate(ways, 1):
                given = netdevsim.given_to_left(number)
                began = time.monotonic()
                lead(place, device)
                eventually(lambda: seen(ours) == by(device), world.patience(20), f"the SAs are with {device}")
                world.note(f"with {device} after {time.monotonic() - began:.2f} s")
                expect(shown_by_kernel(ours, device), f"the kernel shows {device} in both")
                eventually(lambda: netdevsim.given_to_left(number) > given, world.patience(20), f"{device} is given packets")
                moved = events.await_kind("offload-moved", count)
                ends = [moved["more"][each]["data"] for each in ("from", "to")]
                expect_equal((*ends, moved["reason"]), (other, device, "route-changed"), "the event")
                back.flows(world)
        expect_equal((ours.children(), both["strongSwan"].children()),
                     (before, {(outbound, inbound) for inbound, outbound in before}), "the SAs at the end")
        lost, twice = back.finish(world)
        expect_equal(twice, 0, "packets that came twice")
        forward.finish(world)
        world.note(f"three changes: {lost} packets of {back.sent}, one each 20 ms, were lost {back.name}")


# ---- a device that loses its feature

FEATURE = "esp-hw-offload"
WITHOUT_FEATURE = ("auto", "none", "wire", "wire's feature esp-hw-offload is off: the kernel does ESP's cryptography itself")
CHILDREN, ROW_OF_OFFLOAD = 12, slice(9, 13)


def on_the_bus(client):
    """As seen(), by the bus."""
    (row,) = client.list_sas()[0]
    (child,) = row[CHILDREN]
    return tuple(str(each) for each in child[ROW_OF_OFFLOAD])


def switched(world, ours, on, shows):
    """Switches the feature, and waits until keysluice shows that."""
    began = time.monotonic()
    netdevsim.switch(ours.end.namespace, "wire", FEATURE, on)
    eventually(lambda: seen(ours) == shows, world.patience(20), f"with the feature {'on' if on else 'off'}: {shows}")
    world.note(f"the feature {'on' if on else 'off'}: shown after {time.monotonic() - began:.2f} s")


def broken(place):
    """Packets that came to the right and were no ESP: the left device had pretended to encrypt them."""
    return place.right.namespace.xfrm_statistics()["XfrmInStateProtoError"]


@scenario("offload: the device loses the feature under traffic and has it again")
def feature_lost(world):
    """The kernel goes on with the same SAs. Each packet that it gives to the device arrives as one that can't be
    decrypted, since netdevsim only pretends to encrypt, and all others arrive: none is lost."""
    tunnel = Tunnel()
    with pretending(), Bus(world, "dbus-daemon") as bus, gateways(
            world, tunnel, "keysluice", sluice={"daemon": {"bus": bus.address}}, simulated=True) as (place, both):
        bus.await_service()
        ours, client = both["keysluice"], bus.client()
        ours.up()
        both_have_it(world, both)
        expect_equal((seen(ours), on_the_bus(client)), (ON_WIRE, ON_WIRE), "offload, in the status and on the bus")
        before = ours.children()
        place.forgive("XfrmInStateProtoError")
        forward, back = (traffic.Stream(place, tunnel, each, 0.02) for each in (True, False))
        back.flows(world)
        eventually(lambda: broken(place) > 1, world.patience(20), "packets reach the peer as the device makes them")
        expect_equal(len(forward.arrived), 0, "packets that the device has encrypted")
        with bus.events() as events:
            switched(world, ours, False, WITHOUT_FEATURE)
            given = netdevsim.given_to_left()
            lost = events.await_kind("offload-lost")
            expect_equal((lost["connection"], lost["child"], lost["reason"], lost["sentence"]),
                         ("peer", "net", "offload-lost", WITHOUT_FEATURE[3]), "the event")
            expect_equal({(lost["spi_in"], lost["spi_out"])}, before, "the SPIs of the event")
            expect_equal(on_the_bus(client), WITHOUT_FEATURE, "offload on the bus")
            world.note(ours.await_log(r"wire's feature esp-hw-offload is off.*\(offload-lost\)"))
            for each in (forward, back):
                each.flows(world)
            expect_equal(netdevsim.given_to_left(), given, "packets that the device has been given")
            switched(world, ours, True, ON_WIRE)
            events.await_kind("offload-regained")
            ours.await_log("the network device does its part again")
            expect_equal([each for each in events.kinds() if each.startswith("offload")],
                         ["offload-lost", "offload-regained"], "events about offload")
        eventually(lambda: netdevsim.given_to_left() > given, world.patience(20), "the device is given packets")
        expect_equal((on_the_bus(client), ours.children()), (ON_WIRE, before), "offload and SPIs at the end")
        expect_equal(back.finish(world), (0, 0), f"packets that were lost, and that came twice {back.name}")
        _, twice = forward.finish(world)
        numbers = sorted(forward.arrived)
        expect_equal((twice, numbers), (0, list(range(numbers[0], numbers[-1] + 1))), "numbers in software, without a gap")
        eventually(lambda: len(numbers) + broken(place) == forward.sent, world.patience(10),
                   f"each of the {forward.sent} packets reaches the peer; {len(numbers)} could be decrypted")
        expect_equal(forward.refused + back.refused, [], "packets that the kernel refused")
        world.note(f"{forward.sent} and {back.sent} packets, of which {broken(place)} went by the device")


@scenario("offload: a CHILD SA is made while the feature is off, and the device does it once it is on")
def feature_comes_late(world):
    """Why the device does not do it is told before anybody has asked for anything."""
    tunnel = Tunnel()
    with pretending(), gateways(world, tunnel, "strongSwan", simulated=True) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        netdevsim.switch(ours.end.namespace, "wire", FEATURE, False)
        swan.up()
        both_have_it(world, both)
        why = "wire's feature esp-hw-offload is off: the kernel took the SA and does it itself"
        expect_equal(seen(ours), ("auto", "none", "wire", why), "offload")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        swan.rekey_child()
        both_have_it(world, both)
        expect_equal(seen(ours), ("auto", "none", "wire", why), "offload of the new CHILD SA")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        switched(world, ours, True, ON_WIRE)


# ---- where less will not do

REQUIRED = ("crypto", "crypto", "wire", "")
HELD_UP = ("XfrmInNoStates", "XfrmOutNoStates")


def required(world, lose, says, regain):
    """Nothing goes on in software: packets are held up until the device does its part again."""
    tunnel = Tunnel()
    with pretending(), Bus(world, "dbus-daemon") as bus, gateways(
            world, tunnel, "keysluice", sluice={"daemon": {"bus": bus.address}, "child": {"offload": "crypto"}},
            swan=NO_MOBIKE, simulated=True) as (place, both):
        bus.await_service()
        ours = both["keysluice"]
        ours.up()
        both_have_it(world, both)
        expect_equal(seen(ours), REQUIRED, "offload")
        for counter in HELD_UP:
            place.forgive(counter)
        before = ours.children()
        with bus.events() as events:
            lose(place)
            world.note(ours.await_log(says + r".*\(offload-lost\)"))
            expect_equal(events.await_kind("offload-lost")["reason"], "offload-lost", "the event's reason")
            ours.await_log(r"\(offload-declined\)")
            state = ours.end.namespace.run("ip xfrm state")
            expect(not any(f"0x{spi:08x}" in state for pair in before for spi in pair), f"the kernel has an SA: {state}")
            expect("\tdir out " in ours.end.namespace.run("ip xfrm policy"), "the policies stay")
            regain(place)
            ours.await_log("the network device does its part again")
            events.await_kind("offload-regained")
        eventually(lambda: len(ours.children()) == 1 and seen(ours) == REQUIRED, world.patience(20),
                   "the offload is back")
        expect(not ours.children() & before, "a new CHILD SA")
        both_have_it(world, both)


def take_feature(place):
    netdevsim.switch(place.left.namespace, "wire", FEATURE, False)


def give_feature(place):
    netdevsim.switch(place.left.namespace, "wire", FEATURE, True)


def take_device(place):
    """What goes to the peer takes another way, which does without."""
    add_spare(place)
    netdevsim.unplug_left()
    lead(place, "spare")


def give_device(place):
    netdevsim.plug_left(place.left.namespace, place.right.namespace, "wire")
    place.left.namespace.ip("link set wire up")
    lead(place, "wire")


for _what, _lose, _says, _regain in (
        ("loses the feature and has it again", take_feature, "wire's feature esp-hw-offload is off, and no less", give_feature),
        ("disappears and comes back", take_device, "wire is down or gone", give_device)):
    scenario(f"offload: \"crypto\", and the device {_what}")(
        lambda world, lose=_lose, says=_says, regain=_regain: required(world, lose, says, regain))


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
    """The reason is there with the CHILD SA, before anybody has commanded or sent anything: in the row that a bus client
    gets, in the status and in the list."""
    with pretending(), Bus(world, "dbus-daemon") as bus, gateways(
            world, Tunnel(esp="aes128gcm16-esn"), sluice={"daemon": {"bus": bus.address}}, simulated=True) as (_, both):
        bus.await_service()
        client = bus.client()
        with bus.events() as events:
            both["strongSwan"].up()
            events.await_kind("child-established")
            shown = on_the_bus(client)
        requested, in_force, device, reason = shown
        expect_equal((requested, in_force, device), ("auto", "none", "wire"), "offload")
        expect("Device doesn't support offload with ESN" in reason, f"the reason is {reason!r}")
        both_have_it(world, both)
        expect_equal(seen(both["keysluice"]), shown, "offload in the status")
        listed = subprocess.run([world.programs / "keysluice", f"--bus={bus.address}", "list"], check=True,
                                capture_output=True, text=True, timeout=world.patience(60)).stdout
        expect(f"offload: sw ({reason})" in listed, f"the reason is in the list: {listed}")
        world.note(reason)
