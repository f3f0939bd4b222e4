"""A kernel that lacks an ESP algorithm: nobody is offered it, nor is it chosen, and the others do."""

import contextlib
import pathlib
import subprocess

from support import checks
from support.bus import ROOT, Bus, CallFailed
from support.scenario import Failure, Skip, eventually, expect, expect_equal, expect_raises, scenario
from support.tunnel import Tunnel
from ike.basics import SIDES, SMALL, both_have_it, gateways

ALGORITHM, MODULE = "rfc7539esp(chacha20,poly1305)", "chacha20poly1305"


@contextlib.contextmanager
def kernel_without_module(world):
    """As if it had been built without MODULE: the kernel drops it, and may not load it again by itself. What else is needed
    has been loaded before."""
    def gone():
        subprocess.run(["rmmod", MODULE], capture_output=True)
        return "rfc7539esp" not in pathlib.Path("/proc/crypto").read_text()
    if not pathlib.Path("/sys/module", MODULE, "initstate").exists():
        raise Skip(f"{MODULE} is no module of this kernel")
    loader = pathlib.Path("/proc/sys/kernel/modprobe")
    before = loader.read_text()
    loader.write_text("/bin/false\n")
    try:
        eventually(gone, world.patience(10), f"{MODULE} is not loaded")
        yield
    finally:
        loader.write_text(before)


def goes_without(world, initiator):
    with gateways(world, Tunnel(esp=f"{MODULE},aes128gcm16")) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        ours.stop()
        with kernel_without_module(world):
            ours.restart({"start": "on-load" if initiator == "keysluice" else "manual"})
            both[initiator].up()
            both_have_it(world, both)
            expect_equal(swan.child_sas()[0]["encr-alg"], "AES_GCM_16", "the cipher of ESP")
            checks.traffic_flows(world, place, ours.tunnel, swan, SMALL)
            ours.await_log("rfc7539esp.*; ESP proposals go without it")
            kernel = ours.status()["ike"]["kernel"]
            expect(ALGORITHM not in kernel["algorithms"] and "rfc4106(gcm(aes))" in kernel["algorithms"],
                   f"what the kernel has: {kernel}")
            expect(any(ALGORITHM in each and MODULE in each for each in kernel["missing"]), f"what it lacks: {kernel}")


for _initiator in SIDES:
    scenario(f"kernel: it lacks an ESP algorithm, and another one is taken, {_initiator} begins")(
        lambda world, initiator=_initiator: goes_without(world, initiator))


@scenario("kernel: it lacks a child's only ESP algorithm: the child is refused, and status and bus say why")
def refused(world):
    with Bus(world, "dbus-daemon") as bus, gateways(world, Tunnel(esp=MODULE), sluice={"daemon": {"bus": bus.address}}) as (_, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        ours.stop()
        with kernel_without_module(world):
            ours.restart()
            (child,) = ours.status()["ike"]["refused"]
            expect_equal((child["connection"], child["child"], child["reason"]), ("peer", "net", "kernel-lacks"), "refused")
            world.note(ours.await_log(r"refused: .*\(kernel-lacks\)"))
            expect_raises(Failure, swan.initiate, "initiating by strongSwan")
            bus.await_service()
            connection = bus.client().objects()[f"{ROOT}/connection/peer"]["org.keysluice1.Connection"]
            expect_equal([tuple(each)[:2] for each in connection["Refused"]], [("net", "kernel-lacks")], "on the bus")
            for child in ({}, {"child": "net"}):
                error = expect_raises(CallFailed, lambda: bus.client().manager("Up", "sa{sv}", "peer", child), "Up")
                expect(error.name == "Failed" and "(kernel-lacks)" in error.text, f"{error}")
        ours.restart()
        expect_equal(ours.status()["ike"]["refused"], [], "refused once the kernel has it")
        swan.up()
        both_have_it(world, both)
