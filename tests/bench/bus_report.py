"""The section of the bus in docs/benchmarks.md."""

from bench.tables import number, table

WHAT = {"dump": "`DumpSas`", "walk": "all pages of `ListSas`", "objects": "`GetManagedObjects` (up to 4,096 IKE SAs)"}
MEANWHILE = {"idle": "nothing", "asked": "`DumpSas`, all pages of `ListSas`, `GetManagedObjects`",
             "deaf": "`DumpSas` and all pages, beside 3 clients that ask for 300 pages and 30 times for all objects, and never read",
             "making": "{made:,} more IKE SAs with a CHILD SA and its policies are made, as fast as it goes, 8 at a time",
             "both": "the same, beside somebody who dumps and walks all the time"}


def bus(figures):
    costs = [[what, number(figures[key], 2)] for key, what in WHAT.items()]
    waits = [[what.format(made=figures["made"]), number(one["median"], 2), number(one["p99"], 2), number(one["longest"], 1),
              f"{one['lost']} of {one['asked']:,}"]
             for key, what in MEANWHILE.items() for one in [figures["waits"][key]]]
    return "\n\n".join([
        f"What keysluiced spends on it with {figures['count']:,} IKE SAs, its keeper process included. The largest message "
        f"has {figures['largest']:.1f} MiB.",
        table(["asked for", "CPU s"], costs),
        "How long a peer waits for an answer of IKE meanwhile, in milliseconds (asked every 5 ms, on loopback):",
        table(["meanwhile", "median", "p99", "longest", "lost"], waits)])
