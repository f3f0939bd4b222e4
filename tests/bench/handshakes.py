"""CPU and latency of a TLS 1.3 handshake with a 5-byte echo and an orderly close."""

import tempfile
from pathlib import Path

from bench import processes, site


def once(peer, count, clients, kind):
    """One run: the service's CPU per connection in microseconds, latencies, and how many handshakes were of which kind."""
    with site.running(peer, "echo_backend") as front:
        site.tool("handshake_load", front.port, max(clients, count // 10), clients, kind)  # warms caches and branches
        before = front.cpu()
        load = site.tool("handshake_load", front.port, count, clients, kind)
        used = processes.cpu_between(before, front.cpu())
    return {
        "cpu_us": used / 1000 / load["count"],
        "p50_ms": load["p50_us"] / 1000,
        "p99_ms": load["p99_us"] / 1000,
        "per_second": load["count"] / load["seconds"],
        "resumed_share": load["resumed"] / load["count"],
        "tickets": load["tickets"] / load["count"],
        "unclean": load["closed_without_notify"] / load["count"],
    }


def floor(plan):
    """Microseconds of CPU that OpenSSL's server side takes for the same connection in memory."""
    with tempfile.TemporaryDirectory(prefix="keysluice-bench.") as folder:
        both = site.make_certificate(Path(folder))[2]
        return {kind: site.tool("handshake_floor", both, plan.handshakes, kind)["cpu_us"] for kind in ("full", "resumed")}


def measure(peer, plan):
    """One round of both kinds. The name of a kind that the service does not offer maps to None."""
    figures = {}
    for kind in ("full", "resumed"):
        run = once(peer, plan.handshakes, plan.clients, kind)
        if kind == "resumed" and run["resumed_share"] < 0.5:
            run = None
        figures[kind] = run
    return figures
