"""`nmcli connection import` and `connection export`."""

import subprocess

from networkmanager.basics import laptop, nothing_left, office
from support.scenario import expect, expect_equal, scenario

FILE = """\
[[ike.connection]]
name = "branch"
groups = ["branches"]
remote = "192.0.2.2"
[[ike.connection.child]]
name = "net"
"""


def data_of(manager, name):
    return manager.nmcli("--get-values", "vpn.data", "connection", "show", name)


def exported(world, manager, name):
    """A file with what nmcli says of the connection."""
    file = world.directory / f"{name}.toml"
    file.write_text(manager.nmcli("connection", "export", name) + "\n")
    return file


def check(world, file):
    """Exit status and output of `keysluiced --check`, without the secrets that are not there."""
    done = subprocess.run([world.programs / "keysluiced", "--check", "--without-keys", "--config", file],
                          capture_output=True, text=True)
    return done.returncode, "".join(line for line in done.stderr.splitlines() if not line.startswith("note: "))


@scenario("NetworkManager: a connection goes into a file and comes back the same, without its secrets")
def round_trip(world):
    with laptop(world) as (manager, ours, client, gateway):
        office(manager, gateway)
        file = exported(world, manager, "office")
        expect(gateway.tunnel.secret not in file.read_text(), "the secret is in the file")
        expect_equal(check(world, file), (0, ""), "what keysluiced --check says of the file")
        before = data_of(manager, "office")
        manager.nmcli("connection", "delete", "office")
        told = manager.nmcli("connection", "import", "type", "keysluice", "file", file)
        expect("successfully added" in told, told)
        expect_equal(data_of(manager, "office"), before, "vpn.data")
        expect("secrets" in manager.up_fails("office"), "it has no secret")
        manager.nmcli("connection", "modify", "office", "vpn.secrets", f"psk={gateway.tunnel.secret}")
        manager.up("office")
        expect_equal(manager.state("office"), "activated", "state")
        manager.down("office")
        nothing_left(world, manager, client, gateway)


@scenario("NetworkManager: what can't be imported is said with its line, and nothing is added")
def not_importable(world):
    with laptop(world) as (manager, ours, client, gateway):
        file = world.directory / "branch.toml"
        file.write_text(FILE)
        before = manager.nmcli("connection", "show")
        done = manager.run("connection", "import", "type", "keysluice", "file", file)
        expect(done.returncode != 0, "it was imported")
        expect(f'{file}:3:1: "groups": there is no key for it in vpn.data (not-importable)' in done.stderr, done.stderr)
        expect_equal(manager.nmcli("connection", "show"), before, "connections")
        file.write_text(FILE.replace('groups = ["branches"]\n', ""))
        manager.nmcli("connection", "import", "type", "keysluice", "file", file)
        expect_equal(data_of(manager, "branch"), "gateway = 192.0.2.2, remote-id = *", "vpn.data")
