"""What is asked wrongly, what is not permitted, and who asks too much."""

import os
import time

from bus.basics import connected, gateways
from support.bus import KINDS, NAME, ROOT, CallFailed, Deaf, Polkit
from support.scenario import eventually, expect, expect_equal, expect_raises, scenario

NOBODY = 65534


def refused(world, action, name, *words):
    error = expect_raises(CallFailed, action, f"a call that ends with {name}")
    expect_equal(error.name, name, f"the error's name, with the text {error.text!r}")
    for word in words:
        expect(word in error.text, f"{word!r} in {error.text!r}")


def as_nobody(function):
    """Runs it in a process of an unprivileged user, and fails as it does."""
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            function()
            os._exit(0)
        except BaseException as error:
            print(f"as nobody: {error!r}", flush=True)
            os._exit(1)
    expect_equal(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0, "what an unprivileged user sees")


for kind in KINDS:

    @scenario(f"refusals: {kind}: each mistake has its error and says what was expected")
    def mistakes(world, kind=kind):
        with gateways(world, kind) as (bus, _, _):
            client = bus.client()
            for method in ("Up", "Down", "Rekey"):
                refused(world, lambda: client.manager(method, "sa{sv}", "nope", {}), "NotFound", "nope", "(not-found)")
            refused(world, lambda: client.manager("Up", "sa{sv}", "peer", {"child": "nope"}), "NotFound", "nope")
            refused(world, lambda: client.manager("Up", "sa{sv}", "peer", {"chld": "net"}), "InvalidArgs", "chld",
                    "(bad-request)")
            refused(world, lambda: client.manager("Up", "sa{sv}", "peer", {"child": 7}), "InvalidArgs", "string")
            refused(world, lambda: client.manager("Down", "sa{sv}", "peer", {"child": "net"}), "InvalidArgs", "child")
            refused(world, lambda: client.manager("ListSas", "a{sv}su", {"name": "x"}, "", 0), "InvalidArgs", "remote_id")
            refused(world, lambda: client.manager("ListSas", "a{sv}su", {}, "7", 0), "InvalidArgs", "cursor")
            refused(world, lambda: client.manager("DumpSas", "a{sv}", {"group": 1}), "InvalidArgs", "group")
            refused(world, lambda: client.manager("GetSaCounters", "t", 7), "NotFound", "0000000000000007")
            refused(world, lambda: client.call(f"{ROOT}/connection/branch", f"{NAME}.Connection", "Up", "a{sv}", {}),
                    "UnknownObject")

    @scenario(f"refusals: {kind}: no route to the peer, or no peer")
    def no_peer(world, kind=kind):
        with gateways(world, kind, remote="any") as (bus, _, _):
            refused(world, lambda: bus.client().manager("Up", "sa{sv}", "peer", {}), "NoRoute", "anybody", "(no-route)")

    @scenario(f"refusals: {kind}: an unprivileged user reads everything and changes nothing")
    def unprivileged(world, kind=kind):
        with connected(world, kind) as (bus, client, ours):
            before = client.list_sas()[0]
            sa = client.paths("ikesa")[0]

            def looks():
                mine = bus.client()
                expect_equal(mine.list_sas()[0], before, "rows")
                expect_equal(len(mine.dump()[0]), 1, "lines of the dump")
                expect_equal(mine.paths("connection"), [f"{ROOT}/connection/peer"], "connections")
                mine.introspect(sa)
                for method in ("Up", "Down", "Rekey"):
                    refused(world, lambda: mine.manager(method, "sa{sv}", "peer", {}), "AccessDenied")
                    refused(world, lambda: mine.call(f"{ROOT}/connection/peer", f"{NAME}.Connection", method, "a{sv}", {}),
                            "AccessDenied")
                refused(world, lambda: mine.call(sa, f"{NAME}.IkeSa", "Down", "a{sv}", {"interactive": True}),
                        "AccessDenied")
                refused(world, lambda: mine.call(sa, f"{NAME}.IkeSa", "Rekey", "a{sv}", {}), "AccessDenied")
                refused(world, lambda: mine.manager("Reload", "a{sv}", {}), "AccessDenied", "org.keysluice1.reload", "(not-permitted)")
                refused(world, lambda: mine.call(sa, "org.freedesktop.DBus.Properties", "Set", "ssv", f"{NAME}.IkeSa",
                                                 "State", "dead"), "PropertyReadOnly")

            as_nobody(looks)
            expect_equal(client.list_sas()[0], before, "rows afterwards")

    @scenario(f"refusals: {kind}: what polkit permits to an unprivileged user, and what it would with a password")
    def polkit(world, kind=kind):
        rule = """polkit.addRule(function(action, subject) {
            if (action.id == "org.keysluice1.control" && subject.user == "nobody") return polkit.Result.YES; });"""
        with gateways(world, kind) as (bus, _, _), Polkit(bus, rule), bus.events() as events:

            def commands():
                mine = bus.client()
                expect_equal(mine.manager("Up", "sa{sv}", "peer", {}), 1, "connections that begin")
                refused(world, lambda: mine.manager("Reload", "a{sv}", {}), "InteractiveAuthorizationRequired",
                        "org.keysluice1.reload", "(password-needed)")

            as_nobody(commands)
            events.await_kind("child-established")

    @scenario(f"refusals: {kind}: subscribers that never read cost the others nothing")
    def stopped_subscriber(world, kind=kind):
        with connected(world, kind) as (bus, client, ours):
            deaf = [Deaf(bus) for _ in range(3)]
            for _ in range(world.choose(20, 200)):
                client.manager("Rekey", "sa{sv}", "peer", {"child": "net"})
                for each in deaf:
                    each.ask("org.freedesktop.DBus.ObjectManager", "GetManagedObjects", 50)
                eventually(lambda: len(client.list_sas()[0]) == 1, world.patience(5), "ListSas answers")
            longest = max(time_of(lambda: client.manager("ListSas", "a{sv}su", {}, "", 0)) for _ in range(20))
            expect(longest < world.patience(1), f"ListSas takes {longest:.3f} s beside subscribers that never read")
            world.note(f"ListSas takes at most {longest * 1000:.0f} ms")


def time_of(action):
    begin = time.monotonic()
    action()
    return time.monotonic() - begin
