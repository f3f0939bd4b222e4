"""What the bus costs a keysluiced with many SAs, and whether IKE's peers notice."""

import contextlib
import json
import subprocess
import sys
import threading
import types
from pathlib import Path

from bench import ike, ike_peers, processes
from support.bus import NAME, Bus, Deaf
from support.bus_size import size_of

DEAF = 3
PAGES_FOR_THE_DEAF, TREES_FOR_THE_DEAF = 300, 30
WITHOUT_LOAD = ["sleep", "3"]
# The responder never idles with them, and who asks it stands behind no more than what they have asked.
CONCURRENT = 8


@contextlib.contextmanager
def probed():
    """Yields a dictionary that has the probe's figures afterwards."""
    figures = {}
    probe = subprocess.Popen([sys.executable, str(Path(__file__).with_name("ike_probe.py")), ike.RESPONDER,
                              str(ike_peers.PORT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield figures
    figures.update(json.loads(probe.communicate(timeout=60)[0]))


def _walk(client, count):
    seen = {row[0] for rows in client.pages() for row in rows}
    _expect(len(seen), count, "IKE SAs in the walk")


def _dump(client, count):
    _expect(len(client.dump()[0]), count, "lines of the dump")


def _expect(found, wanted, what):
    if found != wanted:
        raise RuntimeError(f"{what}: {found} instead of {wanted}")


@contextlib.contextmanager
def _asking(bus):
    """Somebody dumps and walks all the time."""
    client, over = bus.client(60), threading.Event()

    def ask():
        while not over.is_set():
            client.dump()
            for _ in client.pages():
                if over.is_set():
                    break

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _cpu(responder, action):
    before = responder.cpu()
    result = action()
    return processes.cpu_between(before, responder.cpu()) / 1e9, result


def measure(peer, plan):
    count = plan.bus_sas
    with ike.running(peer, CONCURRENT) as (responder, initiators, folder):
        world = types.SimpleNamespace(directory=folder, patience=lambda seconds: 10 * seconds)
        with Bus(world, "dbus-daemon") as bus:
            bus.await_service()
            client = bus.client(60)
            initiators.reach(count)
            figures = {"count": count}
            figures["dump"] = _cpu(responder, lambda: _dump(client, count))[0]
            figures["walk"] = _cpu(responder, lambda: _walk(client, count))[0]
            figures["objects"], objects = _cpu(responder, client.objects)
            figures["largest"] = max(size_of(objects), *(size_of(rows) for rows in client.pages())) / (1 << 20)
            with probed() as idle:
                subprocess.run(WITHOUT_LOAD, check=True)
            with probed() as asked:
                _dump(client, count)
                _walk(client, count)
                client.objects()
            deaf = [Deaf(bus) for _ in range(DEAF)]
            for each in deaf:
                each.ask(f"{NAME}.Manager", "ListSas", PAGES_FOR_THE_DEAF, "a{sv}su", {}, "", 0)
                each.ask("org.freedesktop.DBus.ObjectManager", "GetManagedObjects", TREES_FOR_THE_DEAF)
            with probed() as beside:
                _dump(client, count)
                _walk(client, count)
            with probed() as making:
                initiators.reach(count + plan.bus_made)
            with probed() as both, _asking(bus):
                initiators.reach(count + 2 * plan.bus_made)
            figures["made"] = plan.bus_made
            figures["waits"] = {"idle": idle, "asked": asked, "deaf": beside, "making": making, "both": both}
            return figures
