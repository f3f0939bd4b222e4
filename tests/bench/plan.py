"""How much is measured: the long form is what docs/benchmarks.md shows, the short one shows that it all works."""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Plan:
    rounds: int  # but of memory; services take turns, and the median counts
    handshakes: int
    clients: int  # at the same time
    connections: int  # idle ones
    relay_mib: int
    traced_mib: int
    ike_rounds: int = 1
    ike_counts: tuple = ()  # of IKE SAs that stand
    ike_sample: int = 1000  # how many more are made and measured then
    xfrm_children: int = 0
    ike_installs: int = 0  # IKE SAs of which a kernel has the CHILD SAs
    bus_sas: int = 0  # IKE SAs that the bus shows
    bus_made: int = 0  # how many more are made meanwhile
    echoes: int = 0  # small ones, over the idle connections
    handshakes_a_second: int = 100  # that come meanwhile
    key_changes: int = 0


PLANS = {
    ("host", "long"): Plan(rounds=5, handshakes=4000, clients=16, connections=1000, relay_mib=512, traced_mib=32,
                           ike_rounds=3, ike_counts=(1_000, 10_000, 100_000), bus_sas=100_000, bus_made=10_000,
                           echoes=100_000, key_changes=2_000),
    ("host", "short"): Plan(rounds=1, handshakes=400, clients=16, connections=200, relay_mib=32, traced_mib=4,
                            ike_counts=(500, 2_000), ike_sample=500, bus_sas=2_000, bus_made=500, echoes=2_000,
                            key_changes=50),
    # An emulated machine that counts instructions repeats within 1 %, so one round is enough there.
    ("guest", "long"): Plan(rounds=1, handshakes=200, clients=8, connections=1000, relay_mib=32, traced_mib=16,
                            xfrm_children=2_000, ike_installs=10_000, echoes=5_000, key_changes=100),
    ("guest", "short"): Plan(rounds=1, handshakes=40, clients=4, connections=100, relay_mib=4, traced_mib=2,
                             xfrm_children=100, ike_installs=500, echoes=300, key_changes=20),
}


def median_of(rounds):
    """Figures of the same shape from several rounds, each number the median of its places, None if one lacks it."""
    first = rounds[0]
    if None in rounds:
        return None
    if isinstance(first, dict):
        return {key: median_of([one[key] for one in rounds]) for key in first}
    if isinstance(first, (int, float)):
        return median(rounds)
    return first
