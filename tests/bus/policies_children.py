"""Ordered policies that IKE protects: a CHILD SA has its policy's place in the list, and no more than that."""

import json
import random
import re
import socket
import subprocess
import time

from bus.policies import ALL, HERE, ICMP, THERE, Host, Stream, carry, pair, policy, protected, protected_packets
from support.bus import Bus
from support.keysluice import table
from support.scenario import eventually, expect, expect_equal, scenario


def connection(world, ours, theirs, names):
    secret = world.directory / "psk"
    secret.write_text("open barley")
    secret.chmod(0o600)
    return (table("[[ike.connection]]", {"name": "hq", "local": ours[4], "remote": theirs[4], "local_id": names[0],
                                         "remote_id": names[1], "psk": f"file:{secret}", "start": "manual"})
            + table("[[ike.connection.child]]", {"name": "net", "mode": "tunnel"}))


def negotiated(ours):
    """Policies that lead into CHILD SAs, by direction: their numbers in the kernel."""
    text = ours.namespace.run("ip xfrm policy").replace("\n\t", " ")
    found = re.findall(r"dir (in|out|fwd) priority (\d+).*?reqid (12582912\d\d)", text)
    return {(direction, int(priority)) for direction, priority, _ in found}


def places(ours):
    """The numbers of the policy hq, and of those that IKE may have in front of it."""
    listed = [each for each in ours.document("show", "--committed")["policies"] if each["name"] == "hq"]
    return {(each["direction"], each["priority"] - 2) for each in listed}


def in_the_clear(ours, there, port):
    """Whether a connection to the port of the other side comes about."""
    with there.entered():
        listener = socket.create_server((THERE[4], port))
    with listener, ours.namespace.entered(), socket.socket() as stream:
        stream.settimeout(1)
        try:
            stream.connect((THERE[4], port))
            return True
        except (TimeoutError, PermissionError, OSError):
            return False


def up(ours, theirs):
    ours.command.run("up", "hq")
    for each in (ours, theirs):
        eventually(lambda: len(negotiated(each)) >= 3, each.world.patience(20), "the CHILD SA's policies are in the kernel")


def commit_others(ours, rounds, sets):
    """Sets in which hq has another place each time; now and then keysluiced is killed in the middle."""
    for number in range(1, rounds + 1):
        ours.write(*sets[number % 2])
        commit = subprocess.Popen([ours.command.program, f"--bus={ours.bus.address}", "policy", "commit"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if number % 3:
            commit.wait(timeout=ours.world.patience(60))
            expect_equal(commit.returncode, 0, "exit status of a commit")
            expect_equal(ours.document("verify")["holds"], True, "the kernel holds it")
            expect_equal({each for each in negotiated(ours) if each[0] != "fwd"}, places(ours), "where hq's policies are")
            continue
        time.sleep(random.random() / 10)
        before = set(ours.sluice.control_pids())
        for pid in before:
            subprocess.run(["kill", "-9", str(pid)], check=False)
        commit.wait(timeout=ours.world.patience(60))
        eventually(lambda: set(ours.sluice.control_pids()) - before, ours.world.patience(30), "a successor")
        ours.bus.await_service()


@scenario("policies: children of IKE's: what stands before them holds for their packets too, and moves around them lose nothing")
def listed(world):
    hq = {"direction": "both", "disposition": "protect", "connection": "hq", "child": "net"}
    with pair(world, connection(world, HERE, THERE, ("here.test", "there.test"))) as (ours, there), \
            Bus(world, "dbus-daemon", "theirs") as bus:
        theirs = Host(world, bus, there, "their-files", connection(world, THERE, HERE, ("there.test", "here.test")))
        fillers = [policy(f"f{i}", direction="out", remote=f"10.0.{i}.0/24", protocol="udp", remote_ports=100 + i,
                          disposition="discard" if i % 2 else "bypass") for i in range(40)]
        no = policy("no", direction="out", protocol="udp", remote_ports=61, disposition="discard")
        clear = {"direction": "both", "protocol": "tcp", "disposition": "bypass"}
        sets = [[ICMP, no, policy("clear", remote_ports=8080, **clear), policy("hq", remote=THERE[4], **hq), *fillers, ALL],
                [ICMP, *fillers, policy("clear", remote_ports=8080, **clear), no,
                 policy("hq", remote=f"{HERE[4]}-{THERE[4]}", **hq), ALL]]
        ours.write(*sets[0])
        theirs.write(ICMP, policy("clear", local_ports=8080, **clear), policy("hq", remote=HERE[4], **hq), ALL)
        with there.entered(), theirs.sluice:
            bus.await_service()
            for each in (ours, theirs):
                each.run("commit")
                each.run("enable")
            expect_equal(in_the_clear(ours, there, 1001), False, "a connection without the CHILD SA")
            expect_equal(in_the_clear(ours, there, 8080), True, "a connection that a policy before it lets pass")

            up(ours, theirs)
            for each in (ours, theirs):
                expect_equal({one for one in negotiated(each) if one[0] != "fwd"}, places(each), "where hq's policies are")
            before = protected_packets(ours.namespace)
            carry(world, ours, there, THERE[4], 8080)
            expect_equal(protected_packets(ours.namespace), before, "packets of the CHILD SA while something passes in the clear")
            before = protected(ours.namespace, "bytes")  # packets may be large, and few
            carry(world, ours, there, THERE[4], 1001, 100_000)
            carried = sum(protected(ours.namespace, "bytes").values()) - sum(before.values())
            expect(carried > 100_000, f"the CHILD SA carries the rest: {carried} bytes")

            with Stream(world, ours.namespace, there, THERE[4]) as stream:
                commit_others(ours, 8, sets)
                ours.command.run("rekey", "hq")
                ours.write(*sets[1])
                ours.run("commit")
            stream.check()
            expect(stream.sent > 100, f"only {stream.sent} packets were sent")
            eventually(lambda: {one for one in negotiated(ours) if one[0] != "fwd"} == places(ours), world.patience(20),
                       "hq's policies are in their place after the rekeying")
            errors = {name: count for name, count in there.xfrm_statistics().items() if count}
            expect_equal(errors, {}, "errors of XFRM on the other side")

            shown = json.loads(ours.command.run("list", "--json"))
            expect(shown, "the CHILD SA is listed")
            ours.command.run("down", "hq")
            eventually(lambda: not negotiated(ours), world.patience(20), "hq's policies have gone")
            expect_equal(in_the_clear(ours, there, 1002), False, "a connection without the CHILD SA")

            for each in (ours, theirs):
                each.run("disable")
            up(ours, theirs)
            carry(world, ours, there, THERE[4], 1003)
            ours.run("enable")
            expect_equal({one for one in negotiated(ours) if one[0] != "fwd"}, places(ours), "where hq's policies are")
            carry(world, ours, there, THERE[4], 1004)
            ours.run("disable")
            expect(all(priority < 200_000 for _, priority in negotiated(ours)), "without the list, they have their own numbers")
