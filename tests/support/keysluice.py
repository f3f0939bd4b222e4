"""keysluice itself under test: its configuration, its process, what it says about itself."""

import json
import pathlib
import signal
import socket
import time

from support import processes
from support.scenario import Failure, eventually


def _toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return str(value) if isinstance(value, int) else json.dumps(str(value))


def table(header, entries):
    return "\n".join([header, *(f"{key} = {_toml(value)}" for key, value in entries.items())]) + "\n"


def server_service(world, name="shop", **more):
    """A server service with the scenario's good certificate; `listen` and `connect` are the caller's."""
    certificates = world.certificates
    entries = {"name": name, "mode": "server", "certificate": certificates.certificate("server"),
               "private_key": f"file:{certificates.key('server')}"}
    return entries | more


def client_service(world, name="out", **more):
    entries = {"name": name, "mode": "client", "ca": world.certificates.ca, "server_name": "keysluice.test"}
    return entries | more


def daemon_table(runtime, **more):
    return table("[daemon]", {"engines": 2, "runtime_directory": runtime, "bus": "none", "log_level": "info"} | more)


def configuration(runtime, services, daemon):
    return daemon_table(runtime, **daemon) + "".join("\n" + table("[[tls.service]]", each) for each in services)


class Keysluice:
    """`with Keysluice(world, [service, …], engines=4) as sluice:` runs it until the block ends.

    `descriptors` limits RLIMIT_NOFILE; `more` is what else the file has. Everything else named goes to the [daemon] table."""

    def __init__(self, world, services, descriptors=None, more="", **daemon):
        self.world = world
        self.descriptors = descriptors
        self.runtime = world.directory / "run"
        self.runtime.mkdir(exist_ok=True)
        self.log_file = world.directory / "keysluice.log"
        self.file = world.directory / "keysluice.toml"
        self.file.write_text(configuration(self.runtime, services, daemon) + "\n" + more)
        self.process = None
        self.only_ike = not services and "[[ike.connection]]" in more  # which needs no engine

    def __enter__(self):
        command = [self.world.programs / "keysluiced", "--all-in-one", "--config", self.file]
        self.process = processes.start(command, self.log_file, self.descriptors, cwd=self.world.directory)
        try:
            eventually(self._ready, self.world.patience(20), "keysluice answers on status.sock")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def _ready(self):
        if self.process.poll() is not None:
            raise Failure(f"keysluiced ended at once, with exit status {self.process.returncode}")
        try:
            running = self.status()["processes"]
            return self.only_ike or any(each["kind"] == "engine" for each in running)
        except (OSError, ValueError, KeyError):
            return False

    def status(self):
        """The whole status document. Raises OSError while nobody answers."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(self.world.patience(10))
            connection.connect(str(self.runtime / "status.sock"))
            return json.loads(b"".join(iter(lambda: connection.recv(1 << 16), b"")))

    def complete_status(self):
        """The status once every process has answered for it: on a busy machine one may be late."""

        def ask():
            status = self.status()
            return status if all(each["answered"] for each in status["processes"]) else None

        return eventually(ask, self.world.patience(20), "every process answers for the status")

    def service(self, name="shop"):
        return next(each for each in self.complete_status()["services"] if each["name"] == name)

    def failures(self, reason, name="shop"):
        """How many connections of the service failed for the reason; a reason is matched by its beginning."""
        failed = self.service(name)["failed"]
        return sum(count for code, count in failed.items() if code.startswith(reason))

    def await_failure(self, reason, name="shop", count=1):
        eventually(lambda: self.failures(reason, name) >= count, self.world.patience(15),
                   f"status counts {count} failure(s) for {reason}; it says {self.service(name)['failed']}")

    def active(self, name="shop"):
        return sum(self.service(name)["active"].values())

    def await_idle(self, name="shop"):
        eventually(lambda: self.active(name) == 0, self.world.patience(30), "no connection is left in the service")

    def pids(self, kind):
        """The living processes of a kind, "engine" or "relay": without those that drain."""
        return [each["pid"] for each in self.status()["processes"] if each["kind"] == kind]

    def control_pids(self):
        """keysluiced itself, below the keeper that --all-in-one makes the parent."""
        return [pid for pid in processes.descendants(self.process.pid) if processes.name_of(pid) == "keysluiced"]

    def log(self):
        return self.log_file.read_text(errors="replace")

    def cpu_seconds(self):
        return processes.cpu_seconds(self.process.pid)

    def cpu_spent(self, seconds):
        """CPU seconds that the service burns while we wait that long."""
        before = self.cpu_seconds()
        time.sleep(seconds)
        return self.cpu_seconds() - before

    def memory_kib(self):
        return processes.memory_kib(self.process.pid)

    def descriptors_open(self):
        """Over all processes of the service."""
        family = processes.descendants(self.process.pid)
        return sum(len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir())) for pid in family)

    def stop(self):
        """Ends it in order and returns its exit status. Whatever it left running is killed."""
        family = processes.descendants(self.process.pid)
        for pid in family:
            processes.send_signal(pid, signal.SIGCONT)
        status = processes.stop(self.process, self.world.patience(15))
        for pid in family:
            processes.send_signal(pid, signal.SIGKILL)
        return status


def check(world, text):
    """Runs `keysluiced --check` on a configuration. Returns (exit status, everything it printed, the file)."""
    file = pathlib.Path(world.directory / "checked.toml")
    file.write_text(text)
    log = world.directory / "check.log"
    log.unlink(missing_ok=True)
    process = processes.start([world.programs / "keysluiced", "--check", "--config", file], log)
    status = process.wait(world.patience(20))
    return status, log.read_text(errors="replace"), file


def failing_start(world, service):
    """keysluiced cannot serve this and has to end by itself with status 1. Returns its log."""
    sluice = Keysluice(world, [service])
    try:
        with sluice:
            raise Failure("keysluice started")
    except Failure as failure:
        if sluice.process.returncode != 1:
            raise Failure(f"exit status 1 was expected, not {sluice.process.returncode}: {failure}") from None
    return sluice.log()
