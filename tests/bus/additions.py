"""Connections that a program adds, changes and removes: for this run, or in files of their own."""

import fcntl
import os
import signal
import time

import dbus

from bus.basics import gateways
from support import keysluice, processes
from support.bus import KINDS, NAME, CallFailed
from support.scenario import eventually, expect, expect_equal, expect_raises, scenario

CLAIM = 30  # seconds
AGAIN = 10  # seconds from one try to remove a connection to the next


def text_of(ours, name, **keys):
    """Its connection to the peer under another name."""
    connection = ours.connection | {"name": name, "groups": ["added"]} | keys
    return keysluice.table("[[ike.connection]]", connection) + "\n" + keysluice.table("[[ike.connection.child]]", ours.child)


def sealed(key):
    """A memory file with it, that nobody changes any more."""
    file = os.memfd_create("psk", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(file, key.encode())
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK)
    return dbus.types.UnixFd(file)


def connections(client):
    """Properties by name, at one moment: an object that changes is another one at the same path."""
    found = [interfaces.get(f"{NAME}.Connection") for interfaces in client.objects().values()]
    return {str(values["Name"]): values for values in found if values}


def names(client):
    return sorted(connections(client))


def refused(client, name, method, signature, *arguments):
    error = expect_raises(CallFailed, lambda: client.manager(method, signature, *arguments), f"{method} that is refused")
    expect_equal(error.name, name, f"the error's name, with the text {error.text!r}")
    return error.text


