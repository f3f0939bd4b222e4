"""Programs that the scenarios start, and the certainty that all of them end."""

import ctypes
import os
import pathlib
import resource
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans():
    """Makes this process the parent of every descendant that loses its own, so that kill_descendants finds them."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _parents():
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            yield int(entry.name), int(fields[1]), fields[0]


def descendants(root):
    """Every living process below `root`, and `root` itself; zombies are not living."""
    children, states = {}, {}
    for pid, parent, state in _parents():
        children.setdefault(parent, []).append(pid)
        states[pid] = state
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        queue.extend(children.get(pid, []))
        if states.get(pid, "Z") != "Z":
            found.append(pid)
    return found


def kill_descendants():
    """Kills and reaps all that is left below this process. A supervisor may restart what dies: several rounds."""
    for _ in range(50):
        left = [pid for pid in descendants(os.getpid()) if pid != os.getpid()]
        for pid in left:
            send_signal(pid, signal.SIGKILL)
        _reap()
        if not left:
            return
        time.sleep(0.02)


def _reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def send_signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def is_alive(pid):
    """False for a zombie: what was killed and not yet reaped is dead."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def cpu_seconds(root):
    """User and system time of the processes below `root` that live now."""
    ticks = 0
    for pid in descendants(root):
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_kib(root):
    """Proportional set size of the processes below `root`, in KiB."""
    total = 0
    for pid in descendants(root):
        try:
            lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def raise_descriptor_limit(wanted):
    """Allows this process and what it starts `wanted` descriptors, or as many as it may have. Returns that number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        except (ValueError, OSError):
            wanted = hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return max(soft, wanted)


def start(command, log, descriptors=None, **options):
    """Starts a program that dies with us, standard error (and output, unless given) to the file `log`."""

    def prepare():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    with open(log, "ab", buffering=0) as output:
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", output)
        return subprocess.Popen([str(word) for word in command], stderr=output, preexec_fn=prepare, **options)


def stop(process, within):
    """Asks the program to end, makes it end, and returns its exit status (negative: the signal that killed it)."""
    send_signal(process.pid, signal.SIGTERM)
    try:
        return process.wait(within)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
