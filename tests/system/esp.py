"""IKE on a kernel that has no ESP: everybody is told what is missing, and TLS does not mind."""

import re
import subprocess

from support.backends import Backend, echo
from support.keysluice import Keysluice, check, server_service, table
from support.namespaces import kernel_has_esp
from support.scenario import Skip, expect, expect_equal, scenario
from support.tls_client import expect_echo
from support.world import free_port

# An option of the kernel, and its module: what a person can go and look for.
REMEDY = r"CONFIG_\w+ .*\bmodules? \w+"


def connection(world):
    secret = world.directory / "ike.psk"
    secret.touch(0o600)
    secret.write_text("a secret\n")
    return "\n".join([table("[ike]", {"port": free_port(), "nat_port": free_port()}),
                      table("[[ike.connection]]", {"name": "hq", "remote": "127.0.0.1", "local_id": "gw.test",
                                                   "psk": f"file:{secret}", "start": "on-load"}),
                      table("[[ike.connection.child]]", {"name": "net"})])


def expect_remedy(text, where):
    expect(re.search(REMEDY, text), f"{where} names the option and the module that are missing: {text}")


@scenario("esp: a kernel without it: TLS serves, and check, log and status say what is missing")
def no_esp(world):
    if kernel_has_esp():
        raise Skip("this kernel has ESP")
    port = free_port()
    with Backend(echo) as backend:
        service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address])
        with Keysluice(world, [service], more=connection(world)) as sluice:
            expect_echo(world, ("127.0.0.1", port))
            ike = sluice.status()["ike"]
            expect_equal((ike["running"], ike["sas"]), (False, []), "what the status says of IKE")
            expect_remedy(ike["reason"], "the status")
            (line,) = (each for each in sluice.log().splitlines() if "IKE does not run: " in each)
            expect(ike["reason"] in line, f"the log gives the status' reason: {line}")
            shown = subprocess.run([world.programs / "keysluiced", "--status", "--config", sluice.file],
                                   capture_output=True, text=True, timeout=world.patience(20), check=True).stdout
            expect(f"IKE does not run: {ike['reason']}" in shown, f"the table says so: {shown}")
            expect(re.search(r"shop\b", shown), f"the table has the TLS service: {shown}")
            status, output, _ = check(world, sluice.file.read_text())
            expect_equal(status, 0, f"exit status of --check, which finds nothing wrong with the file: {output}")
            expect_remedy(output, "--check")
