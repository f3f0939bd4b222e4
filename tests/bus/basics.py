"""What the other scenarios stand on: two gateways that negotiate without a kernel, one of them on a bus."""

import contextlib

from support.bus import Bus
from support.network import Network
from support.sluice import Sluice
from support.tunnel import Tunnel

SILENT = ("--null-kernel",)


@contextlib.contextmanager
def gateways(world, kind, address=None, ike=None, **connection):
    """Yields (bus, the one on the bus, the other)."""
    place = Network(swans=())
    tunnel = Tunnel()
    with Bus(world, kind) as bus:
        daemon = {"bus": address or bus.address}
        ours = Sluice(world, place.left, place.right, tunnel, ike=ike, connection={"groups": ["branch", "test"]} | connection,
                      daemon=daemon, arguments=SILENT)
        peer = Sluice(world, place.right, place.left, tunnel, arguments=SILENT)
        with peer, ours:
            bus.await_service()
            yield bus, ours, peer


@contextlib.contextmanager
def connected(world, kind, **connection):
    """The same, with the tunnel up. Yields (bus, a client, the one on the bus)."""
    with gateways(world, kind, **connection) as (bus, ours, _):
        client = bus.client()
        with bus.events() as events:
            client.manager("Up", "sa{sv}", "peer", {})
            events.await_kind("child-established")
        yield bus, client, ours
