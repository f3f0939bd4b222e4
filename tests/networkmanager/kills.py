"""kill -9 of keysluiced, of NetworkManager's service, or of both, at random moments of a connection's life: on a kernel with
ESP."""

import contextlib
import random
import signal
import time

from networkmanager.basics import Bare, connections
from support import checks, processes
from support.bus import Bus, CallFailed
from support.networkmanager import POLICIES, NetworkManager
from support.resolved import POLICY, Resolved
from support.scenario import eventually, expect_equal, scenario
from support.strongswan import StrongSwan
from support.tunnel import Tunnel

POOL = {"laptops": {"addrs": "10.9.0.0/24", "dns": ["10.2.0.53"], "25": ["corp.example"]}}
# What a connection is at when somebody is killed, and within how many seconds after nmcli was started, or it was active,
# times the guest's slowness: a little longer than it takes.
PHASES = {"coming up": 0.4, "standing": 0.3, "going down": 0.25}


def traces(place, resolved):
    """All that a connection may leave on the left."""
    namespace = place.left.namespace
    links = namespace.run("ip -o link show type xfrm")
    servers = [interface for interface in resolved.settings() if interface in links]
    return [*checks.left_in_kernel(namespace), links, namespace.run("ip route"), namespace.run("ip -6 route"),
            namespace.run("ip rule"), namespace.run("ip -6 rule"), namespace.run("ip -o addr show to 10.9.0.0/24"), servers]


def strike(manager, ours, victim):
    if victim in ("keysluiced", "both"):
        processes.send_signal(ours.control(), signal.SIGKILL)
    if victim in ("service", "both"):
        for pid in manager.services():
            processes.send_signal(pid, signal.SIGKILL)


def settled(world, manager, client):
    """Nobody wants the connection any more, and everybody who was killed has a successor or none."""
    eventually(lambda: not manager.state("office"), world.patience(60), "NetworkManager has let it go")
    eventually(lambda: not manager.services(), world.patience(60), "no nm-keysluice-service is left")

    def forgotten():
        try:
            return connections(client) == []
        except CallFailed:
            return False
    eventually(forgotten, world.patience(60), "keysluiced is there, and has no connection")


@scenario("kills: at random moments, and nothing is left over")
def kills(world):
    tunnel, seed = Tunnel(), random.randrange(1 << 32)
    dice, count = random.Random(seed), world.choose(6, 100)
    policy = world.directory / "resolved.conf"
    policy.write_text(POLICY)
    with checks.network(world) as place, Bus(world, "dbus-daemon", policies=[*POLICIES, policy]) as bus, \
            Resolved(world, bus, place.left.namespace) as resolved, \
            NetworkManager(world, bus, *place.ends) as manager, \
            StrongSwan(world, place.right, place.left, tunnel, connection={"pools": ["laptops"], "unique": "replace"},
                       child={"remote_ts": ["dynamic"]}, credentials=[("load-pool", POOL)]), \
            Bare(world, place.left, place.right, tunnel, daemon={"bus": bus.address}) as ours:
        left, right = place.ends
        place.forgive("XfrmInNoStates")  # what strongSwan still sends
        bus.await_service()
        manager.add("office", secret=tunnel.secret, gateway=right.outer[4], local_id=left.identity,
                    remote_id=right.identity, proposals=tunnel.proposal, esp=tunnel.esp, remote_ts=right.network[4],
                    virtual_addresses="0.0.0.0")
        before = traces(place, resolved)
        phases = []
        for each in range(count):
            victim, phase = dice.choice(("keysluiced", "service", "both")), dice.choice(list(PHASES))
            phases.append(phase)
            with contextlib.ExitStack() as going_on:
                going_on.enter_context(manager.begin("office"))
                if phase != "coming up":
                    eventually(lambda: manager.state("office") == "activated", world.patience(30), "it is active")
                if phase == "going down":
                    going_on.enter_context(manager.begin("office", "down"))
                time.sleep(dice.uniform(0, world.patience(PHASES[phase])))
                strike(manager, ours, victim)
            bus.await_service()
            manager.run("connection", "down", "office")
            settled(world, manager, bus.client())
            eventually(lambda: traces(place, resolved) == before, world.patience(90),
                       f"nothing is left after kill {each} ({victim}, {phase}, seed {seed})")
        expect_equal(traces(place, resolved), before, "traces")
        told = ", ".join(f"{phases.count(phase)} {phase}" for phase in PHASES)
        world.note(f"{count} kills: {told}; seed {seed}")
