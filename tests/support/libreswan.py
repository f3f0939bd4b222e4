"""Libreswan as a gateway: a pluto of its own, driven through whack. Debian's package can't be installed beside strongSwan's;
KEYSLUICE_LIBRESWAN names the folder where it was unpacked, by default where .ci/setup does it."""

import os
import pathlib
import re
import subprocess

from support import processes
from support.scenario import Failure, eventually
from support.tunnel import Gateway

CONNECTION = """
config setup

conn peer
    ikev2=insist
    authby=secret
    left={local}
    leftid=@{local_id}
    leftsubnet={local_net}
    right={remote}
    rightid=@{remote_id}
    rightsubnet={remote_net}
    ike={ike}
    esp={esp}
    pfs={pfs}
    leftupdown=%disabled
    retransmit-timeout=20s
    auto=add
"""


def folder():
    """Where its programs and libraries are; None where it is missing."""
    root = pathlib.Path(os.environ.get("KEYSLUICE_LIBRESWAN", "/opt/libreswan"))
    return root if (root / "usr/libexec/ipsec/pluto").exists() else None


class Libreswan(Gateway):
    """`ike` and `esp` are proposals in Libreswan's keywords."""

    kind = "Libreswan"

    def __init__(self, world, end, peer, tunnel, ike, esp, pfs=False):
        super().__init__(world, end, peer, tunnel)
        self.place = world.directory / f"libreswan-{end.name}"
        self.place.mkdir()
        self.log_file = self.place / "pluto.log"
        self.file, self.secrets = self.place / "ipsec.conf", self.place / "ipsec.secrets"
        self.file.write_text(CONNECTION.format(
            local=end.outer[tunnel.family], local_id=end.identity, local_net=end.network[tunnel.inner],
            remote=peer.seen[tunnel.family], remote_id=peer.identity, remote_net=peer.network[tunnel.inner],
            ike=ike, esp=esp, pfs="yes" if pfs else "no"))
        self.secrets.touch(0o600)
        self.secrets.write_text(f'@{end.identity} @{peer.identity} : PSK "{tunnel.secret}"\n')
        self.process = None

    def _command(self, program, *words):
        root = folder()
        libraries = ":".join(str(root / each) for each in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"))
        return [str(root / program), *map(str, words)], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                                                         "LD_LIBRARY_PATH": libraries}

    def _run(self, program, *words):
        command, environment = self._command(program, *words)
        with self.end.namespace.entered():
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=self.world.patience(60))
        if done.returncode != 0:
            raise Failure(f"{self}: {' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def _whack(self, *words):
        return self._run("usr/libexec/ipsec/whack", "--ctlsocket", self.place / "pluto.ctl", *words)

    def __enter__(self):
        compiled_in = pathlib.Path("/usr/libexec/ipsec")
        if self.world.guest and not compiled_in.exists():  # all that is written in the guest vanishes with it
            compiled_in.symlink_to(folder() / "usr/libexec/ipsec")
        self._run("usr/bin/certutil", "-N", "-d", f"sql:{self.place}", "--empty-password")
        command, environment = self._command(
            "usr/libexec/ipsec/pluto", "--nofork", "--config", self.file, "--secretsfile", self.secrets, "--nssdir", self.place,
            "--ipsecdir", self.place, "--rundir", self.place, "--logfile", self.log_file, "--no-dnssec")
        with self.end.namespace.entered():
            self.process = processes.start(command, self.place / "pluto.out", env=environment)
        eventually(self._answers, self.world.patience(20), f"{self} answers")
        self._run("usr/libexec/ipsec/addconn", "--ctlsocket", self.place / "pluto.ctl", "--config", self.file, "peer")
        self._whack("--listen")
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise Failure(f"{self} ended at once, with exit status {self.process.returncode}")
        try:
            return self._whack("--status")
        except Failure:
            return None

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process:
            processes.stop(self.process, self.world.patience(15))
            self.process = None

    def up(self):
        self._whack("--initiate", "--name", "peer")

    def down(self):
        self._whack("--terminate", "--name", "peer")

    def _states(self):
        """Of each SA in its kernel: destination, SPI, and octets."""
        text = self.end.namespace.run("ip -s xfrm state")
        return re.findall(r"^src \S+ dst (\S+)\n\tproto esp spi 0x(\w+)\(.*?lifetime current:\n\s+(\d+)\(bytes\)", text,
                          re.MULTILINE | re.DOTALL)

    def children(self):
        """The newest pair: an older one lingers for a while."""
        here = self.end.outer[self.tunnel.family]
        inbound = [int(spi, 16) for destination, spi, _ in self._states() if destination == here]
        outbound = [int(spi, 16) for destination, spi, _ in self._states() if destination != here]
        return set(zip(inbound, outbound))

    def carried(self):
        here = self.end.outer[self.tunnel.family]
        sums = [0, 0]
        for destination, _, octets in self._states():
            sums[destination != here] += int(octets)
        return tuple(sums)

    def rekey_child(self):
        before = self.children()
        self._whack("--rekey-ipsec", "--name", "peer")
        eventually(lambda: (now := self.children()) and not now & before, self.world.patience(20), f"{self} has a new CHILD SA")

    def rekey_ike(self):
        self._whack("--rekey-ike", "--name", "peer")
