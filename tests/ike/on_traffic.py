"""start = "on-traffic": the first packet brings the tunnel up, whatever becomes of that packet itself."""

import re
import socket

from support import checks
from support.scenario import eventually, expect, scenario
from support.tunnel import Tunnel
from ike.basics import both_have_it, gateways


def first_packet_arrives(world, place, tunnel, both):
    """Sends one packet, waits for the tunnel that it asks for, and tells whether the packet came through."""
    left, right = tunnel.hosts(place)
    with place.right.namespace.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with place.left.namespace.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind((right, 0))
        sender.bind((left, 0))
        try:
            sender.sendto(b"first", receiver.getsockname())
        except OSError:
            pass  # the kernel says at once that it drops it
        both_have_it(world, both)
        receiver.settimeout(world.patience(0.2))
        try:
            return receiver.recv(100) == b"first"
        except TimeoutError:
            return False


def starts(world, drop):
    """`drop` is the kernel's net.core.xfrm_larval_drop: whether it drops packets while an SA is being negotiated."""
    count = world.choose(10, 100)
    arrived = again_and_again(world, count, drop)
    world.note(f"of {count} first packets {arrived} arrived")
    if not drop:
        expect(arrived == count, f"of {count} first packets {arrived} arrived, though the kernel was told to keep them")


def again_and_again(world, count, drop, nat=None, swan=None):
    """How many of so many first packets arrive. Each follows at once upon the end of the tunnel before: what the kernel put in
    the place of the SA that was missing has to be gone by then, or it would not ask again."""
    tunnel, arrived = Tunnel(), 0
    with gateways(world, tunnel, nat=nat, sluice={"connection": {"start": "on-traffic"}}, swan=swan) as (place, both):
        place.left.namespace.switch(core__xfrm_larval_drop=drop)
        place.forgive("XfrmOutNoStates")
        swan = both["strongSwan"]
        for _ in range(count):
            arrived += first_packet_arrives(world, place, tunnel, both)
            swan.down()
            eventually(lambda: not both["keysluice"].children(), world.patience(10), "keysluice has no CHILD SA left")
            # The kernel learns it a moment later, and a packet in between would go into the SA that nobody reads. A placeholder,
            # which has SPI 0, goes by itself too, but only after half a minute: nobody waits for that.
            eventually(lambda: not re.search("spi 0x(?!00000000)", place.left.namespace.run("ip xfrm state")),
                       world.patience(10), "the kernel on the left has no SA left")
        first_packet_arrives(world, place, tunnel, both)
        checks.traffic_flows(world, place, tunnel, swan, 100_000)
    return arrived


for _drop in (1, 0):
    scenario(f"start: on-traffic, the kernel {'drops' if _drop else 'keeps'} first packets")(
        lambda world, drop=_drop: starts(world, drop))


# The CHILD SA is another one than the packet asked for.
scenario("start: on-traffic, from behind a NAT, again at once after its end")(
    lambda world: again_and_again(world, 3, 1, nat="left") and None)
scenario("start: on-traffic, narrowed by the peer, again at once after its end")(
    lambda world: again_and_again(world, 3, 1, swan={"child": {"local_ts": ["10.2.0.0/25"]}}) and None)
