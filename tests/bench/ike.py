"""What an IKE SA with one CHILD SA costs its responder: CPU while it is made, and memory while it stands."""

import contextlib
import json
import subprocess
import tempfile
import time
from pathlib import Path

from bench import ike_peers, processes, service, site
from support.namespaces import Namespace

RESPONDER = "10.0.0.1"
CONCURRENT = 32
WARM = 100
STEP_SECONDS = 900


def _is_bound(port):
    wanted = f":{port:04X}"
    with open("/proc/thread-self/net/udp", encoding="ascii") as sockets:
        return any(line.split()[1].endswith(wanted) for line in sockets.readlines()[1:])


class Initiators:
    """A running ike_load: `reach(count)` returns once so many IKE SAs stand."""

    def __init__(self, responder, concurrent):
        self._responder = responder
        self._standing = 0
        self._process = subprocess.Popen(
            ["timeout", str(STEP_SECONDS), str(site.TOOLS / "ike_load"), RESPONDER, str(ike_peers.PORT), str(concurrent)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def reach(self, count):
        """What it took, with the responder's CPU in microseconds."""
        before = self._responder.cpu()
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"ike_load failed: {self._process.communicate()[1].strip()}")
        done = json.loads(line)
        made, self._standing = done["sas"] - self._standing, done["sas"]
        if done["repeated"] > made / 100:
            raise RuntimeError(f"{done['repeated']} requests of {made} IKE SAs went unanswered for a second: the figures would "
                               "say nothing")
        return {**done, "cpu_us": processes.cpu_between(before, self._responder.cpu()) / 1000}

    def end(self):
        self._process.communicate(timeout=60)


@contextlib.contextmanager
def running(peer, concurrent=CONCURRENT):
    """The responder, and initiators with addresses in 10.0.0.0/8, so many at a time, in a network of their own."""
    namespace = Namespace("bench")
    namespace.ip("route add local 10.0.0.0/8 dev lo")
    with namespace.entered(), tempfile.TemporaryDirectory(prefix="keysluice-bench.") as name:
        folder = Path(name)
        with service.Program(peer.name, peer.command(folder), ike_peers.PORT, folder, _is_bound) as responder:
            initiators = Initiators(responder, concurrent)
            initiators.reach(WARM)  # loads what is loaded once
            yield responder, initiators, folder
            initiators.end()


def _settled(responder):
    time.sleep(1)
    return processes.pss(responder.tree())["all"]


def _growth(peer, plan):
    """For each number of standing IKE SAs: CPU of the next ones, and memory of those that stand."""
    figures = {}
    with running(peer) as (responder, initiators, _):
        base = _settled(responder)
        for count in plan.ike_counts:
            initiators.reach(count)
            memory = _settled(responder)
            more = initiators.reach(count + plan.ike_sample)
            figures[str(count)] = {
                "cpu_us": more["cpu_us"] / plan.ike_sample,
                "per_second": plan.ike_sample / more["seconds"],
                "each": (memory - base) / (count - WARM),
            }
    return {"base": base, "at": figures}


def _longest_round(status):
    return next(each["longest_round_us"] for each in status["processes"] if "longest_round_us" in each) / 1000


def rounds(peer, count):
    """Milliseconds for which the event loop kept everybody waiting: at most while IKE SAs are made, and for a status."""
    if peer.status is None:
        return None
    with running(peer) as (_, initiators, folder):
        ike_peers.status(peer, folder)
        initiators.reach(count)
        status = ike_peers.status(peer, folder)
        states = [child["state"] for sa in status["ike"]["sas"] for child in sa["children"]]
        if states.count("installed") != count:
            raise RuntimeError(f"{states.count('installed')} CHILD SAs of {count} are installed")
        return {"count": count, "making": _longest_round(status),
                "status": _longest_round(ike_peers.status(peer, folder))}


def measure(peer, plan):
    return {**_growth(peer, plan), "rounds": rounds(peer, plan.ike_counts[1])}
