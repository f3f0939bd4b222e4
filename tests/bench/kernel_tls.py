"""Who carries the records, according to /proc/net/tls_stat (Documentation/networking/tls.rst)."""

DIRECTIONS = ("Tx", "Rx")


def _counters():
    try:
        with open("/proc/net/tls_stat", encoding="ascii") as stat:
            return {line.split()[0]: int(line.split()[1]) for line in stat}
    except FileNotFoundError:
        return {}


def opened():
    """How many connections the kernel has taken over so far, per direction."""
    counters = _counters()
    return {way: counters.get(f"Tls{way}Sw", 0) + counters.get(f"Tls{way}Device", 0) for way in DIRECTIONS}


def current():
    """How many connections the kernel carries now, per direction."""
    counters = _counters()
    return {way: counters.get(f"TlsCurr{way}Sw", 0) + counters.get(f"TlsCurr{way}Device", 0) for way in DIRECTIONS}


def describe(share):
    """A word for the share of connections that the kernel carries in each direction."""
    by_kernel = [way for way in DIRECTIONS if share[way] >= 0.99]
    return {0: "userspace", 1: f"kernel {by_kernel[0] if by_kernel else ''} only", 2: "kernel"}[len(by_kernel)]
