"""Memory of idle, established connections: the service's own and the kernel's."""

import os
import subprocess
import time

from bench import kernel_memory, kernel_tls, processes, site

LINE_SECONDS = 600


def _settled(front):
    """Figures after the service and the kernel have put away what they no longer need."""
    time.sleep(2)
    if os.environ.get("KEYSLUICE_GUEST"):  # nobody else lives there, so unused dentries may go
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as drop:
            drop.write("2")
    return processes.pss(front.tree()), kernel_memory.snapshot(), kernel_tls.current()


def _wait_for(holder, expected):
    line = holder.stdout.readline().strip()
    if line != str(expected):
        _, errors = holder.communicate(timeout=LINE_SECONDS)
        raise RuntimeError(f"hold_load failed: {errors.strip()}")


def measure(peer, plan):
    count = plan.connections
    with site.running(peer, "echo_backend") as front:
        holder = subprocess.Popen(["timeout", str(LINE_SECONDS), str(site.TOOLS / "hold_load"), str(front.port),
                                   str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        with holder:
            _wait_for(holder, 0)
            empty, kernel_empty, _ = _settled(front)
            holder.stdin.write("\n")
            holder.stdin.flush()
            _wait_for(holder, count)
            full, kernel_full, layer = _settled(front)
            holder.communicate("\n", timeout=LINE_SECONDS)
    return {
        "connections": count,
        "base": empty["all"],
        "each": (full["all"] - empty["all"]) / count,
        "own": (full["own"] - empty["own"]) / count,
        "kernel": kernel_memory.growth(kernel_empty, kernel_full, count),
        "layer": kernel_tls.describe({key: number / count for key, number in layer.items()}),
    }
