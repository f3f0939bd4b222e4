"""keysluice import: configurations of other programs come out as ones that load, and that serve."""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess

from support import processes
from support.backends import Backend, await_listener, connect, echo
from support.keysluice import Keysluice, check
from support.scenario import Skip, expect, expect_equal, scenario
from support.world import free_port

PAYLOAD = os.urandom(1 << 20)
DONE, FAILED, INCOMPLETE = 0, 1, 6
STUNNEL = shutil.which("stunnel") or shutil.which("stunnel4")

# What "Stunnel client and server" of a manual says; its server takes a certificate from the program's defaults, and here
# that has to be said.
CLIENT = "client = yes\n[{inner}]\naccept = 127.0.0.1:{outer}\nconnect = 127.0.0.1:{inner}\n"
SERVER = "debug = 7\nforeground = yes\n{more}client = no\n[{backend}]\naccept = {inner}\nconnect = {backend}\n"

# Each option that Debian's stunnel.conf-sample has, those in its comments too.
SAMPLE = """\ufeff; a sample
setuid = stunnel4
setgid = stunnel4
pid = /var/run/stunnel.pid
foreground = yes
debug = info
output = /var/log/stunnel.log
fips = yes
engine = pkcs11
engineCtrl = MODULE_PATH:/usr/lib/softhsm/libsofthsm2.so
engineCtrl = PIN:1234
options = -NO_SSLv3
options = SINGLE_ECDH_USE
options = SINGLE_DH_USE
include = {directory}/conf.d

[mail-pop3]
client = yes
accept = 127.0.0.1:10110
connect = localhost:995
verifyChain = yes
CAfile = {ca}
checkHost = keysluice.test
OCSPaia = yes

[token]
client = yes
accept = 127.0.0.1:8080
connect = example.com:8443
engineId = pkcs11
cert = pkcs11:token=MyToken;object=MyCert
key = pkcs11:token=MyToken;object=MyKey

[pop3s]
accept  = 10995
connect = 110
cert = {certificate}
key = {key}

[https]
accept  = 10443
connect = 80
cert = {certificate}
key = {key}
TIMEOUTclose = 0

[shell]
accept = 1337
exec = /bin/sh
execArgs = sh -i
PSKsecrets = /etc/stunnel/secrets.txt

[mysql]
cert = {certificate}
key = {key}
accept = 13307
connect = /run/mysqld/mysqld.sock
"""

DEBIANS = pathlib.Path("/usr/share/doc/stunnel4/examples/stunnel.conf-sample")

SWANCTL = """connections {
    hq {
        local_addrs = 192.0.2.1
        remote_addrs = 198.51.100.7
        local {
            auth = psk
            id = gw1.example
        }
        remote {
            auth = psk
            id = gw2.example
        }
        children {
            net {
                local_ts = 10.1.0.0/16
                remote_ts = 10.2.0.0/16
                start_action = trap
            }
        }
    }
}
secrets {
    ike-hq {
        id = gw2.example
        secret = "opensesame"
    }
}
"""


def run_import(world, file, *options):
    """(exit status, standard output, standard error)"""
    ended = subprocess.run([str(each) for each in (world.programs / "keysluice", "import", file, *options)],
                           capture_output=True, text=True, timeout=world.patience(30), check=False)
    return ended.returncode, ended.stdout, ended.stderr


def imported(world, name, text, status=DONE, *options):
    file = world.directory / name
    file.write_text(text)
    got, toml, errors = run_import(world, file, *options)
    expect_equal(got, status, f"exit status for {name}: {errors}")
    return toml


def echoed(world, port):
    """The hash of what comes back for PAYLOAD."""
    answered = hashlib.sha256()
    with connect(("127.0.0.1", port), world.patience(15)) as plain:
        for start in range(0, len(PAYLOAD), 1 << 14):
            plain.sendall(PAYLOAD[start:start + (1 << 14)])
            rest = min(1 << 14, len(PAYLOAD) - start)
            while rest > 0:
                piece = plain.recv(rest)
                expect(piece, "the echo goes on")
                answered.update(piece)
                rest -= len(piece)
    return answered.hexdigest()


def certificate_lines(world):
    return f"cert = {world.certificates.certificate('server')}\nkey = {world.certificates.key('server')}\n"


@contextlib.contextmanager
def stunnel(world, text, port):
    file = world.directory / "their.conf"
    file.write_text("foreground = yes\npid =\n" + text)
    process = processes.start([STUNNEL, file], world.directory / "their.log")
    try:
        await_listener(world, port, process)
        yield
    finally:
        processes.stop(process, world.patience(15))


@scenario("importers: a manual's stunnel client and server, imported, carry a payload")
def both_ends(world):
    outer, inner = free_port(), free_port()
    with Backend(echo) as backend:
        ports = {"outer": outer, "inner": inner, "backend": backend.address.rsplit(":", 1)[1]}
        client = imported(world, "stunnel-client.conf", CLIENT.format(**ports))
        server = imported(world, "stunnel-server.conf", SERVER.format(more=certificate_lines(world), **ports))
        expect('verify_peer = "none"' in client, f"a client without an authority says what that means: {client}")
        expect("# stunnel-server.conf:1: debug = 7: " in server, f"what changes nothing is a comment: {server}")
        for text in (client, server):
            status, said, _ = check(world, text)
            expect_equal(status, 0, f"--check takes it: {said}")
        with Keysluice(world, [], more=server + client, engines=1) as sluice:
            expect_equal(echoed(world, outer), hashlib.sha256(PAYLOAD).hexdigest(), "the payload's hash")
            counts = {each["name"]: sum(each["established"].values()) for each in sluice.status()["services"]}
            expect_equal(counts, {ports["backend"]: 1, str(inner): 1}, "TLS on both ways")


