"""Private message buses, and somebody who calls the service on them."""

import ctypes
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import xml.etree.ElementTree

import dbus
import dbus.bus
import dbus.lowlevel

from support import processes
from support.scenario import Failure, Skip, eventually

NAME, ROOT = "org.keysluice1", "/org/keysluice1"
KINDS = ("dbus-daemon", "dbus-broker")
SOURCES = pathlib.Path(__file__).resolve().parent.parent.parent
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)

CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <policy user="root"><allow eavesdrop="true"/></policy>
  {includes}
</busconfig>
"""


def _mount(source, target, kind, flags):
    if _libc.mount(source.encode(), str(target).encode(), kind.encode(), flags, None) != 0:
        raise OSError(ctypes.get_errno(), f"mount on {target}")


def enter_mount_namespace():
    """For a process that is about to begin: what it mounts, nobody else sees."""
    if _libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _mount("none", "/", "", MS_REC | MS_PRIVATE)


class Bus:
    """`with Bus(world, "dbus-broker") as bus:`. It has the policy of a system bus, that which the project ships, and
    `policies`."""

    def __init__(self, world, kind, name="bus", policies=()):
        if not any(os.access(f"{folder}/{kind}", os.X_OK) for folder in ("/usr/bin", "/bin")):
            raise Skip(f"{kind} is not installed")
        self.world, self.kind = world, kind
        self.socket = world.directory / name
        self.address = f"unix:path={self.socket}"
        self.log = world.directory / f"{name}.log"
        self.configuration = world.directory / f"{name}.conf"
        policies = [SOURCES / "units" / "dbus" / "org.keysluice1.conf",
                    "/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf", *policies]
        self.configuration.write_text(CONFIGURATION.format(
            socket=self.socket,
            includes="\n  ".join(f'<include ignore_missing="yes">{each}</include>' for each in policies)))
        self.process = None

    def __enter__(self):
        self.world.directory.chmod(0o755)
        self.world.directory.parent.chmod(0o755)
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.socket.unlink(missing_ok=True)
        if self.kind == "dbus-daemon":
            self.process = processes.start(
                ["dbus-daemon", f"--config-file={self.configuration}", "--nofork", "--nopidfile"], self.log)
        else:
            self._start_broker()
        eventually(self._answers, self.world.patience(10), f"{self.kind} answers")

    def _start_broker(self):
        """dbus-broker-launch wants a socket to listen on from the service manager, and the journal's."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.socket))
        self.socket.chmod(0o666)
        listener.listen()
        journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

        def prepare():
            enter_mount_namespace()
            _mount("tmpfs", "/run", "tmpfs", 0)
            os.makedirs("/run/systemd/journal")
            journal.bind("/run/systemd/journal/socket")
            os.dup2(listener.fileno(), 3)
            os.set_inheritable(3, True)
            os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), DBUS_SESSION_BUS_ADDRESS=self.address)
            os.execvp("dbus-broker-launch",
                      ["dbus-broker-launch", "--scope", "user", "--config-file", str(self.configuration)])

        with open(self.log, "ab", buffering=0) as log:
            self.process = subprocess.Popen(["true"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=prepare, close_fds=False)
        listener.close()
        threading.Thread(target=self._drain, args=(journal,), daemon=True).start()

    @staticmethod
    def _drain(journal):
        while journal.recv(1 << 16):
            pass

    def _answers(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.kind} ended at once, with exit status {self.process.returncode}")
        try:
            return dbus.bus.BusConnection(self.address).get_unique_name()
        except dbus.DBusException:
            return None

    def stop(self):
        if self.process:
            for pid in processes.descendants(self.process.pid):
                processes.send_signal(pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def has_service(self):
        return self.connect().name_has_owner(NAME)

    def await_service(self):
        eventually(self.has_service, self.world.patience(20), f"{NAME} is on the bus")

    def connect(self):
        return dbus.bus.BusConnection(self.address)

    def client(self, timeout=20):
        return Client(self.connect(), self.world.patience(timeout))

    def events(self):
        """What Manager.Events tells from now on."""
        return Events(self)


class CallFailed(Exception):
    """`name` without what all of ours begin with."""

    def __init__(self, error):
        super().__init__(error.get_dbus_name(), error.get_dbus_message())
        self.name = error.get_dbus_name().removeprefix("org.keysluice1.Error.").removeprefix("org.freedesktop.DBus.Error.")
        self.text = error.get_dbus_message()


class Client:
    def __init__(self, connection, timeout):
        self.connection, self.timeout = connection, timeout

    def call(self, path, interface, method, signature="", *arguments):
        try:
            return self.connection.call_blocking(NAME, path, interface, method, signature, arguments, self.timeout)
        except dbus.DBusException as error:
            raise CallFailed(error) from None

    def manager(self, method, signature="", *arguments):
        return self.call(ROOT, f"{NAME}.Manager", method, signature, *arguments)

    def property(self, path, interface, name):
        return self.call(path, "org.freedesktop.DBus.Properties", "Get", "ss", f"{NAME}.{interface}", name)

    def objects(self):
        return self.call(ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")

    def paths(self, kind):
        return sorted(path for path in self.objects() if path.startswith(f"{ROOT}/{kind}/"))

    def list_sas(self, limit=0, **filters):
        """All rows of it, and in how many pages they came."""
        pages = list(self.pages(limit, **filters))
        return [row for page in pages for row in page], len(pages)

    def pages(self, limit=0, **filters):
        cursor, first = "", True
        while cursor or first:
            page, cursor = self.manager("ListSas", "a{sv}su", filters, cursor, limit)
            first = False
            yield page

    def dump(self, **filters):
        """The lines of the memory file, and its descriptor."""
        descriptor = self.manager("DumpSas", "a{sv}", filters).take()
        size = os.fstat(descriptor).st_size
        return [json.loads(line) for line in os.pread(descriptor, size, 0).decode().splitlines()], descriptor

    def introspect(self, path):
        return self.call(path, "org.freedesktop.DBus.Introspectable", "Introspect")


class Events:
    """A monitor that counts what it hears. `with bus.events() as events:`, then await_kind()."""

    FIELDS = ("time", "kind", "connection", "child", "ike_spi", "spi_in", "spi_out", "peer", "reason", "sentence", "more")

    def __init__(self, bus):
        self.bus = bus
        self.file = bus.world.directory / "events.json"

    def __enter__(self):
        log = self.bus.world.directory / "monitor.log"
        for each in (self.file, log):  # of a monitor before this one
            each.unlink(missing_ok=True)
        match = f"type='signal',interface='{NAME}.Manager',member='Events'"
        with open(self.file, "wb") as output:
            self.process = processes.start(["busctl", f"--address={self.bus.address}", "--json=short",
                                            f"--match={match}", "monitor"], log, stdout=output)
        probe = self.bus.connect()
        eventually(lambda: self._hears(probe), self.bus.world.patience(10), "the monitor listens")
        return self

    def _hears(self, probe):
        """Not every busctl says when it listens."""
        probe.send_message(dbus.lowlevel.SignalMessage("/probe", f"{NAME}.Manager", "Events"))
        probe.flush()
        return self.file.stat().st_size > 0

    def __exit__(self, *_):
        processes.stop(self.process, 5)

    def batches(self):
        whole, _, _ = self.file.read_text().rpartition("\n")  # behind it: what busctl is about to write
        lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [line["payload"]["data"] for line in lines
                if line.get("member") == "Events" and line.get("path") == ROOT]

    def all(self):
        return [dict(zip(self.FIELDS, event)) for _, events in self.batches() for event in events]

    def kinds(self):
        return [event["kind"] for event in self.all()]

    def await_kind(self, kind, count=1):
        """The last of them."""
        eventually(lambda: self.kinds().count(kind) >= count, self.bus.world.patience(10), f"{count} × {kind} is told")
        return [event for event in self.all() if event["kind"] == kind][-1]

    def await_successor(self, ike_spi):
        """Of an IKE SA that stood before the monitor listened, and whose own establishment may be told late."""
        eventually(lambda: any(event["kind"] == "ike-established" and event["ike_spi"] != ike_spi for event in self.all()),
                   self.bus.world.patience(10), f"another IKE SA than {ike_spi} is told")


class Deaf:
    """Has a match for every signal and calls methods, and reads nothing: it has no main loop."""

    def __init__(self, bus):
        self.connection = bus.connect()
        self.connection.add_match_string("type='signal'")

    def ask(self, interface, method, count, signature="", *arguments):
        for _ in range(count):
            message = dbus.lowlevel.MethodCallMessage(NAME, ROOT, interface, method)
            message.append(*arguments, signature=signature)
            self.connection.send_message(message)
        self.connection.flush()


class Polkit:
    """polkitd with the actions that the project ships, and one rule in its JavaScript."""

    PROGRAM = "/usr/lib/polkit-1/polkitd"
    SCRIPT = """mount --make-rprivate / && cd "$1" &&
        mount -t tmpfs none /usr/share/polkit-1/actions && cp "$2"/*.policy /usr/share/polkit-1/actions &&
        mount -t tmpfs none /etc/polkit-1/rules.d && cp rule.rules /etc/polkit-1/rules.d && chmod -R a+rX /etc/polkit-1/rules.d &&
        exec "$3" --no-debug"""

    def __init__(self, bus, rule):
        if not os.access(self.PROGRAM, os.X_OK):
            raise Skip("polkitd is not installed")
        self.bus = bus
        (bus.world.directory / "rule.rules").write_text(rule)

    def __enter__(self):
        world = self.bus.world
        self.process = processes.start(
            ["unshare", "-m", "sh", "-c", self.SCRIPT, "sh", world.directory, SOURCES / "units" / "polkit", self.PROGRAM],
            world.directory / "polkit.log", env=os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address})
        eventually(lambda: self.bus.connect().name_has_owner("org.freedesktop.PolicyKit1"), world.patience(10),
                   "polkitd is on the bus")
        return self

    def __exit__(self, *_):
        processes.stop(self.process, 5)


def interfaces(text):
    """What an introspection document promises, of interfaces of ours: {interface: {member: what it is}}."""
    found = {}
    for interface in xml.etree.ElementTree.fromstring(re.sub(r"<!DOCTYPE[^>]*>", "", text)):
        if interface.tag == "interface" and interface.get("name").startswith(NAME):
            found[interface.get("name")] = {member.get("name"): _promise(member) for member in interface
                                            if member.tag != "annotation"}
    return found


def _promise(member):
    notes = {each.get("name").rpartition(".")[2]: each.get("value") for each in member.iter("annotation")}
    arguments = [(each.get("name"), each.get("type"), each.get("direction", "out")) for each in member.iter("arg")]
    return (member.tag, member.get("type"), member.get("access"), arguments, notes.get("EmitsChangedSignal", "true"))
