"""Responders of IKEv2 that install nothing: keysluice, and Debian's strongSwan with the fake kernel of its load-tester."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from bench import strongswan_plugin
from bench.peers import KEYSLUICED, Peer, written

IDENTITY = "gw.bench.example"
SHARED_KEY = "a key that both ends of the benchmark know"  # as in ike_load.cpp
IKE, ESP = "aes128gcm16-prfsha256-x25519", "aes128gcm16"
LONG = 360_000  # seconds: nothing is rekeyed meanwhile
PORT = 500  # strongSwan knows an IKE port by this number


@dataclass(frozen=True)
class IkePeer(Peer):
    status: Callable[[Path], dict] | None = None  # asks the responder for its status


def _keysluice_configuration(folder, bus="none"):
    (folder / "run").mkdir(exist_ok=True)
    key = Path(written(folder, "psk", SHARED_KEY))
    key.chmod(0o600)
    return written(folder, "keysluice.toml", f"""
[daemon]
runtime_directory = "{folder}/run"
bus = "{bus}"
log_level = "warning"

[[ike.connection]]
name = "bench"
local_id = "{IDENTITY}"
remote_id = "*@bench.example"
psk = "file:{key}"
proposals = ["{IKE}"]
rekey_time = "{LONG}s"
liveness = "0s"

[[ike.connection.child]]
name = "net"
esp = ["{ESP}"]
rekey_time = "{LONG}s"
""")


def _keysluice(folder):
    return [str(KEYSLUICED), "--all-in-one", "--null-kernel", "--config", _keysluice_configuration(folder)]


def _installing(folder):
    return [str(KEYSLUICED), "--all-in-one", "--config", _keysluice_configuration(folder)]


def _on_a_bus(folder):
    """It is there before the bus is, and finds it."""
    configuration = _keysluice_configuration(folder, f"unix:path={folder}/bus")
    return [str(KEYSLUICED), "--all-in-one", "--null-kernel", "--config", configuration]


def _keysluice_status(folder):
    return [str(KEYSLUICED), "--status", "--json", "--config", str(folder / "keysluice.toml")]


def _strongswan(folder):
    """Its own table of IKE SAs is sized for the load, as its manual tells; no log is written, no cookie is demanded."""
    settings = written(folder, "strongswan.conf", f"""
charon-systemd {{
  load = load-tester random nonce openssl kdf socket-default kernel-netlink
  ikesa_table_size = 65536
  ikesa_table_segments = 16
  cookie_threshold = 100000
  install_routes = no
  journal {{ default = -1 }}
  plugins {{
    load-tester {{
      enable = yes
      fake_kernel = yes
      initiators = 0
      initiator = 0.0.0.0
      responder = 0.0.0.0
      initiator_auth = psk
      responder_auth = psk
      preshared_key = {SHARED_KEY}
      responder_id = {IDENTITY}
      initiator_id = c%d@bench.example
      initiator_match = *@bench.example
      proposal = {IKE}
      esp = {ESP}
      ike_rekey = {LONG}
      child_rekey = {LONG}
    }}
  }}
}}
""")
    return ["unshare", "--mount", "sh", "-ec", f"""
mount --bind {strongswan_plugin.collected(folder)} {strongswan_plugin.INSTALLED}
export STRONGSWAN_CONF={settings}
exec /usr/sbin/charon-systemd
"""]


OURS = IkePeer("keysluice", "", _keysluice, "`--null-kernel`", _keysluice_status)
STRONGSWAN = IkePeer("strongSwan", "charon-systemd", _strongswan, "load-tester's `fake_kernel`, `ikesa_table_size = 65536`")
SERVICES = [OURS, STRONGSWAN]
INSTALLING = IkePeer("keysluice", "", _installing, "", _keysluice_status)
ON_A_BUS = IkePeer("keysluice", "", _on_a_bus, "`--null-kernel`", _keysluice_status)
PACKAGES = ["charon-systemd", "strongswan-libcharon", "libstrongswan", "libstrongswan-standard-plugins", "iproute2", "gcc",
            "make", "bzip2"]


def status(peer, folder):
    """The responder's status document; None for one that has no such thing."""
    if peer.status is None:
        return None
    done = subprocess.run(peer.status(folder), capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)
