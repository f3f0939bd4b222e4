"""Reload: what is wrong comes back to the caller, and what has changed is on the bus when it returns."""

import signal

from bus.basics import gateways
from support.bus import KINDS, ROOT, CallFailed
from support.scenario import eventually, expect, expect_equal, expect_raises, scenario

for kind in KINDS:

    @scenario(f"reload: {kind}: mistakes with their places; then other connections, by the bus and by SIGHUP")
    def reload(world, kind=kind):
        with gateways(world, kind) as (bus, ours, _):
            client = bus.client()
            good = dict(ours.connection)
            ours.connection |= {"liveness": "for ever", "strat": "manual"}
            ours.configure()
            wrong = expect_raises(CallFailed, lambda: client.manager("Reload", "a{sv}", {}), "a reload with mistakes")
            expect_equal(wrong.name, "InvalidConfiguration", "error")
            lines = wrong.text.splitlines()
            expect(len(lines) == 2 and all(line.startswith(f"{ours.file}:") for line in lines), f"two places: {lines}")
            expect("(bad-duration)" in wrong.text and "(unknown-key)" in wrong.text, wrong.text)
            expect_equal(client.paths("connection"), [f"{ROOT}/connection/peer"], "connections after it")

            ours.connection = good | {"name": "hq.example", "groups": ["other"]}
            ours.configure()
            expect_equal(client.manager("Reload", "a{sv}", {}), 1, "connections that are configured")
            moved = f"{ROOT}/connection/hq_2eexample"
            eventually(lambda: client.paths("connection") == [moved], world.patience(5), "another object")
            expect_equal(list(client.property(moved, "Connection", "Groups")), ["other"], "its groups")

            ours.connection = good
            ours.configure()
            ours.process.send_signal(signal.SIGHUP)
            eventually(lambda: client.paths("connection") == [f"{ROOT}/connection/peer"], world.patience(10),
                       "the first object is back after SIGHUP")
            values = client.objects()[f"{ROOT}/connection/peer"]["org.keysluice1.Connection"]
            expect_equal({name: values[name] for name in ("Name", "Local", "Remote", "RemoteId", "Auth", "Start")},
                         {"Name": "peer", "Local": "192.0.2.1", "Remote": "192.0.2.2", "RemoteId": "right.test",
                          "Auth": "psk", "Start": "manual"}, "properties")
            expect_equal((list(values["Groups"]), list(values["Children"])), (["branch", "test"], ["net"]), "lists")
