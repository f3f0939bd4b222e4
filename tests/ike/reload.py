"""SIGHUP: other connections and keys from now on, and no standing SA notices."""

from support import checks
from support.scenario import Failure, eventually, expect_equal, expect_raises, scenario
from support.traffic import streams
from support.tunnel import Tunnel
from ike.basics import both_have_it, gateways

SMALL = 100_000


@scenario("reload: another key and another child, under a steady stream; a mistake changes nothing")
def reload(world):
    tunnel = Tunnel()
    with gateways(world, tunnel) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        swan.up()
        both_have_it(world, both)
        before = (swan.ike_spis(), ours.children())
        with streams(world, place, tunnel):
            ours.secret.write_text("another secret\n")
            ours.reload()
            ours.await_log("read anew: 1 connections")
            ours.reload(liveness="for ever")
            ours.await_log(r"keysluice-left.toml:\d+:\d+: liveness = .*\(")
            ours.await_log("the configuration stays as it was")
        expect_equal((swan.ike_spis(), ours.children()), before, "the SAs after two reloads")
        swan.rekey_ike()
        swan.rekey_child()
        both_have_it(world, both)
        swan.down()
        expect_raises(Failure, swan.up, "a negotiation with the key of before")
        ours.await_log("auth-failed")
        ours.secret.write_text(tunnel.secret + "\n")
        ours.reload(liveness="30s")
        eventually(lambda: ours.log().count("read anew") == 2, world.patience(10), f"{ours} has read its configuration")
        swan.up()
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, swan, SMALL)


@scenario("reload: a connection changes and goes; its SA stays until somebody closes it")
def connection_changes_and_goes(world):
    tunnel = Tunnel()
    with gateways(world, tunnel) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        ours.reload(start="on-load")
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        before = swan.ike_spis()
        ours.reload(start="on-traffic", name="other", remote="192.0.2.77")
        eventually(lambda: ours.log().count("read anew") == 2, world.patience(10), f"{ours} has read its configuration")
        both_have_it(world, both)
        expect_equal(swan.ike_spis(), before, "the IKE SA, whose connection is no longer configured")
        swan.rekey_child()
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, swan, SMALL)
        swan.down()
        eventually(lambda: not ours.children(), world.patience(20), f"{ours} has no CHILD SA left")
        eventually(lambda: len(checks.left_in_kernel(place.left.namespace)) == 1, world.patience(20),
                   "one policy is left, of the connection that starts on traffic")
        ours.reload(start="manual")
        eventually(lambda: not checks.left_in_kernel(place.left.namespace), world.patience(20), "no policy is left")
