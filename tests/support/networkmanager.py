"""NetworkManager itself, on a private system bus, in a gateway's network namespace, with folders of its own."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess

import dbus

from support import processes
from support.bus import SOURCES
from support.scenario import Failure, Skip, eventually

NAME = "org.freedesktop.NetworkManager.keysluice"
PROGRAM = "/usr/sbin/NetworkManager"
POLICIES = (SOURCES / "units" / "dbus" / "nm-keysluice-service.conf",
            pathlib.Path("/usr/share/dbus-1/system.d/org.freedesktop.NetworkManager.conf"))
CONFIGURATION = """
[main]
plugins=keyfile
dns=none
rc-manager=unmanaged
no-auto-default=*
auth-polkit=root-only
[logging]
level=INFO
"""
# What a VPN needs below it: a device that is active, with a default route.
BASE = """
[connection]
id=base
type=ethernet
interface-name=wire
[ipv4]
method=manual
address1={address}/24,{gateway}
"""
BASE6 = """
[ipv6]
method=manual
address1={address}/64
"""
# A /sys that can't be written to keeps NetworkManager from waiting for udev.
SCRIPT = """
mount --make-rprivate / && mount -t sysfs -o ro sysfs /sys &&
for folder in /run/NetworkManager /var/lib/NetworkManager /etc/NetworkManager /run/dbus; do
  mkdir -p $folder && mount -t tmpfs none $folder || exit 1
done
ln -s "$1" /run/dbus/system_bus_socket &&
mkdir -m 700 /etc/NetworkManager/system-connections && mkdir /etc/NetworkManager/VPN &&
cp base.nmconnection /etc/NetworkManager/system-connections/ && cp nm-keysluice-service.name /etc/NetworkManager/VPN/ &&
chmod 600 /etc/NetworkManager/system-connections/* &&
exec "$2" --debug --config "$3"
"""


class NetworkManager:
    """`with NetworkManager(world, bus, end) as manager:`. Its bus must have POLICIES."""

    def __init__(self, world, bus, end, peer):
        if not os.access(PROGRAM, os.X_OK) or not shutil.which("nmcli"):
            raise Skip("NetworkManager is not installed")
        self.world, self.bus, self.end = world, bus, end
        self.log_file = world.directory / "NetworkManager.log"
        self.service = world.programs / "nm-keysluice-service"
        (world.directory / "NetworkManager.conf").write_text(CONFIGURATION)
        base = BASE.format(address=end.outer[4], gateway=peer.outer[4])
        if 6 in end.outer:
            base += BASE6.format(address=end.outer[6])
        (world.directory / "base.nmconnection").write_text(base)
        template = (SOURCES / "units" / "nm-keysluice-service.name.in").read_text()
        (world.directory / "nm-keysluice-service.name").write_text(
            template.replace("@KEYSLUICE_LIBEXECDIR@/nm-keysluice-auth", str(SOURCES / "units" / "nm-keysluice-auth"))
            .replace("@KEYSLUICE_LIBEXECDIR@", str(world.programs))
            .replace("@KEYSLUICE_FULL_NM_PLUGINDIR@", str(world.programs)))
        self.connection = bus.connect()
        self.process = None

    def __enter__(self):
        directory = self.world.directory
        with self.end.namespace.entered():
            self.process = processes.start(
                ["unshare", "-m", "sh", "-c", SCRIPT, "sh", self.bus.socket, PROGRAM, directory / "NetworkManager.conf"],
                self.log_file, cwd=directory)
        eventually(lambda: self._answers(), self.world.patience(20), "NetworkManager answers")
        self.nmcli("connection", "up", "base")
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process:
            family = processes.descendants(self.process.pid)
            processes.stop(self.process, self.world.patience(10))
            for pid in family:
                processes.send_signal(pid, signal.SIGKILL)
            self.process = None

    def _answers(self):
        if self.process.poll() is not None:
            raise Failure(f"NetworkManager ended at once, with exit status {self.process.returncode}")
        return self.run("general", "status").returncode == 0

    def _inside(self):
        """What begins a command that sees its folders; in a changed root its own root, too."""
        return ["nsenter", f"--target={self.process.pid}", "--mount", "--root"]

    def run(self, *words, text=None):
        """nmcli, which is to see the same folders, and what came of it."""
        command = [*self._inside(), "nmcli", *(str(word) for word in words)]
        return subprocess.run(command, capture_output=True, text=True, input=text, timeout=self.world.patience(100),
                              env=os.environ | {"LC_ALL": "C.UTF-8"})

    def nmcli(self, *words, text=None):
        done = self.run(*words, text=text)
        if done.returncode != 0:
            raise Failure(f"nmcli {' '.join(str(word) for word in words)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()

    def add(self, name, secret=None, password=None, timeout=None, **data):
        """A connection of our type; of the keys of vpn.data "_" is "-". Returns its UUID."""
        data = ", ".join(f"{key.replace('_', '-')} = {value}" for key, value in data.items())
        more = [] if secret is None else ["vpn.secrets", f"psk = {secret}"]
        more += [] if password is None else ["vpn.secrets", f"password = {password}"]
        more += [] if timeout is None else ["vpn.timeout", str(timeout)]
        self.nmcli("connection", "add", "type", "vpn", "con-name", name, "vpn-type", "keysluice", "autoconnect", "no",
                   "--", "vpn.data", data, *more)
        return self.nmcli("--get-values", "connection.uuid", "connection", "show", name)

    def up(self, name, *more):
        return self.nmcli("--wait", int(self.world.patience(60)), "connection", "up", name, *more)

    @contextlib.contextmanager
    def begin(self, name, verb="up"):
        """Begins to bring it up, or down; what comes of that is nobody's business. Waits at the end of the block until
        nmcli has nothing to say any more."""
        command = [*self._inside(), "nmcli", "--wait", str(int(self.world.patience(60))), "connection", verb, name]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            yield
            process.wait(self.world.patience(100))

    def up_fails(self, name):
        """What nmcli says."""
        done = self.run("--wait", int(self.world.patience(60)), "connection", "up", name)
        if done.returncode == 0:
            raise Failure(f"{name} came up, and should not have")
        return done.stderr.strip()

    def down(self, name):
        return self.nmcli("connection", "down", name)

    def state(self, name):
        """"activated", "activating", or empty where it is not active."""
        return self.nmcli("--get-values", "GENERAL.STATE", "connection", "show", name)

    def log(self):
        return self.log_file.read_text(errors="replace")

    def services(self):
        """The processes of nm-keysluice-service, one for each connection that is or was up."""
        names = [name for name in self.connection.list_names() if name.startswith(f"{NAME}.Connection_")]
        return [pid for name in names if (pid := self._process_of(name))]

    def _process_of(self, name):
        with contextlib.suppress(dbus.DBusException):  # it has ended meanwhile
            return self.connection.call_blocking("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                                 "GetConnectionUnixProcessID", "s", (name,))
