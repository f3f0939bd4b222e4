"""What the kernel says about a process and everything it started."""

import os
import time

CPU_CLOCK_OF_PROCESS = 2  # CPUCLOCK_SCHED in the kernel's include/linux/posix-timers.h


def parent_of(pid):
    """The parent of a process, or None when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def tree(root):
    """The process and all its descendants, as a sorted list of ids."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            children.setdefault(parent_of(int(name)), []).append(int(name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(children.get(pid, []))
    return sorted(found)


def cpu_ns(pid):
    """User and system time of a process in nanoseconds, threads that have ended included."""
    return time.clock_gettime_ns((~pid << 3) | CPU_CLOCK_OF_PROCESS)


def cpu_by_process(pids):
    return {pid: cpu_ns(pid) for pid in pids}


def cpu_between(before, after):
    """Nanoseconds that a set of processes used between two looks at it; new processes count from their start."""
    lost = before.keys() - after.keys()
    if lost:
        raise RuntimeError(f"processes {sorted(lost)} of the service ended while it was measured")
    return sum(after.values()) - sum(before.values())


def kernel_threads_ns():
    """CPU time of all kernel threads: work that a service leaves to them is not lost from sight."""
    total = 0
    for pid in tree(2)[1:]:
        try:
            total += cpu_ns(pid)
        except OSError:
            continue
    return total


def pss(pids):
    """Proportional set size of the processes in KiB: in all, and without the pages that are backed by files."""
    total, own = 0, 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
            sizes = {line.split(":")[0]: int(line.split()[1]) for line in rollup.readlines()[1:]}
        total += sizes["Pss"]
        own += sizes["Pss_Anon"] + sizes["Pss_Shmem"]
    return {"all": total, "own": own}


def is_traced(pid):
    """Every thread of the process is being traced."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8", errors="replace") as status:
            if "\nTracerPid:\t0\n" in status.read():
                return False
    return True
