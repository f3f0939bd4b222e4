"""What the kernel itself keeps for connections, in KiB."""

import os

PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
KINDS = ["Slab", "KernelStack", "PageTables", "Percpu"]


def _meminfo():
    with open("/proc/meminfo", encoding="ascii") as meminfo:
        return {line.split(":")[0]: int(line.split()[1]) for line in meminfo}


def _slabs():
    """Size of each slab cache; the kernel counts whole objects, used ones only."""
    with open("/proc/slabinfo", encoding="ascii") as slabinfo:
        rows = [line.split() for line in slabinfo.readlines()[2:]]
    return {row[0]: int(row[1]) * int(row[3]) / 1024 for row in rows}


def socket_buffers():
    """Memory that TCP accounts to sockets, from the "mem" field of /proc/net/sockstat, which is in pages."""
    with open("/proc/net/sockstat", encoding="ascii") as sockstat:
        fields = next(line for line in sockstat if line.startswith("TCP:")).split()
    return int(fields[fields.index("mem") + 1]) * PAGE_KIB


def parked_pages(zoneinfo):
    """Free pages that each CPU keeps for itself, tens of MiB at times: MemFree does not hold them."""
    return sum(int(line.split()[1]) for line in zoneinfo if line.split()[:1] == ["count:"]) * PAGE_KIB


def snapshot():
    memory = _meminfo()
    kinds = {kind: memory[kind] for kind in KINDS}
    with open("/proc/zoneinfo", encoding="ascii") as zoneinfo:
        free = memory["MemFree"] + parked_pages(zoneinfo)
    known = free + sum(kinds.values()) + memory["Cached"] + memory["Buffers"] + memory["AnonPages"]
    return {"kinds": kinds, "other": memory["MemTotal"] - known, "buffers": socket_buffers(), "slabs": _slabs()}


def growth(before, after, connections):
    """The difference of two snapshots per connection, and the slab caches that grew most."""
    slabs = {name: (size - before["slabs"].get(name, 0)) / connections for name, size in after["slabs"].items()}
    largest = sorted(slabs.items(), key=lambda item: -item[1])[:6]
    return {
        **{kind: (after["kinds"][kind] - before["kinds"][kind]) / connections for kind in KINDS},
        "other": (after["other"] - before["other"]) / connections,
        "buffers": (after["buffers"] - before["buffers"]) / connections,
        "largest": [[name, size] for name, size in largest if size >= 0.05],
    }
