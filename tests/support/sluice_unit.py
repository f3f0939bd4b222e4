"""keysluice as an IKE gateway below systemd: the units of the Debian package, installed where the tests run."""

import pathlib
import shutil
import subprocess

from support.scenario import Failure, eventually
from support.sluice import Sluice

ETC = pathlib.Path("/etc/keysluice")
UNIT = "keysluiced.service"
DROP_IN = pathlib.Path(f"/run/systemd/system/{UNIT}.d/namespace.conf")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def is_systemd_here():
    return pathlib.Path("/run/systemd/system").is_dir()


def install(world):
    """The package that was made beside the programs, if it is not installed yet: for good, where anything is."""
    if not pathlib.Path("/usr/lib/systemd/system", UNIT).exists():
        (package,) = (world.programs.parent / "package").glob("*.deb")
        run("dpkg", "-i", str(package))
        ETC.mkdir(exist_ok=True)


class SluiceUnit(Sluice):
    """One at a time. Of its processes, keysluiced is in the namespace of its end."""

    def _places(self):
        install(self.world)
        secret = ETC / "peer.psk"
        secret.touch(0o640)
        shutil.chown(secret, group="keysluice")
        return pathlib.Path("/run/keysluice"), ETC / "keysluice.toml", secret

    def __enter__(self):
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
        return run("systemctl", "show", "-P", name, UNIT).strip()

    @property
    def pid(self):
        """0 where none runs."""
        return int(self.tells("MainPID"))

    def _runs(self):
        return self.pid != 0

    def _how_it_ended(self):
        state = self.tells("ActiveState")
        return f"as {state}\n{self.log()}" if state in ("failed", "inactive") else None
