"""How long a small echo takes over many connections while others negotiate."""

from bench import kernel_tls, site


def measure(peer, plan):
    with site.running(peer, "echo_backend") as front:
        layers = kernel_tls.opened()
        load = site.tool("echo_load", front.port, plan.connections, plan.echoes, plan.handshakes_a_second)
        after = kernel_tls.opened()
    return {"p50_us": load["p50_us"], "p99_us": load["p99_us"], "p999_us": load["p999_us"],
            "handshakes": load["handshakes"] / load["seconds"],
            "layer": kernel_tls.describe({way: after[way] - layers[way] for way in after})}
