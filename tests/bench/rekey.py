"""What it costs a service that a connection changes its keys, both ways."""

from bench import kernel_tls, processes, site


def _cpu_us(front, rounds, what):
    """The service's microseconds for each round; the kernel's own threads are in it, since records may be theirs."""
    before, threads = front.cpu(), processes.kernel_threads_ns()
    site.tool("rekey_load", front.port, rounds, what)
    used = processes.cpu_between(before, front.cpu()) + processes.kernel_threads_ns() - threads
    return used / 1000 / rounds


def measure(peer, plan):
    with site.running(peer, "echo_backend") as front:
        site.tool("rekey_load", front.port, 20, "change")  # loads what is loaded once
        layers = kernel_tls.opened()
        kept = _cpu_us(front, plan.key_changes, "keep")
        changed = _cpu_us(front, plan.key_changes, "change")
        after = kernel_tls.opened()
    return {"kept_us": kept, "change_us": changed - kept,
            "layer": kernel_tls.describe({way: after[way] - layers[way] for way in after})}
