"""keysluiced as a service that systemd restarts, stops, or starts again after its death: IKE SAs outlive it, or don't."""

import contextlib

from support import checks
from support.scenario import Skip, eventually, expect, expect_equal, scenario
from support.sluice_unit import SluiceUnit, is_systemd_here, run
from support.traffic import streams
from support.tunnel import Tunnel
from ike.basics import both_have_it, gateways
from ike.restart import survives

# Descriptors: the state of IKE, the connections of programs, the keys of tickets, and two UDP sockets for each of IPv4
# and IPv6.
KEPT = 7


def replaced_by(*command):
    """Puts another keysluiced in the place of the one that runs."""
    def replace(ours):
        before = ours.pid
        run("systemctl", *command)

        def is_back():
            with contextlib.suppress(OSError, ValueError, KeyError):
                return ours.pid not in (0, before) and ours.status()["ike"]["running"]
        eventually(is_back, ours.world.patience(20), f"{ours} has another keysluiced")
        expect_equal(ours.tells("NFileDescriptorStore"), str(KEPT), "descriptors that systemd keeps")
    return replace


def outlived(world, initiator, *command):
    if not is_systemd_here():
        raise Skip("process 1 is not systemd")
    survives(world, initiator, replaced_by(*command), SluiceUnit)


for _name, _initiator, _command in (
        ("keysluiced is restarted", "strongSwan", ["restart", "keysluiced"]),
        ("keysluiced is restarted", "keysluice", ["restart", "keysluiced"]),
        ("the target is restarted", "strongSwan", ["restart", "keysluice.target"]),
        ("keysluiced is killed", "strongSwan", ["kill", "-s", "KILL", "keysluiced"])):
    scenario(f"units: {_name}, {_initiator} had begun")(
        lambda world, initiator=_initiator, command=_command: outlived(world, initiator, *command))


def keys():
    """What keysluice has in the kernel's keyring."""
    return run("setpriv", "--reuid=keysluice", "--regid=keysluice", "--clear-groups", "cat", "/proc/keys")


@scenario("units: keysluiced is stopped, peers are told and nothing is kept")
def stopped(world):
    if not is_systemd_here():
        raise Skip("process 1 is not systemd")
    with gateways(world, Tunnel(), kind=SluiceUnit) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        swan.up()
        both_have_it(world, both)
        expect("keysluice-ike-state" in keys(), "the key of the state is in the keyring")
        said = len(swan.log())
        ours.stop()
        checks.closed(world, swan)
        eventually(lambda: not swan.sas(), world.patience(20), f"{swan} has no IKE SA left")
        expect("received DELETE for IKE_SA" in swan.log()[said:], f"{swan} was told")
        expect_equal(checks.left_in_kernel(place.left.namespace), [], "what the kernel on the left has left")
        expect_equal(ours.tells("NFileDescriptorStore"), "0", "descriptors that systemd keeps")
        expect("keysluice-ike-state" not in keys(), "the key of the state is still in the keyring")
        ours.start()
        swan.up()
        both_have_it(world, both)


@scenario("units: keysluiced dies again and again under traffic, and systemd does not give it up")
def crash_loop(world):
    if not is_systemd_here():
        raise Skip("process 1 is not systemd")
    tunnel = Tunnel()
    with gateways(world, tunnel, kind=SluiceUnit) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        swan.up()
        both_have_it(world, both)
        before = swan.ike_spis()
        with streams(world, place, tunnel):
            for _ in range(12):  # more often than DefaultStartLimitBurst= in its interval
                run("systemctl", "kill", "-s", "KILL", "keysluiced")
                eventually(lambda: ours.pid, world.patience(10), f"{ours} is started again")
            eventually(ours._answers, world.patience(20), f"{ours} answers")
            both_have_it(world, both)
        expect_equal(swan.ike_spis(), before, "strongSwan's IKE SA")
