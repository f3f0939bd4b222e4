"""Cost of moving bulk data: CPU, system calls, and bytes that pass through userspace."""

import tempfile

from bench import kernel_tls, processes, site
from bench.system_calls import Trace

MIB = 1 << 20
GIB = 1 << 30
CIPHERS = {"ChaCha20-Poly1305": "TLS_CHACHA20_POLY1305_SHA256", "AES-256-GCM": "TLS_AES_256_GCM_SHA384"}


def _cpu(front, direction, size, cipher):
    """Seconds of CPU per GiB: the service's, and that of the kernel's own threads meanwhile."""
    before, threads = front.cpu(), processes.kernel_threads_ns()
    layers = kernel_tls.opened()
    site.tool("transfer_load", front.port, direction, size, cipher)
    after = kernel_tls.opened()
    return {
        "cpu": processes.cpu_between(before, front.cpu()) / 1e9 * GIB / size,
        "threads": (processes.kernel_threads_ns() - threads) / 1e9 * GIB / size,
        "layer": kernel_tls.describe({way: after[way] - layers[way] for way in after}),
    }


def _calls(front, direction, size, cipher):
    """System calls per MiB, and bytes through userspace and by splice per byte of payload."""
    with tempfile.TemporaryDirectory(prefix="keysluice-bench.") as folder:
        with Trace(front, folder) as trace:
            site.tool("transfer_load", front.port, direction, size, cipher)
        counts = trace.counts()
    return {"calls": counts["calls"] / (size / MIB), "copied": counts["copied"] / size, "moved": counts["moved"] / size}


def measure(peer, plan):
    figures = {}
    with site.running(peer, "transfer_backend") as front:
        for label, cipher in CIPHERS.items():
            for direction in ("upload", "download"):
                site.tool("transfer_load", front.port, direction, MIB, cipher)  # loads what is loaded once
                cost = _cpu(front, direction, plan.relay_mib * MIB, cipher)
                figures.setdefault(label, {})[direction] = cost
        for direction in ("upload", "download"):
            calls = _calls(front, direction, plan.traced_mib * MIB, CIPHERS["ChaCha20-Poly1305"])
            figures.setdefault("calls", {})[direction] = calls
    return figures
