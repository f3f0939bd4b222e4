"""What a connection costs whose socket an application gets, beside one that is relayed to a backend."""

from bench import kernel_tls, peers, processes, site


def measure(peer, plan):
    """Microseconds of CPU for a handshake, an echo and a close: the service's, and that of what is behind it."""
    handed_off = peer is peers.OURS_HANDED_OFF
    with site.running(peer, "application" if handed_off else "echo_backend") as front:
        site.tool("handshake_load", front.port, max(plan.clients, plan.handshakes // 10), plan.clients, "full")
        before, behind, layers = front.cpu(), front.behind.cpu(), kernel_tls.opened()
        load = site.tool("handshake_load", front.port, plan.handshakes, plan.clients, "full")
        used = processes.cpu_between(before, front.cpu()) / 1000 / load["count"]
        used_behind = processes.cpu_between(behind, front.behind.cpu()) / 1000 / load["count"]
        after = kernel_tls.opened()
    return {"service_us": used, "behind_us": used_behind, "cpu_us": used + used_behind,
            "layer": kernel_tls.describe({way: (after[way] - layers[way]) / load["count"] for way in after})}
