"""The bus beside a kernel that has the SAs: what it shows is what the kernel has, without the keys."""

import re

from support import checks
from support.bus import ROOT, Bus
from support.scenario import expect, expect_equal, scenario
from support.tunnel import Tunnel
from ike.basics import both_have_it, gateways

CHILDREN, SPI_IN, SPI_OUT, OFFLOAD_REQUESTED, OFFLOAD = 12, 3, 4, 9, 10


@scenario("bus: a CHILD SA in the kernel, before and after its rekey, and no key of it")
def shown(world):
    tunnel = Tunnel()
    with Bus(world, "dbus-daemon") as bus:
        with gateways(world, tunnel, sluice={"daemon": {"bus": bus.address}}) as (place, both):
            bus.await_service()
            client, ours = bus.client(), both["keysluice"]
            with bus.events() as events:
                client.manager("Up", "sa{sv}", "peer", {})
                events.await_kind("child-established")
                both_have_it(world, both)
                client.manager("Rekey", "sa{sv}", "peer", {"child": "net"})
                told = events.await_kind("child-rekeyed")
            both_have_it(world, both)
            row, = client.list_sas()[0]
            child, = (each for each in row[CHILDREN] if each[1] == "installed")
            expect_equal((child[SPI_IN], child[SPI_OUT]), (told["spi_in"], told["spi_out"]), "SPIs of row and event")
            expect_equal({(child[SPI_IN], child[SPI_OUT])}, ours.children(), "SPIs of row and status")
            expect_equal((child[OFFLOAD_REQUESTED], child[OFFLOAD]), ("auto", "none"), "offload")
            state = place.left.namespace.run("ip xfrm state")
            keys = re.findall(r"(?:aead|auth-trunc|enc) \S+ 0x([0-9a-f]+)", state)
            expect(len(keys) >= 2 and f"0x{child[SPI_IN]:08x}" in state, f"SAs and keys of the kernel: {len(keys)}")
            seen = "".join(map(str, (client.objects(), row, client.dump()[0], bus.client().introspect(ROOT))))
            for secret in (*keys, tunnel.secret):
                expect(secret not in seen, "a key is on the bus")
            client.manager("Down", "sa{sv}", "peer", {})
            checks.closed(world, *both.values())
