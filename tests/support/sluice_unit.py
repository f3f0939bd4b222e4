"""keysluice as an IKE gateway below systemd: the units of the Debian package, installed where the tests run."""

import json
import pathlib
import re
import shutil
import subprocess

from support.scenario import Failure, eventually
from support.sluice import Sluice
from support.world import patience_factor

ETC = pathlib.Path("/etc/keysluice")
UNIT = "keysluiced.service"
DROP_IN = pathlib.Path(f"/run/systemd/system/{UNIT}.d/namespace.conf")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 * patience_factor())
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def is_systemd_here():
    return pathlib.Path("/run/systemd/system").is_dir()


def package_of(world):
    """The one that was made beside the programs."""
    (package,) = (world.programs.parent / "package").glob("*.deb")
    return package


def install(world):
    """The package, if it is not installed yet: for good, where anything is."""
    if not pathlib.Path("/usr/lib/systemd/system", UNIT).exists():
        # Not the triggers of others: man-db's reads every manual there is, which takes minutes in a busy guest.
        run("dpkg", "--no-triggers", "-i", str(package_of(world)))
        run("journalctl", "--update-catalog")  # which systemd's would have done
        ETC.mkdir(exist_ok=True)


def another_version(world):
    """The package, made once more with a higher version."""
    tree, package = world.directory / "package", world.directory / "another.deb"
    run("dpkg-deb", "--raw-extract", str(package_of(world)), str(tree))
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"^(Version: .*)$", r"\1+another", control.read_text(), flags=re.MULTILINE))
    run("dpkg-deb", "--build", "-Znone", str(tree), str(package))
    return package


def told_of(unit, *names):
    """What systemd says of a unit, in the order of the names."""
    lines = run("systemctl", "show", *(f"--property={name}" for name in names), unit).splitlines()
    values = dict(line.split("=", 1) for line in lines)
    return [values[name] for name in names]


def replace_units(world, units, command):
    """`command` ends the processes of these units; others have to serve in their places."""
    before = {unit: told_of(unit, "MainPID")[0] for unit in units}
    run(*command)
    for unit in units:
        await_another(world, unit, before[unit])


def await_another(world, unit, before):
    """Waits until another process than `before` serves."""
    def serves():
        pid, state = told_of(unit, "MainPID", "ActiveState")
        return pid not in ("0", before) and state == "active"
    eventually(serves, world.patience(20), f"{unit} has another process")


class Journal:
    """What is written from now on."""

    # A kill is ours. Whatever else ends a process of a unit other than in order is a crash.
    CRASH = re.compile(r".*(?:code=dumped|code=killed, status=(?!9/KILL)|code=exited, status=(?!0/)).*")

    def __init__(self):
        written = run("journalctl", "--no-pager", "-n", "0", "--show-cursor")
        self.cursor = written.rpartition("-- cursor: ")[2].strip()

    def entries(self, *matches):
        """As dictionaries. (With matches, --after-cursor of systemd 252 leaves out the first of them.)"""
        lines = run("journalctl", "--no-pager", "-o", "json", f"--cursor={self.cursor}", *matches).splitlines()
        return [entry for entry in map(json.loads, lines) if entry["__CURSOR"] != self.cursor]

    def events(self, kind):
        return self.entries(f"KEYSLUICE_EVENT={kind}")

    def crashes(self):
        return self.CRASH.findall("\n".join(each["MESSAGE"] for each in self.entries("_PID=1", "-u", "keysluice*")))


def explanation(entry):
    """What the journal's catalog says to one of its entries."""
    return run("journalctl", "--no-pager", "--catalog", f"--cursor={entry['__CURSOR']}", "-n", "1")


class SluiceUnit(Sluice):
    """One at a time. Of its processes, keysluiced is in the namespace of its end."""

    def _places(self):
        install(self.world)
        secret = ETC / "peer.psk"
        secret.touch(0o640)
        shutil.chown(secret, group="keysluice")
        return pathlib.Path("/run/keysluice"), ETC / "keysluice.toml", secret

    def __enter__(self):
        run("systemctl", "stop", "keysluice.target", UNIT)  # a scenario that was killed has left it running
        self.configure()
        DROP_IN.parent.mkdir(exist_ok=True)
        DROP_IN.write_text(f"[Service]\nNetworkNamespacePath={self.end.namespace.path}\n")
        run("systemctl", "daemon-reload")
        self.start()
        return self

    def __exit__(self, *_):
        run("systemctl", "stop", "keysluice.target", UNIT)
        DROP_IN.unlink()

    def start(self):
        run("systemctl", "start", "keysluice.target", UNIT)
        eventually(self._answers, self.world.patience(20), f"{self} answers")

    def stop(self):
        run("systemctl", "stop", UNIT)

    def log(self):
        return run("journalctl", "--no-pager", "-o", "cat", "-u", UNIT)

    def tells(self, name):
        return told_of(UNIT, name)[0]

    @property
    def pid(self):
        """0 where none runs."""
        return int(self.tells("MainPID"))

    def _runs(self):
        return self.pid != 0

    def _how_it_ended(self):
        state = self.tells("ActiveState")
        return f"as {state}\n{self.log()}" if state in ("failed", "inactive") else None
