"""The sections of IKE and XFRM in docs/benchmarks.md."""

from bench.tables import compared, number, table


def _growth(figures):
    counts = list(next(iter(figures.values()))["at"])
    rows = []
    for count in counts:
        for name, row, one in compared(figures, ["cpu_us", "each"], 2, lambda one, count=count: one["at"][count]):
            rows.append([f"{int(count):,}", name, *row, number(one["per_second"], 0)])
    return table(["IKE SAs that stand", "responder", "CPU µs for one more", "ours ÷ it", "PSS KiB for each", "ours ÷ it",
                  "made per second"], rows)


def _rounds(name, longest):
    return (f"{name}'s event loop kept everybody waiting for {longest['making']:.1f} ms at most while {longest['count']:,} "
            f"IKE SAs were made, and for {longest['status']:.1f} ms when it was asked for the status of all of them.")


def ike(figures):
    bases = ", ".join(f"{name} {number(one['base'], 0)}" for name, one in figures.items())
    return "\n\n".join([
        f"The responder's side of an IKE SA with one CHILD SA (PSS in KiB before: {bases}):", _growth(figures),
        *(_rounds(name, one["rounds"]) for name, one in figures.items() if one["rounds"] is not None)])


def installs(figures):
    return "\n\n".join(_rounds(name, one) for name, one in figures.items())


def xfrm(figures):
    rows = [[how, number(one["per_second"], 0), number(one["cpu_us"], 0)] for how, one in figures["keysluice"].items()]
    return table(["how the kernel is asked", "SAs per second", "CPU µs for each"], rows)
