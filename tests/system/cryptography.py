"""Which versions, cipher suites and groups a service takes, whom it trusts, and that its plaintext stays here."""

import re
import subprocess

from interop import peers
from support.backends import Backend, connect, echo
from support.certificates import NAME
from support.keysluice import Keysluice, check, client_service, configuration, failing_start, server_service
from support.scenario import Skip, eventually, expect, expect_equal, scenario
from support.world import free_port

# What the service is told; what s_client or s_server is told to be served, and to be refused; what -brief then says.
CHOICES = {
    "max_version 1.2": ({"max_version": "1.2"}, ["-tls1_2"], ["-tls1_3"], "TLSv1.2"),
    "ciphers": ({"max_version": "1.2", "ciphers": ["ECDHE-ECDSA-AES256-GCM-SHA384"]},
                ["-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"],
                ["-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "ECDHE-ECDSA-AES256-GCM-SHA384"),
    "ciphersuites": ({"min_version": "1.3", "ciphersuites": ["TLS_CHACHA20_POLY1305_SHA256"]},
                     ["-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"],
                     ["-ciphersuites", "TLS_AES_128_GCM_SHA256"], "TLS_CHACHA20_POLY1305_SHA256"),
    "key_exchange_groups": ({"min_version": "1.3", "key_exchange_groups": ["?X25519MLKEM768", "P-384"]},
                            ["-groups", "X25519:P-384"], ["-groups", "X25519:P-256"], "384"),
}


def s_client(world, port, *options):
    """Exit status of openssl's client after a handshake, and what it says of it."""
    command = ["openssl", "s_client", "-brief", "-connect", f"127.0.0.1:{port}", "-servername", NAME, "-CAfile",
               world.certificates.ca, "-verify_return_error", *options]
    done = subprocess.run([*map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=world.patience(60), check=False)
    return done.returncode, done.stdout


def as_server(world, entries, served, refused, word):
    port = free_port()
    with Backend(echo) as backend:
        service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address], **entries)
        with Keysluice(world, [service], engines=1) as sluice:
            status, said = s_client(world, port, *served)
            expect_equal(status, 0, f"exit status of the client to be served, which said {said}")
            expect(word in said, f"{word} was agreed on: {said}")
            status, said = s_client(world, port, *refused)
            expect(status != 0, f"the client to be refused is: {said}")
            expect("alert" in said, f"it is told by an alert: {said}")
            eventually(lambda: sluice.failures(""), world.patience(15), "the refusal is counted")


def reached(world, near, text):
    """Whether what is said in plaintext to the service arrives at the TLS server and comes back."""
    try:
        with connect(("127.0.0.1", near), world.patience(30)) as client:
            client.sendall(text)
            return client.recv(100) == text
    except (ConnectionResetError, BrokenPipeError):
        return False


def as_client(world, entries, options, welcome):
    near, far = free_port(), free_port()
    service = client_service(world, listen=[f"127.0.0.1:{near}"], connect=[f"127.0.0.1:{far}"], **entries)
    server = peers.openssl_server_that_answers(world, far, *options)
    with Keysluice(world, [service], engines=1) as sluice:
        expect_equal(reached(world, near, b"abba\n"), welcome, f"whether s_server {options} is talked to")
        if welcome:
            expect_equal(sluice.service("out")["failed"], {}, "failures that status counts")
        else:
            sluice.await_failure("", "out")
    server.kill()


def choice_scenarios(what, entries, served, refused, word):
    @scenario(f"cryptography: {what} of a server: s_client is served, and refused")
    def server(world):
        as_server(world, entries, served, refused, word)

    for options, welcome in ((served, True), (refused, False)):
        @scenario(f"cryptography: {what} of a client: s_server is {'taken' if welcome else 'refused'}")
        def client(world, options=options, welcome=welcome):
            as_client(world, entries, options, welcome)


for name, choice in CHOICES.items():
    choice_scenarios(name, *choice)


def complaints(world, entries, make=server_service):
    """What --check says about a service with these entries: its lines, with the place cut off, and the exit status."""
    service = make(world, **({"listen": ["127.0.0.1:8443"], "connect": ["127.0.0.1:8080"]} | entries))
    status, output, file = check(world, configuration(world.directory / "run", [service], {}))
    return status, [line.removeprefix(f"{file}:") for line in output.splitlines()]


def expect_refused(world, entries, word, make=server_service):
    status, lines = complaints(world, entries, make)
    expect_equal(status, 1, f"exit status of --check with {entries}")
    expect(len(lines) == 1 and re.match(r"\d+:\d+: ", lines[0]) and word in lines[0],
           f"one line with its place and {word!r} for {entries}: {lines}")


@scenario("cryptography: --check refuses what this OpenSSL does not have or the policy does not allow")
def names(world):
    expect_refused(world, {"ciphers": ["ECDHE-RSA-AES128-SHA"]}, "AEAD")
    expect_refused(world, {"ciphers": ["HIGH"]}, "allowed here: ECDHE-")
    expect_refused(world, {"ciphersuites": ["TLS_AES_128_GCM"]}, "TLS_AES_128_GCM_SHA256")
    expect_refused(world, {"min_version": "1.3", "max_version": "1.2"}, "below")
    expect_refused(world, {"key_exchange_groups": ["X25519", "ffdhe2048"]}, "this machine's OpenSSL 3")
    expect_refused(world, {"key_exchange_groups": ["?X25519MLKEM786"]}, "X25519MLKEM768")
    status, lines = complaints(world, {"key_exchange_groups": ["?X25519MLKEM768", "X25519"]})
    expect_equal(status, 0, "exit status of --check for a group that is optional")
    for line in lines:
        expect("note: key_exchange_groups: X25519MLKEM768 is left out" in line, f"a note, and nothing else: {line}")


def own_address():
    """An IPv4 address of this host that is not loopback."""
    output = subprocess.run(["ip", "-4", "-o", "address", "show", "scope", "global"], capture_output=True, text=True,
                            check=True, timeout=60).stdout
    found = re.search(r"inet ([0-9.]+)/", output)
    if not found:
        raise Skip("this host has no address but loopback")
    return found.group(1)


@scenario("cryptography: --check refuses plaintext that would leave this host, unless that is allowed")
def plaintext(world):
    for target in ("192.0.2.1:80", "[2001:db8::1]:80"):
        expect_refused(world, {"connect": ["127.0.0.1:80", target]}, f"would leave this host for {target}")
    for address in ("0.0.0.0:80", "[::]:80"):
        expect_refused(world, {"listen": [address]}, f"from other hosts to {address}", client_service)
    everywhere = {"listen": ["0.0.0.0:80"], "connect": ["192.0.2.1:80", "localhost:80"]}
    for make in (server_service, client_service):
        expect_equal(complaints(world, everywhere | {"plaintext_remote": "allow"}, make), (0, []), "--check of allow")
    expect_equal(complaints(world, {"connect": ["localhost:80", "[::1]:80", "unix:/run/shop"]}), (0, []),
                 "--check of a name that is loopback's")


@scenario("cryptography: an address of this host's own is a place for plaintext, and a warning where others reach it")
def plaintext_of_our_own(world):
    address = f"{own_address()}:80"
    expect_equal(complaints(world, {"connect": [address]}), (0, []), "--check of a server")
    status, lines = complaints(world, {"listen": [address]}, client_service)
    expect_equal((status, len(lines)), (0, 1), f"--check of a client, which said {lines}")
    expect("WARNING" in lines[0] and address in lines[0], f"the address is warned of: {lines[0]}")


@scenario("cryptography: plaintext that would leave this host ends the start")
def remote_start(world):
    log = failing_start(world, server_service(world, listen=[f"127.0.0.1:{free_port()}"], connect=["192.0.2.1:80"]))
    expect("192.0.2.1:80" in log, f"the target is named: {log}")


@scenario("cryptography: verify_peer none takes an impostor, and says so wherever one looks")
def nobody_verified(world):
    near, far = free_port(), free_port()
    service = {"name": "out", "mode": "client", "listen": [f"127.0.0.1:{near}"], "connect": [f"127.0.0.1:{far}"],
               "verify_peer": "none"}
    status, output, _ = check(world, configuration(world.directory / "run", [service], {}))
    expect_equal(status, 0, f"exit status of --check, which said {output}")
    expect(re.search(r":\d+:\d+: WARNING: verify_peer = \"none\": out trusts any server", output),
           f"--check warns: {output}")
    server = peers.openssl_server_that_answers(world, far, identity="impostor")
    with Keysluice(world, [service], engines=1) as sluice:
        expect(reached(world, near, b"abba\n"), "the impostor is talked to")
        expect("WARNING: verify_peer" in sluice.log(), f"the start warns: {sluice.log()}")
        expect_equal(sluice.service("out")["verify_peer"], "none", "what the status says")
        table = subprocess.run([world.programs / "keysluiced", "--status", "--config", sluice.file], text=True,
                               capture_output=True, timeout=world.patience(20), check=True).stdout
        expect("WARNING: any server is trusted" in table, f"the table warns: {table}")
    server.kill()