@scenario("importers: each end, imported, with stunnel itself at the other one")
def one_end(world):
    if not STUNNEL:
        raise Skip("there is no stunnel on this machine")
    outer, inner = free_port(), free_port()
    with Backend(echo) as backend:
        ports = {"outer": outer, "inner": inner, "backend": backend.address.rsplit(":", 1)[1]}
        client, server = CLIENT.format(**ports), SERVER.format(more=certificate_lines(world), **ports)
        hashed = hashlib.sha256(PAYLOAD).hexdigest()
        with Keysluice(world, [], more=imported(world, "stunnel.conf", client), engines=1):
            with stunnel(world, server, inner):
                expect_equal(echoed(world, outer), hashed, "our client, stunnel's server")
        with Keysluice(world, [], more=imported(world, "stunnel.conf", server), engines=1):
            with stunnel(world, client, outer):
                expect_equal(echoed(world, outer), hashed, "stunnel's client, our server")


@scenario("importers: the options of Debian's examples, and the examples themselves")
def examples(world):
    folder = world.directory / "conf.d"
    folder.mkdir()
    (folder / "x.conf").write_text("[included]\nclient = yes\naccept = 127.0.0.1:10999\nconnect = 10998\n")
    certificates = world.certificates
    toml = imported(world, "stunnel.conf", SAMPLE.format(
        directory=world.directory, ca=certificates.ca, certificate=certificates.certificate("server"),
        key=certificates.key("server")), INCOMPLETE)
    for name in ("mail-pop3", "pop3s", "https", "mysql", "included"):
        expect(f'name = "{name}"' in toml, f"{name} is served: {toml}")
    for name in ("token", "shell"):
        expect(f"[{name}]: this section is left out: " in toml, f"{name} is left out: {toml}")
    expect("1234" not in toml, "the token's PIN is not repeated")
    status, said, _ = check(world, toml)
    expect_equal(status, 0, f"--check takes it: {said}")
    if DEBIANS.exists():
        status, toml, errors = run_import(world, DEBIANS)
        expect_equal((status, toml.count("[[tls.service]]")), (INCOMPLETE, 3), f"Debian's own: {errors}")
        bundle = "/etc/ssl/certs/ca-certificates.crt"
        here = toml if os.path.exists(bundle) else toml.replace(bundle, str(certificates.ca))
        status, said, _ = check(world, here)
        expect_equal(status, 0, f"--check takes Debian's: {said}")


@scenario("importers: what can't be is told, with the line")
def refused(world):
    ports = {"inner": 2, "backend": 3}
    for name, text, word in (("stunnel.conf", SERVER.format(more="", **ports), "stunnel.conf:4: [3]: a server section"),
                             ("what.conf", "hello\n", "import-ambiguous"),
                             ("stunnel.conf", "[a]\nx\n", "stunnel.conf:2: "),
                             ("stunnel.conf", "include = /no/such/file/*\n[a]\nconnect\n", "stunnel.conf:3: ")):
        file = world.directory / name
        file.write_text(text)
        status, said, errors = run_import(world, file)
        expect_equal((status, said), (FAILED, ""), f"{name} is refused")
        expect(word in errors, f"{word}: {errors}")
    expect_equal(run_import(world, file, "--kind", "stunel")[0], 2, "a kind that there is not")
    expect_equal(run_import(world, world.directory / "none")[0], FAILED, "no such file")
    expect_equal(run_import(world, world.directory)[0], FAILED, "a folder")


@scenario("importers: keys go to files of their own, once")
def secrets(world):
    keys, output = world.directory / "keys", world.directory / "out" / "hq.toml"
    said = imported(world, "swanctl.conf", SWANCTL, DONE, "--keys", keys, "--output", output)
    expect("nothing of the source is lost" in said, f"a summary: {said}")
    toml = output.read_text()
    file = keys / "hq.psk"
    expect_equal((file.read_text(), stat.S_IMODE(file.stat().st_mode)), ("opensesame\n", 0o600), "the key's file")
    expect(f'psk = "file:{file}"' in toml and "opensesame" not in toml, f"it is named alone: {toml}")
    status, checked, _ = check(world, toml)
    expect_equal(status, 0, f"--check takes it: {checked}")
    file.write_text("mine")
    status, _, errors = run_import(world, world.directory / "swanctl.conf", "--keys", keys)
    expect_equal((status, "file-unwritable" in errors, file.read_text()), (FAILED, True, "mine"), "none is overwritten")
    document = json.loads(imported(world, "swanctl.conf", SWANCTL, INCOMPLETE, "--json"))["import"]
    expect_equal((document["complete"], document["keys"]), (False, []), "without --keys")
    expect_equal([(each["line"], each["effect"]) for each in document["remarks"]], [(25, "loss")], "what is to be done")
    expect("opensesame" not in json.dumps(document), "the secret is nowhere")
