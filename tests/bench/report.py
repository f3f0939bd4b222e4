"""Turns figures into the sections of docs/benchmarks.md."""

from bench import bus_report, guest, ike_report
from bench.tables import compared, number, table


def _handshake_table(figures, kind):
    rows = []
    for name, pair, run in compared(figures, ["cpu_us"], 0, lambda one: one[kind]):
        if run is None:
            rows.append([name, "not yet"] + ["–"] * 6)
            continue
        rows.append([name, *pair, number(run["p50_ms"], 1), number(run["p99_ms"], 1), number(run["per_second"], 0),
                     number(run["tickets"], 1), "no" if run["unclean"] > 0.01 else "yes"])
    return table(["service", "CPU µs per connection", "ours ÷ it", "p50 ms", "p99 ms", "per second", "tickets",
                  "answers close_notify"], rows)


def handshakes(figures, floor):
    parts = []
    for kind in ("full", "resumed"):
        parts.append(f"{kind.capitalize()} handshakes (OpenSSL's server side alone, in memory: {floor[kind]:.0f} µs):")
        parts.append(_handshake_table(figures, kind))
    return "\n\n".join(parts)


def _kernel_row(name, one):
    kernel = one["kernel"]
    kinds = ["Slab", "KernelStack", "PageTables", "Percpu", "buffers", "other"]
    largest = ", ".join(f"{cache} {size:.1f}" for cache, size in kernel["largest"])
    return [name, *(number(kernel[kind], 1) for kind in kinds), largest]


def memory(figures):
    own = []
    for name, pair, one in compared(figures, ["each"], 2, lambda one: one):
        own.append([name, number(one["base"], 0), *pair, number(one["own"], 2), one["layer"]])
    connections = next(iter(figures.values()))["connections"]
    return "\n\n".join([
        f"Userspace, KiB, with {connections:,} idle connections:",
        table(["service", "PSS without connections", "PSS per connection", "ours ÷ it", "of which not file-backed",
               "records carried by"], own),
        "The kernel's share per connection, KiB, both sockets of the service, the client's and the backend's included:",
        table(["service", "slab", "kernel stacks", "page tables", "per-CPU", "socket buffers", "other pages",
               "slab caches that grew most"], [_kernel_row(name, one) for name, one in figures.items()]),
    ])


def _cost_table(figures, cipher):
    rows = {name: [name] for name in figures}
    for way in ("upload", "download"):
        for name, pair, one in compared(figures, ["cpu"], 2, lambda one, way=way: one[cipher][way]):
            rows[name] += [*pair, number(one["threads"], 2)]
    for name, row in rows.items():
        layers = {figures[name][cipher][way]["layer"] for way in ("upload", "download")}
        row.append(", ".join(sorted(layers)))
    return table(["service", "upload", "ours ÷ it", "kernel threads", "download", "ours ÷ it", "kernel threads",
                  "records carried by"], rows.values())


def _call_table(figures):
    rows = {name: [name] for name in figures}
    for way in ("upload", "download"):
        for name, pair, one in compared(figures, ["calls"], 0, lambda one, way=way: one["calls"][way]):
            rows[name] += [*pair, number(one["copied"], 3), number(one["moved"], 3)]
    half = ["system calls per MiB", "ours ÷ it", "copied", "spliced"]
    return table(["service", *(f"{way}: {one}" for way in ("upload", "download") for one in half)], rows.values())


def relay(figures, in_guest):
    warning = " (**distorted by emulation**: OpenSSL and the kernel use different AES code)" if in_guest else ""
    return "\n\n".join([
        "CPU seconds of the service per GiB, ChaCha20-Poly1305:", _cost_table(figures, "ChaCha20-Poly1305"),
        f"The same with AES-256-GCM{warning}:", _cost_table(figures, "AES-256-GCM"),
        "System calls, and bytes copied through userspace and spliced per byte of payload, ChaCha20-Poly1305:",
        _call_table(figures)])


def latency(figures):
    rows = []
    for name, pair, one in compared(figures, ["p99_us"], 0, lambda one: one):
        rows.append([name, number(one["p50_us"], 0), *pair, number(one["p999_us"], 0), number(one["handshakes"], 0),
                     one["layer"]])
    return table(["service", "half of the echoes, µs", "99 in 100, µs", "ours ÷ it", "999 in 1,000, µs",
                  "handshakes a second", "records carried by"], rows)


def rekey(figures):
    rows = []
    for name, pair, one in compared(figures, ["change_us"], 0, lambda one: one):
        rows.append([name, *pair, number(one["kept_us"], 0), one["layer"]])
    return table(["service", "CPU µs for a change of both keys", "ours ÷ it", "CPU µs for the data alone",
                  "records carried by"], rows)


def handoff(figures):
    rows = []
    for name, pair, one in compared(figures, ["cpu_us"], 0, lambda one: one):
        rows.append([name, number(one["service_us"], 0), number(one["behind_us"], 0), *pair, one["layer"]])
    return table(["delivery", "CPU µs of the service", "of what is behind it", "of both", "relayed ÷ it",
                  "records carried by"], rows)


def section(topic, place, result):
    """One topic on one machine. `place` is "host" or "guest stable" or "guest newest"."""
    machine, plan = result["machine"], result["plan"]
    figures = result["figures"]
    in_guest = place != "host"
    body = {
        "handshakes": lambda: handshakes(figures, result["floor"]),
        "memory": lambda: memory(figures),
        "relay": lambda: relay(figures, in_guest),
        "latency": lambda: latency(figures),
        "rekey": lambda: rekey(figures),
        "handoff": lambda: handoff(figures),
        "ike": lambda: ike_report.ike(figures),
        "xfrm": lambda: ike_report.xfrm(figures),
        "installs": lambda: ike_report.installs(figures),
        "bus": lambda: bus_report.bus(figures["keysluice"]),
    }[topic]()
    versions = ", ".join(f"{name} {version}" for name, version in machine["services"].items())
    emulated = ", emulated" if in_guest else ""
    if in_guest and guest.counts_instructions(topic):
        emulated += ": one virtual nanosecond is one instruction, so its seconds compare only with each other"
    title = {"ike": "IKE", "xfrm": "Installing SAs", "installs": "Installing while IKE SAs are made",
             "bus": "The bus", "latency": "Echoes while others negotiate", "rekey": "Changing keys",
             "handoff": "Sockets for applications"}.get(topic, topic.capitalize())
    lines = [f"### {title}: {place}",
             f"{machine['cpus']} × {machine['processor']}, Linux {machine['kernel']}{emulated}; {machine['system']}, "
             f"{machine['library']}; {versions}. {plan}", body]
    return "\n\n".join(lines)
