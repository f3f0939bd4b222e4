"""No key material leaves the processes by a log, a file or the status."""

import pathlib
import re
import subprocess

from support.backends import Backend, echo
from support.ends import ProgramEnd
from support.keysluice import Keysluice, server_service
from support.scenario import eventually, expect, expect_equal, scenario
from support.world import free_port


def everything_written(world, sluice):
    """Name and text of the log, the status, and every file in the runtime directory."""
    yield "the log", sluice.log_file.read_bytes()
    yield "the status", repr(sluice.status()).encode()
    for path in pathlib.Path(sluice.runtime).rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()


def secrets_of(world, keylog):
    """What must not be found: the private key's PEM lines and raw scalar, and every secret of the connection."""
    pem = world.certificates.key("server").read_text().splitlines()
    for line in pem[1:-1]:
        yield "a line of the private key", line.encode()
    text = subprocess.run(["openssl", "pkey", "-in", world.certificates.key("server"), "-noout", "-text"],
                          capture_output=True, text=True, check=True, timeout=60).stdout
    scalar = re.sub(r"[^0-9a-f]", "", re.search(r"priv:(.*?)pub:", text, re.DOTALL).group(1))
    yield "the private scalar", scalar.encode()
    yield "the raw private scalar", bytes.fromhex(scalar)
    for line in keylog.splitlines():
        if not line.startswith("#"):
            label, _, secret = line.split()
            yield label, secret.encode()
            yield f"raw {label}", bytes.fromhex(secret)


def look_for_secrets(world, version):
    port, keylog = free_port(), world.directory / "keylog"
    with Backend(echo) as backend:
        service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address])
        with Keysluice(world, [service], engines=1, log_level="debug") as sluice:
            client = ProgramEnd(world, "s_client", [
                "openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}", "-CAfile", world.certificates.ca,
                f"-tls{version.replace('.', '_')}", "-keylogfile", keylog])
            client.write_all(b"nothing to see here")
            expect_equal(client.read_some(100), b"nothing to see here", "the echo")
            eventually(keylog.exists, world.patience(10), "s_client wrote its key log")
            secrets = list(secrets_of(world, keylog.read_text()))
            expect(len(secrets) >= 6, f"there is something to look for: {[name for name, _ in secrets]}")
            for place, content in everything_written(world, sluice):
                for name, secret in secrets:
                    expect(secret.lower() not in content.lower(), f"{name} is in {place}")


@scenario("secrecy: no key material in debug log, status or runtime directory, TLS 1.2")
def tls12(world):
    look_for_secrets(world, "1.2")


@scenario("secrecy: no key material in debug log, status or runtime directory, TLS 1.3")
def tls13(world):
    look_for_secrets(world, "1.3")


@scenario("secrecy: nobody else may connect to the sockets between the processes")
def runtime_directory(world):
    with Backend(echo) as backend:
        service = server_service(world, listen=[f"127.0.0.1:{free_port()}"], connect=[backend.address])
        with Keysluice(world, [service]) as sluice:
            for path in pathlib.Path(sluice.runtime).rglob("*"):
                if path.is_socket() and path.name not in ("status.sock", "metrics.sock"):  # they only tell
                    expect_equal(path.stat().st_mode & 0o002, 0, f"right of others to write to {path.name}")
