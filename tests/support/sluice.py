"""keysluice as an IKE gateway: its configuration made from a tunnel, its process, what it says and does when asked."""

import contextlib
import json
import signal
import socket

from support import keysluice, processes
from support.scenario import Failure, eventually
from support.tunnel import Gateway


class Sluice(Gateway):
    """`ike` are keys of the [ike] table; `connection` and `child` change what the tunnel says for theirs; `without` are
    keys of the connection that are left out; `daemon` are keys of the [daemon] table, `arguments` of the command, `services`
    the [[tls.service]] tables."""

    kind = "keysluice"

    def __init__(self, world, end, peer, tunnel, ike=None, connection=None, child=None, without=(), daemon=None,
                 arguments=(), services=()):
        super().__init__(world, end, peer, tunnel)
        self.log_file = world.directory / f"keysluice-{end.name}.log"
        self.runtime, self.file, self.secret = self._places()
        self.secret.write_text(tunnel.secret + "\n")
        self.ike = ike or {}
        self.daemon = {"engines": 1, "log_level": "debug"} | (daemon or {})
        self.arguments = arguments
        self.services = services
        self.connection = self._connection() | (connection or {})
        for key in without:
            del self.connection[key]
        self.child = self._child() | (child or {})
        self.process = None

    def _places(self):
        """The runtime directory, and where configuration and secret are to be written."""
        folder, name = self.world.directory, self.end.name
        (folder / f"run-{name}").mkdir()
        secret = folder / f"keysluice-{name}.psk"
        secret.touch(0o600)
        return folder / f"run-{name}", folder / f"keysluice-{name}.toml", secret

    def _connection(self):
        tunnel = self.tunnel
        return {"name": "peer", "local": self.end.outer[tunnel.family], "remote": self.peer.seen[tunnel.family],
                "local_id": self.end.identity, "remote_id": self.peer.identity, "psk": f"file:{self.secret}",
                "proposals": tunnel.proposal.split(","), "start": "manual"}

    def _child(self):
        child = {"name": "net", "mode": self.tunnel.mode, "esp": self.tunnel.esp.split(",")}
        if self.tunnel.mode == "tunnel":
            child |= {"local_ts": [self.end.network[self.tunnel.inner]],
                      "remote_ts": [self.peer.network[self.tunnel.inner]]}
        return child

    def _connections(self):
        """The tables of what it negotiates."""
        return [keysluice.table("[[ike.connection]]", self.connection),
                keysluice.table("[[ike.connection.child]]", self.child)]

    def configure(self):
        self.file.write_text("\n".join([
            keysluice.daemon_table(self.runtime, **self.daemon), keysluice.table("[ike]", self.ike),
            *self._connections(), *(keysluice.table("[[tls.service]]", each) for each in self.services)]))

    def __enter__(self):
        self.configure()
        command = [self.world.programs / "keysluiced", "--all-in-one", "--config", self.file, *self.arguments]
        with self.end.namespace.entered():
            self.process = processes.start(command, self.log_file, cwd=self.world.directory)
        eventually(self._answers, self.world.patience(20), f"{self} answers")
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process:
            family = processes.descendants(self.process.pid)
            processes.stop(self.process, self.world.patience(15))
            for pid in family:
                processes.send_signal(pid, signal.SIGKILL)
            self.process = None

    def kill(self):
        """All of it, and its peer hears nothing."""
        for pid in (*processes.descendants(self.process.pid), self.process.pid):
            processes.send_signal(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def replace(self, number=signal.SIGKILL):
        """keysluiced ends by this signal, and its parent starts another one."""
        before = self.control()
        processes.send_signal(before, number)

        def is_back():
            with contextlib.suppress(OSError, ValueError, KeyError):
                return [each for each in self.status()["processes"]
                        if each["kind"] == "control" and each["pid"] != before]
        eventually(is_back, self.world.patience(20), f"{self} has another keysluiced")

    def control(self):
        """keysluiced below the parent of all."""
        (pid,) = (pid for pid in processes.descendants(self.process.pid) if processes.name_of(pid) == "keysluiced")
        return pid

    def restart(self, connection=None, child=None):
        """With another configuration."""
        self.stop()
        self.connection |= connection or {}
        self.child |= child or {}
        self.__enter__()

    def reload(self, **connection):
        """Another configuration from now on, without an end of what stands."""
        self.connection |= connection
        self.configure()
        self.process.send_signal(signal.SIGHUP)

    def _runs(self):
        return self.process is not None

    def _how_it_ended(self):
        """None where it did not."""
        return None if self.process.poll() is None else f"with exit status {self.process.returncode}"

    def _answers(self):
        if ended := self._how_it_ended():
            raise Failure(f"{self} ended at once, {ended}")
        try:
            return self.status()["ike"]["running"]
        except (OSError, ValueError, KeyError):
            return None

    def status(self):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(self.world.patience(10))
            connection.connect(str(self.runtime / "status.sock"))
            return json.loads(b"".join(iter(lambda: connection.recv(1 << 16), b"")))

    def sas(self):
        """Its IKE SAs that are established: none once it is stopped."""
        if not self._runs():
            return []
        return [each for each in self.status()["ike"]["sas"] if each["state"] == "established"]

    def child_sas(self):
        return [child for sa in self.sas() for child in sa["children"] if child["state"] == "installed"]

    def children(self):
        return {(int(each["spi_in"], 16), int(each["spi_out"], 16)) for each in self.child_sas()}

    def ike_spis(self):
        return {(each["spi_initiator"], each["spi_responder"]) for each in self.sas()}

    def up(self):
        """It begins by itself when `start` says so: nothing to do but to wait."""
        eventually(self.children, self.world.patience(6), f"{self} has a CHILD SA")

    def down(self):
        """It has no command for that yet, and deletes its IKE SAs when it stops."""
        self.stop()

    def _await_new(self, look, what):
        before = look()
        eventually(lambda: (now := look()) and not now & before, self.world.patience(6), f"{self} has a new {what}")

    def rekey_child(self):
        """Waits until it does so by itself: its rekey_time should be short."""
        self._await_new(self.children, "CHILD SA")

    def rekey_ike(self):
        self._await_new(self.ike_spis, "IKE SA")