for kind in KINDS:

    @scenario(f"additions: {kind}: added, up, changed, removed, and what is wrong changes nothing")
    def of_this_run(world, kind=kind):
        with gateways(world, kind) as (bus, ours, _), bus.events() as events:
            client = bus.client()
            expect_equal(client.manager("AddConnection", "sa{sv}", text_of(ours, "branch.1"), {}), 2, "connections")
            eventually(lambda: names(client) == ["branch.1", "peer"], world.patience(5), "its object")
            client.manager("Up", "sa{sv}", "branch.1", {})
            expect_equal(events.await_kind("child-established")["connection"], "branch.1", "whose CHILD SA it is")

            wrong = refused(client, "InvalidConfiguration", "AddConnection", "sa{sv}",
                            text_of(ours, "branch.2", strat="manual", liveness="x"), {})
            lines = wrong.splitlines()
            expect(len(lines) == 2 and all(line.startswith("bus:branch.2:") for line in lines), wrong)
            expect("(unknown-key)" in wrong and "(bad-duration)" in wrong, wrong)
            wrong = refused(client, "InvalidConfiguration", "AddConnection", "sa{sv}", text_of(ours, "peer"), {})
            expect(wrong.startswith("bus:peer:") and str(ours.file) in wrong, wrong)
            refused(client, "InvalidConfiguration", "AddConnection", "sa{sv}", text_of(ours, "branch.1"), {})
            refused(client, "InvalidConfiguration", "AddConnection", "sa{sv}", "[daemon]\nengines = 7\n", {})
            refused(client, "InvalidArgs", "AddConnection", "sa{sv}", text_of(ours, "x"), {"persists": True})
            for name in ("peer", "nope", "../keysluice", ""):
                refused(client, "NotFound", "RemoveConnection", "sa{sv}", name, {})
            expect_equal(names(client), ["branch.1", "peer"], "connections after all that")

            expect_equal(client.manager("Reload", "a{sv}", {}), 2, "connections after a reload")
            update = text_of(ours, "branch.1", groups=["changed"])
            client.manager("UpdateConnection", "ssa{sv}", "branch.1", update, {})
            eventually(lambda: list(connections(client)["branch.1"]["Groups"]) == ["changed"], world.patience(5),
                       "the object has changed")
            expect_equal(len(client.list_sas(connection="branch.1")[0]), 1, "IKE SAs that stand")
            expect_equal(client.manager("RemoveConnection", "sa{sv}", "branch.1", {}), 1, "connections")
            eventually(lambda: names(client) == ["peer"], world.patience(5), "the object is gone")
            expect_equal(client.manager("Down", "sa{sv}", "branch.1", {}), 1, "IKE SAs that Down closes afterwards")
            expect(not (ours.file.parent / "conf.d").exists(), "no file was written")

    @scenario(f"additions: {kind}: what persists is a file, outlives keysluiced, and goes; the rest goes with it")
    def persistent(world, kind=kind):
        with gateways(world, kind) as (bus, ours, _):
            client = bus.client()
            client.manager("AddConnection", "sa{sv}", text_of(ours, "kept"), {"persist": True})
            client.manager("AddConnection", "sa{sv}", text_of(ours, "lost"), {})
            folder = ours.file.parent / "conf.d"
            expect_equal([each.name for each in folder.iterdir()], ["bus-kept.toml"], "files")
            ours.replace(signal.SIGKILL)
            bus.await_service()
            client = bus.client()
            expect_equal(names(client), ["kept", "peer"], "connections of the next keysluiced")
            refused(client, "NotFound", "UpdateConnection", "ssa{sv}", "lost", text_of(ours, "lost"), {})
            client.manager("UpdateConnection", "ssa{sv}", "kept", text_of(ours, "kept", groups=["later"]), {})
            expect('groups = ["later"]' in (folder / "bus-kept.toml").read_text(), "the file has changed")
            expect_equal(client.manager("RemoveConnection", "sa{sv}", "kept", {}), 1, "connections")
            expect_equal(list(folder.iterdir()), [], "files")

    @scenario(f"additions: {kind}: what was taken down stays down when another one is added, and comes up with a reload")
    def others_rest(world, kind=kind):
        with gateways(world, kind, start="on-load") as (bus, ours, _), bus.events() as events:
            client = bus.client()
            eventually(lambda: client.list_sas()[0], world.patience(10), "an IKE SA stands")
            client.manager("Down", "sa{sv}", "peer", {})
            events.await_kind("ike-closed")
            client.manager("AddConnection", "sa{sv}", text_of(ours, "other"), {})
            events.await_kind("child-established")
            expect_equal([row[2] for row in client.list_sas()[0]], ["other"], "connections with an IKE SA")
            client.manager("Reload", "a{sv}", {})
            eventually(lambda: client.list_sas(connection="peer")[0], world.patience(10), "the first one is up again")

    @scenario(f"additions: {kind}: a key that comes with the call is in no file, and a wrong one is refused")
    def key_given(world, kind=kind):
        with gateways(world, kind) as (bus, ours, _), bus.events() as events:
            client = bus.client()
            text = text_of(ours, "laptop", psk="option:psk")
            wrong = refused(client, "InvalidConfiguration", "AddConnection", "sa{sv}", text, {})
            expect("(psk-not-given)" in wrong, wrong)
            refused(client, "InvalidArgs", "AddConnection", "sa{sv}", text, {"psk": sealed("x"), "persist": True})
            client.manager("AddConnection", "sa{sv}", text, {"psk": sealed("another secret")})
            client.manager("Up", "sa{sv}", "laptop", {})
            expect_equal(events.await_kind("failed")["reason"], "auth-refused", "why it failed")
            client.manager("UpdateConnection", "ssa{sv}", "laptop", text, {"psk": sealed(ours.tunnel.secret)})
            client.manager("Reload", "a{sv}", {})
            client.manager("UpdateConnection", "ssa{sv}", "laptop", text, {})
            client.manager("Up", "sa{sv}", "laptop", {})
            expect_equal(events.await_kind("child-established")["connection"], "laptop", "whose CHILD SA it is")
            expect(ours.tunnel.secret not in ours.log(), "the key is not in the log")

    @scenario(f"additions: {kind}: what has an owner goes with it, IKE SAs and all, whatever it dies of")
    def owned(world, kind=kind):
        with gateways(world, kind) as (bus, ours, peer), bus.events() as events:
            client = bus.client()
            owner = bus.client()
            owner.manager("AddConnection", "sa{sv}", text_of(ours, "laptop"), {"owned": True})
            owner.manager("AddConnection", "sa{sv}", text_of(ours, "tablet"), {})
            owner.manager("Up", "sa{sv}", "laptop", {})
            events.await_kind("child-established")
            expect_equal(names(client), ["laptop", "peer", "tablet"], "connections as long as it is there")
            owner.connection.close()
            eventually(lambda: names(client) == ["peer", "tablet"], world.patience(5), "the owned one is gone")
            eventually(lambda: not client.list_sas()[0] and not peer.ike_spis(), world.patience(5), "so are its IKE SAs")

    @scenario(f"additions: {kind}: what has an owner outlives keysluiced with its IKE SA, and the owner brings the key again")
    def claimed(world, kind=kind):
        with gateways(world, kind) as (bus, ours, peer), bus.events() as events:
            owner, text = bus.client(), text_of(ours, "laptop", psk="option:psk")
            add = lambda client: client.manager("AddConnection", "sa{sv}", text,
                                                {"psk": sealed(ours.tunnel.secret), "owned": True})
            add(owner)
            owner.manager("Up", "sa{sv}", "laptop", {})
            events.await_kind("child-established")
            before = peer.ike_spis()
            ours.replace(signal.SIGKILL)
            bus.await_service()
            client = bus.client()
            expect_equal([str(row[2]) for row in client.list_sas()[0]], ["laptop"], "connections with an IKE SA")
            wrong = expect_raises(CallFailed, lambda: add(client), "AddConnection of somebody else").text
            expect("(duplicate-name)" in wrong, wrong)
            add(owner)
            expect_equal(peer.ike_spis(), before, "IKE SAs after all that")
            owner.manager("Down", "sa{sv}", "laptop", {})
            eventually(lambda: not peer.ike_spis(), world.patience(5), "it is down")
            owner.manager("Up", "sa{sv}", "laptop", {})
            eventually(peer.ike_spis, world.patience(10), "it is up again, so the key was the right one")
            owner.connection.close()
            eventually(lambda: names(client) == ["peer"], world.patience(5), "the owned one is gone")

    @scenario(f"additions: {kind}: the bus goes, and what has an owner with it")
    def owned_on_a_bus(world, kind=kind):
        with gateways(world, kind) as (bus, ours, peer), bus.events() as events:
            owner = bus.client()
            owner.manager("AddConnection", "sa{sv}", text_of(ours, "laptop"), {"owned": True})
            owner.manager("AddConnection", "sa{sv}", text_of(ours, "tablet"), {})
            owner.manager("Up", "sa{sv}", "laptop", {})
            events.await_kind("child-established")
            bus.stop()
            eventually(lambda: not peer.ike_spis(), world.patience(5), "its IKE SA is gone")
            bus.start()
            bus.await_service()
            expect_equal(names(bus.client()), ["peer", "tablet"], "connections")


