"""The services that are measured: keysluice, and what Debian has for the same job, each with one worker."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parents[2]
KEYSLUICED = ROOT / "build/bin/keysluiced"


@dataclass(frozen=True)
class Site:
    """Where a service finds what it needs, and the ports it stands between."""
    folder: Path
    certificate: Path
    key: Path
    both: Path  # certificate and key in one file
    port: int
    backend: int


@dataclass(frozen=True)
class Peer:
    name: str
    package: str  # Debian's; empty for keysluice itself
    command: Callable[..., list]  # of a Site, or of what its topic has instead
    settings: str  # for the reader of the results

    def version(self):
        if not self.package:
            described = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True,
                                       text=True, check=False)
            return described.stdout.strip() or "unknown"
        shown = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", self.package], capture_output=True, text=True,
                               check=True)
        return shown.stdout


def written(folder, name, text):
    path = folder / name
    path.write_text(text)
    return str(path)


def _keysluice(site, more=""):
    (site.folder / "run").mkdir(exist_ok=True)
    connect = f"unix:{site.folder}/app.sock" if more else f"127.0.0.1:{site.backend}"
    return [str(KEYSLUICED), "--all-in-one", "--config", written(site.folder, "keysluice.toml", f"""
[daemon]
engines = 1
runtime_directory = "{site.folder}/run"
bus = "none"
log_level = "warning"

[[tls.service]]
name = "bench"
mode = "server"
listen = ["127.0.0.1:{site.port}"]
connect = ["{connect}"]
certificate = "{site.certificate}"
private_key = "file:{site.key}"
min_version = "1.3"
{more}
""")]


def _keysluice_handoff(site):
    return _keysluice(site, """deliver = "handoff"
application_users = ["root"]""")


def _haproxy(site):
    return ["/usr/sbin/haproxy", "-db", "-f", written(site.folder, "haproxy.cfg", f"""
global
    nbthread 1
    maxconn 4000
defaults
    mode tcp
    option splice-auto
    timeout connect 10s
    timeout client 5m
    timeout server 5m
frontend bench
    bind 127.0.0.1:{site.port} ssl crt {site.both} ssl-min-ver TLSv1.3
    default_backend plain
backend plain
    server plain 127.0.0.1:{site.backend}
""")]


def _nginx(site):
    return ["/usr/sbin/nginx", "-p", str(site.folder), "-c", written(site.folder, "nginx.conf", f"""
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
worker_rlimit_nofile 16000;
pid {site.folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 8000; }}
stream {{
    server {{
        listen 127.0.0.1:{site.port} ssl;
        ssl_certificate {site.certificate};
        ssl_certificate_key {site.key};
        ssl_protocols TLSv1.3;
        proxy_pass 127.0.0.1:{site.backend};
    }}
}}
""")]


def _hitch(site):
    return ["/usr/sbin/hitch", "--config=" + written(site.folder, "hitch.conf", f"""
frontend = "[127.0.0.1]:{site.port}"
backend = "[127.0.0.1]:{site.backend}"
pem-file = "{site.both}"
workers = 1
daemon = off
quiet = on
tls-protos = TLSv1.3
ocsp-dir = ""
user = "nobody"
group = "nogroup"
""")]


def _stunnel(site):
    return ["/usr/bin/stunnel4", written(site.folder, "stunnel.conf", f"""
foreground = yes
pid =
debug = err
[bench]
accept = 127.0.0.1:{site.port}
connect = 127.0.0.1:{site.backend}
cert = {site.certificate}
key = {site.key}
sslVersionMin = TLSv1.3
""")]


OURS = Peer("keysluice", "", _keysluice, "`engines = 1`")
OURS_HANDED_OFF = Peer("keysluice, handed off", "", _keysluice_handoff, "`deliver = \"handoff\"`")
PEERS = [
    Peer("HAProxy", "haproxy", _haproxy, "`mode tcp`, `nbthread 1`, `option splice-auto`"),
    Peer("nginx", "libnginx-mod-stream", _nginx, "`stream`, `worker_processes 1`"),
    Peer("hitch", "hitch", _hitch, "`workers = 1`"),
    Peer("stunnel", "stunnel4", _stunnel, "a thread per connection, as always"),
]
PACKAGES = ["haproxy", "nginx", "libnginx-mod-stream", "hitch", "stunnel4", "strace", "openssl"]


def installed_services():
    """The services to measure: ours first when it has been built."""
    return ([OURS] if os.access(KEYSLUICED, os.X_OK) else []) + PEERS
