"""How fast the kernel takes CHILD SAs: each SA and policy by itself, a CHILD SA at once, and as many as go into a call."""

from bench import site

BATCHES = {"one request a call": 1, "one CHILD SA a call (5 requests)": 5, "100 requests a call": 100}


def measure(_, plan):
    figures = {}
    for how, batch in BATCHES.items():
        run = site.tool("xfrm_install", plan.xfrm_children, batch)
        figures[how] = {
            "per_second": 2 * run["children"] / run["seconds"],  # two SAs each
            "cpu_us": run["cpu_seconds"] * 1e6 / (2 * run["children"]),
        }
    return figures
