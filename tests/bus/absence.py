"""No bus, another's name on it, and a bus that goes: the service does not depend on it."""

import signal
import socket
import time

from bus.basics import connected
from support import processes
from support.bus import KINDS, ROOT, Bus
from support.keysluice import Keysluice, server_service
from support.scenario import eventually, expect, expect_equal, scenario
from support.world import free_port


def service(world):
    return server_service(world, listen=[f"127.0.0.1:{free_port()}"], connect=["127.0.0.1:1"])


def complaints(sluice):
    return [line for line in sluice.log().splitlines() if "bus" in line and "trying again" in line]


@scenario("absence: no bus at the start, one line in the log, and found when it comes")
def late_bus(world):
    bus = Bus(world, "dbus-daemon")
    with Keysluice(world, [service(world)], bus=bus.address) as sluice:
        expect_equal(len(sluice.status()["services"]), 1, "services of the status")
        eventually(lambda: complaints(sluice), world.patience(10), "a line in the log")
        with bus:
            bus.await_service()
            expect_equal(bus.client().paths("service"), [f"{ROOT}/service/shop"], "objects of services")
            expect_equal(len(complaints(sluice)), 1, f"lines in the log: {complaints(sluice)}")
            expect("(bus-unreachable)" in complaints(sluice)[0], complaints(sluice)[0])


@scenario("absence: somebody else has the name")
def taken(world):
    with Bus(world, "dbus-daemon") as bus:
        squatter = bus.connect()
        squatter.request_name("org.keysluice1")
        with Keysluice(world, [service(world)], bus=bus.address) as sluice:
            line, = eventually(lambda: complaints(sluice), world.patience(10), "a line in the log")
            expect("(bus-name-refused)" in line, line)
            squatter.release_name("org.keysluice1")
            bus.await_service()


for kind in KINDS:

    @scenario(f"absence: {kind}: the bus is killed and comes back, and the SAs did not notice")
    def restarted(world, kind=kind):
        with connected(world, kind) as (bus, client, ours):
            sas = ours.ike_spis()
            bus.stop()
            ours.await_log("does not show this service")
            expect_equal(ours.ike_spis(), sas, "IKE SAs without a bus")
            bus.start()
            bus.await_service()
            client = bus.client()
            expect_equal(len(client.paths("ikesa")), 1, "objects of IKE SAs")
            with bus.events() as events:
                client.manager("Rekey", "sa{sv}", "peer", {})
                events.await_kind("ike-rekeyed")


@scenario("absence: somebody listens there and never answers: TLS is served, and the end does not wait")
def silent_bus(world):
    path = world.directory / "silent"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with Keysluice(world, [service(world)], bus=f"unix:path={path}") as sluice:
            with listener.accept()[0]:
                expect_equal(len(sluice.status()["services"]), 1, "services of the status")
                control, = sluice.control_pids()
                begin = time.monotonic()
                processes.send_signal(control, signal.SIGTERM)
                eventually(lambda: control not in sluice.control_pids(), world.patience(20), "keysluiced has ended")
                world.note(f"the end takes {time.monotonic() - begin:.1f} s")


@scenario("absence: none is wanted")
def unwanted(world):
    with Keysluice(world, [service(world)], bus="none") as sluice:
        expect("bus" not in sluice.log(), sluice.log())
