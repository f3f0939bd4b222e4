"""keysluiced dies and comes back under a steady stream: strongSwan notices nothing, and no packet is lost."""

import os
import re
import signal

from support import checks, processes
from support.scenario import eventually, expect, expect_equal, scenario
from support.sluice import Sluice
from support.traffic import streams
from support.tunnel import Tunnel
from ike.basics import SIDES, both_have_it, gateways

# What strongSwan would log if it had noticed anything.
NOTICED = r"retransmit|giving up|received DELETE|sending DELETE|INITIAL_CONTACT|reauthenticat|authentication of|not found for"


def survives(world, initiator, replace, kind=Sluice):
    """`replace(ours)` puts another keysluiced in the place of the one that runs."""
    tunnel = Tunnel()
    rounds = world.choose(3, 20)
    with gateways(world, tunnel, initiator, kind=kind) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        both[initiator].up()
        both_have_it(world, both)
        before = (swan.ike_spis(), swan.children())
        said = len(swan.log())
        with streams(world, place, tunnel):
            for _ in range(rounds):
                replace(ours)
                both_have_it(world, both)
            expect_equal((swan.ike_spis(), swan.children()), before, "strongSwan's SAs")
            noticed = re.findall(f".*(?:{NOTICED}).*", swan.log()[said:])
            expect(not noticed, f"strongSwan has noticed: {noticed}")
            # IKE goes on where it was, in either direction, and dies once more with newer SAs.
            swan.rekey_child()
            both_have_it(world, both)
            swan.rekey_ike()
            both_have_it(world, both)
            replace(ours)
            swan.rekey_child()
            both_have_it(world, both)
        both[initiator].down()
        checks.closed(world, *both.values())
        world.note(f"{rounds} times")


for _initiator in SIDES:
    scenario(f"restart: keysluiced is killed, {_initiator} had begun")(
        lambda world, initiator=_initiator: survives(world, initiator, Sluice.replace))
scenario("restart: keysluiced is stopped to be replaced")(
    lambda world: survives(world, "strongSwan", lambda ours: ours.replace(signal.SIGTERM)))


@scenario("restart: keysluiced is killed while everything is rekeyed")
def while_rekeying(world):
    tunnel = Tunnel(esp="aes128gcm16-x25519")
    short = {"rekey_time": "5s"}
    sluice = {"connection": short, "child": short}
    with gateways(world, tunnel, "keysluice", sluice=sluice) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        ours.up()
        both_have_it(world, both)
        first = swan.ike_spis()
        with streams(world, place, tunnel):
            for _ in range(world.choose(6, 40)):
                swan.rekey_child()
                ours.replace()
        both_have_it(world, both)
        eventually(lambda: not swan.ike_spis() & first, world.patience(20), "the IKE SA was rekeyed too")


def memory_file_of(pid):
    """Where a process has the state of IKE."""
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        if "keysluice-ike-state" in os.readlink(f"{folder}/{name}"):
            return f"{folder}/{name}"
    return None


def damage(path, begin=1 << 16):
    """A bit of every 64 octets, behind the beginning of the file."""
    with open(path, "r+b", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        for at in range(begin, size, 64):
            octet = os.pread(file.fileno(), 1, at)
            os.pwrite(file.fileno(), bytes([octet[0] ^ 0x40]), at)


@scenario("restart: the state is damaged meanwhile; SAs carry until others stand in their place")
def damaged(world):
    tunnel = Tunnel()
    with gateways(world, tunnel, "keysluice") as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        ours.up()
        both_have_it(world, both)
        before = swan.children()
        pid = ours.control()
        processes.send_signal(pid, signal.SIGSTOP)
        damage(memory_file_of(ours.process.pid))
        ours.replace()
        eventually(lambda: ours.children() and not ours.children() & {pair[::-1] for pair in before},
                   world.patience(20), f"{ours} has another CHILD SA")
        both_have_it(world, both)
        ours.await_log("state-damaged")
        ours.await_log("SAs whose negotiation is lost")
        eventually(lambda: place.left.namespace.run("ip xfrm state").count("spi") == 2, world.patience(20),
                   "the kernel on the left has two SAs left")
        checks.traffic_flows(world, place, tunnel, swan, 100_000)


@scenario("restart: nothing is left behind by an explicit end")
def ended(world):
    tunnel = Tunnel()
    with gateways(world, tunnel) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        swan.up()
        both_have_it(world, both)
        ours.replace()
        both_have_it(world, both)
        ours.stop()
        eventually(lambda: not swan.children(), world.patience(20), f"{swan} has no CHILD SA left")
        expect_equal(checks.left_in_kernel(place.left.namespace), [], "what the kernel on the left has left")
        keys = open("/proc/keys", encoding="ascii").read()
        expect("keysluice-ike-state" not in keys, "the key of the state is still in the keyring")