@scenario("additions: an owner leaves while there is no keysluiced, and the next one removes what it had at once")
def left_meanwhile(world):
    with gateways(world, KINDS[0]) as (bus, ours, peer), bus.events() as events:
        owner = bus.client()
        owner.manager("AddConnection", "sa{sv}", text_of(ours, "laptop"), {"owned": True})
        owner.manager("Up", "sa{sv}", "laptop", {})
        events.await_kind("child-established")
        processes.send_signal(ours.control(), signal.SIGSTOP)  # it hears nothing any more
        owner.connection.close()
        ours.replace(signal.SIGKILL)
        bus.await_service()
        began = time.monotonic()
        client = bus.client()
        eventually(lambda: names(client) == ["peer"], world.patience(10), "the owned one is gone")
        expect(time.monotonic() - began < CLAIM, "it was awaited")
        eventually(lambda: not peer.ike_spis(), world.patience(5), "so is its IKE SA")


@scenario("additions: what has an owner that has gone goes once the rest of the configuration is right again")
def removed_later(world):
    with gateways(world, KINDS[0]) as (bus, ours, _):
        client, owner = bus.client(), bus.client()
        owner.manager("AddConnection", "sa{sv}", text_of(ours, "laptop"), {"owned": True})
        eventually(lambda: names(client) == ["laptop", "peer"], world.patience(5), "its object")
        right = ours.file.read_text()
        ours.file.write_text(right + "\nmistake = 1\n")
        owner.connection.close()
        eventually(lambda: "this is tried again" in ours.log(), world.patience(5), "it can't be removed now")
        expect_equal(names(client), ["laptop", "peer"], "connections meanwhile")
        ours.file.write_text(right)
        eventually(lambda: names(client) == ["peer"], AGAIN + world.patience(10), "the owned one is gone")


@scenario("additions: what has an owner that does not add it to the next keysluiced goes after half a minute")
def not_claimed(world):
    with gateways(world, KINDS[0]) as (bus, ours, peer), bus.events() as events:
        owner = bus.client()
        owner.manager("AddConnection", "sa{sv}", text_of(ours, "laptop"), {"owned": True})
        owner.manager("Up", "sa{sv}", "laptop", {})
        events.await_kind("child-established")
        ours.replace(signal.SIGKILL)
        bus.await_service()
        client = bus.client()
        expect_equal(names(client), ["laptop", "peer"], "connections of the next keysluiced")
        eventually(lambda: names(client) == ["peer"], CLAIM + world.patience(10), "the owned one is gone")
        eventually(lambda: not peer.ike_spis(), world.patience(5), "so is its IKE SA")
