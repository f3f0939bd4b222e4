"""Network namespaces that vanish with the process that made them: held by a descriptor, they have no name."""

import contextlib
import ctypes
import os
import pathlib
import socket
import subprocess

from support.scenario import Failure

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _call(function, *arguments):
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}")


class Namespace:
    """A new one, with loopback up. What is started or opened within entered() belongs to it for good."""

    def __init__(self, name):
        self.name = name
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _call(_libc.unshare, CLONE_NEWNET)
        self.descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _call(_libc.setns, outside, CLONE_NEWNET)
        os.close(outside)
        self.run("ip link set lo up")

    @property
    def path(self):
        """For `ip link set … netns`."""
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is in the namespace until the block ends; no other thread is."""
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        _call(_libc.setns, self.descriptor, CLONE_NEWNET)
        try:
            yield
        finally:
            _call(_libc.setns, outside, CLONE_NEWNET)
            os.close(outside)

    def run(self, command, text=None):
        """A command inside, words separated by spaces; returns what it prints. `text` is its standard input."""
        with self.entered():
            done = subprocess.run(command.split(), input=text, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise Failure(f"{command} in {self.name}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def ip(self, *commands):
        """Several `ip` commands in one go: a process takes its time under emulation."""
        return self.run("ip -batch -", "".join(f"{each}\n" for each in commands))

    def index_of(self, device):
        with self.entered():
            return socket.if_nametoindex(device)

    def switch(self, **values):
        """Kernel settings below net: dots written as two underscores."""
        with self.entered():
            for name, value in values.items():
                pathlib.Path("/proc/sys/net", *name.split("__")).write_text(str(value))

    def xfrm_statistics(self):
        """Every counter of this namespace's /proc/net/xfrm_stat."""
        with self.entered():
            text = pathlib.Path("/proc/thread-self/net/xfrm_stat").read_text()
        return {name: int(count) for name, count in (line.split() for line in text.splitlines())}


def kernel_has_esp():
    """Asks the kernel that runs us to take an ESP SA, in a namespace of its own."""
    try:
        Namespace("probe").ip("xfrm state add src 127.0.0.1 dst 127.0.0.2 proto esp spi 0x1000 mode tunnel "
                              f"aead rfc4106(gcm(aes)) 0x{'00' * 20} 128")
    except (OSError, Failure):
        return False
    return True
