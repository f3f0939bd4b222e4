"""The bus beside a kernel that has the SAs: what it shows is what the kernel has, without the keys."""

import re

from support import checks
from support.bus import ROOT, Bus
from support.scenario import expect, expect_equal, scenario
from support.tunnel import Tunnel
from ike.basics import both_have_it, gateways

SPI, PACKETS, BYTES, INSTALLED, USED = 0, 0, 1, 4, 5
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
            checks.traffic_flows(world, place, tunnel, both["strongSwan"])
            counted, = (each for each in client.manager("GetSaCounters", "t", row[SPI]) if each[0] == child[SPI_IN])
            inbound, outbound = counted[2], counted[3]
            expect(inbound[PACKETS] > 0 and outbound[PACKETS] > 0 and outbound[BYTES] > outbound[PACKETS],
                   f"packets and bytes of {counted}")
            expect(0 < inbound[INSTALLED] <= inbound[USED], f"when it was installed, and used: {inbound}")
            expect_equal(list(counted[4:7]), [0, 0, 0], "packets that were dropped")
            state = place.left.namespace.run("ip -s xfrm state")
            for half in (inbound, outbound):
                expect(f"{half[BYTES]}(bytes), {half[PACKETS]}(packets)" in state, f"{half} is what ip says: {state}")
            keys = re.findall(r"(?:aead|auth-trunc|enc) \S+ 0x([0-9a-f]+)", state)
            expect(len(keys) >= 2 and f"0x{child[SPI_IN]:08x}" in state, f"SAs and keys of the kernel: {len(keys)}")
            seen = "".join(map(str, (client.objects(), row, client.dump()[0], bus.client().introspect(ROOT))))
            for secret in (*keys, tunnel.secret):
                expect(secret not in seen, "a key is on the bus")
            client.manager("Down", "sa{sv}", "peer", {})
            checks.closed(world, *both.values())
