"""Where a scenario runs: which programs, which kernel, how long to wait, how much to send."""

import dataclasses
import os
import pathlib
import random
import re
import socket
import subprocess

from support.certificates import Certificates

TCP_ULP = 31
MIB = 1 << 20


def kernel_has_ktls():
    """Asks the kernel that runs us: the upper layer protocol `tls` on a connected loopback socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as connection:
            try:
                connection.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
            except OSError:
                return False
    return True


def patience_factor():
    """An emulated guest is 10 to 20 times slower, a sanitizer build several times: set KEYSLUICE_PATIENCE."""
    default = "10" if os.environ.get("KEYSLUICE_GUEST") else "1"
    return float(os.environ.get("KEYSLUICE_PATIENCE", default))


def tls_decrypt_errors():
    """The kernel's count of records that it could not decrypt, 0 where there is no kTLS."""
    try:
        text = pathlib.Path("/proc/net/tls_stat").read_text()
    except OSError:
        return 0
    return int(re.search(r"TlsDecryptError\s+(\d+)", text).group(1))


def free_port(host="127.0.0.1"):
    """A port that nobody uses, and that the kernel gives to no client meanwhile: it takes those from 32768 on (Linux's
    default ip_local_port_range)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        with socket.socket(family) as probe:
            try:
                probe.bind((host, random.randrange(10_000, 32_768)))
            except OSError:
                continue
            return probe.getsockname()[1]


def kernel_view(port):
    """One line a connection whose local or remote port is `port`, as the kernel's inet_diag tells it."""
    command = ["ss", "-tieHnO", "state", "established", f"( sport = :{port} or dport = :{port} )"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()


@dataclasses.dataclass(frozen=True)
class World:
    """Given to every scenario. `kernel`: this kernel has kTLS. `full`: the long form. `directory`: its own."""

    programs: pathlib.Path
    directory: pathlib.Path
    certificates: Certificates
    full: bool
    kernel: bool
    notes: list = dataclasses.field(default_factory=list)

    def patience(self, seconds):
        return seconds * patience_factor()

    def choose(self, short, full):
        return full if self.full else short

    @property
    def guest(self):
        return bool(os.environ.get("KEYSLUICE_GUEST"))

    @property
    def payload(self):
        """Bytes each way: 1 MiB, or 64 MiB in the long form (8 MiB where emulation makes it slow)."""
        return self.choose(1, 8 if self.guest else 64) * MIB

    def note(self, text):
        """Something measured, to be printed beside the result."""
        self.notes.append(text)
