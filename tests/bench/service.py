"""Programs that run in a temporary folder on loopback ports and end with the measurement."""

import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

from bench import processes

START_SECONDS = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def raise_descriptor_limit():
    """As many descriptors as this user may have: 1,000 connections through a proxy are more than the usual 1,024."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def exists(pid, started):
    return start_time(pid) == started


def accepts(port):
    """Whether something listens on this TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start_time(pid):
    """When a process started, which tells it from a later one with the same id; None when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        return None


class Program:
    """A running program and what it started. As a context: it is up (as `is_up(port)` says) inside, and gone, with all its
    children, after."""

    def __init__(self, name, command, port, folder, is_up=accepts):
        self.name = name
        self.port = port
        self.log = Path(folder) / f"{name}.log"
        self._command = command
        self._folder = folder
        self._is_up = is_up
        self._process = None
        self.behind = None

    def __enter__(self):
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        try:
            self._wait_until_it_is_up()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_):
        self._stop()

    def tree(self):
        return processes.tree(self._process.pid)

    def cpu(self):
        return processes.cpu_by_process(self.tree())

    def _wait_until_it_is_up(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if self._is_up(self.port):
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not come up:\n{self.log.read_text()[-2000:]}")

    def _stop(self):
        family = {pid: start_time(pid) for pid in self.tree()}
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        for pid, started in family.items():
            if started is not None and exists(pid, started):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self._process.wait()
