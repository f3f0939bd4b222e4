"""Counts a service's system calls, and the payload that passes through its memory, with strace."""

import re
import signal
import subprocess
import time
from pathlib import Path

from bench import processes

# Through the process's memory, in either direction, counted by the returned number of bytes.
COPYING = {"read", "readv", "pread64", "recvfrom", "recvmsg", "write", "writev", "pwrite64", "sendto", "sendmsg"}
MOVING = {"splice", "sendfile", "tee", "vmsplice"}  # the kernel passes pages on
LINE = re.compile(r"^\d+\s+(?:(?P<first>\w+)\(|<\.\.\. (?P<resumed>\w+) resumed>)")
RESULT = re.compile(r"= (\d+)(?: |$)")
ATTACH_SECONDS = 60


def count(trace):
    """From the lines of a trace: how many calls, bytes copied through userspace, bytes moved by the kernel."""
    calls, copied, moved = 0, 0, 0
    for line in trace:
        start = LINE.match(line)
        if not start:
            continue
        calls += 1 if start["first"] else 0
        name = start["first"] or start["resumed"]
        results = RESULT.findall(line[start.end():])
        if results and name in COPYING:
            copied += int(results[-1])
        elif results and name in MOVING:
            moved += int(results[-1])
    return {"calls": calls, "copied": copied, "moved": moved}


class Trace:
    """As a context: the service is traced inside; `counts()` afterwards."""

    def __init__(self, front, folder):
        self._pids = front.tree()
        self._file = Path(folder) / "trace"
        self._strace = None

    def __enter__(self):
        attach = [word for pid in self._pids for word in ("-p", str(pid))]
        self._strace = subprocess.Popen(["strace", "-f", "-qq", "-s", "0", "-o", str(self._file), *attach],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + ATTACH_SECONDS
        while not all(map(processes.is_traced, self._pids)):
            if self._strace.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"strace cannot attach: {self._strace.stderr.read().decode()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self._strace.send_signal(signal.SIGINT)
        try:
            self._strace.wait(30)
        except subprocess.TimeoutExpired:
            self._strace.kill()
            self._strace.wait()

    def counts(self):
        with open(self._file, encoding="utf-8", errors="replace") as trace:
            return count(trace)
