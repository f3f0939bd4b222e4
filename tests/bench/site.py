"""One service between its backend and its clients, set up for one measurement."""

import contextlib
import json
import subprocess
import tempfile
from pathlib import Path

from bench import service
from bench.peers import ROOT, Site

TOOLS = ROOT / "build/bench"
TOOL_SECONDS = 900


def make_certificate(folder):
    """A throwaway P-256 certificate; the key is readable by root and lives as long as the folder."""
    certificate, key, both = folder / "cert.pem", folder / "key.pem", folder / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-subj", "/CN=bench.example", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    both.touch(mode=0o600)
    both.write_text(certificate.read_text() + key.read_text())
    return certificate, key, both


def _application(site):
    """examples/echo_server.c, which keysluice hands sockets off to."""
    path = site.folder / "app.sock"
    command = [str(ROOT / "build/bin/echo_server"), "handoff", str(path), "root"]
    return service.Program("echo_server", command, 0, site.folder, lambda _: path.exists())


@contextlib.contextmanager
def running(peer, backend):
    """The peer in front of `backend` ("echo_backend", "transfer_backend", or "application", where there is no other),
    freshly started; the backend is the front's `behind`."""
    service.raise_descriptor_limit()
    with tempfile.TemporaryDirectory(prefix="keysluice-bench.") as name:
        folder = Path(name)
        folder.chmod(0o755)  # services that drop their privileges still come in
        site = Site(folder, *make_certificate(folder), service.free_port(), service.free_port())
        plain = (_application(site) if backend == "application" else
                 service.Program(backend, [str(TOOLS / backend), str(site.backend)], site.backend, folder))
        with plain, service.Program(peer.name, peer.command(site), site.port, folder) as front:
            front.behind = plain
            yield front


def tool(name, *arguments):
    """Runs a load generator to its end and returns what it reports."""
    done = subprocess.run([str(TOOLS / name), *map(str, arguments)], capture_output=True, text=True,
                          timeout=TOOL_SECONDS, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{name} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)
