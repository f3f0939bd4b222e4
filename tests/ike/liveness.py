"""The peer's link is cut: the silence is noticed, nothing stays behind, and all comes back with the link."""

from support import checks
from support.scenario import eventually, expect_equal, scenario
from support.tunnel import Tunnel
from ike.basics import both_have_it, gateways

SMALL = 100_000
SILENCE = 150  # real seconds: seven sendings, the first wait one second, each twice as long as the one before: 127 s


@scenario("liveness: keysluice notices that the link is cut, and comes back with it")
def keysluice_notices(world):
    tunnel = Tunnel()
    always = {"connection": {"start": "on-load", "liveness": "1s"}}
    with gateways(world, tunnel, "keysluice", sluice=always) as (place, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        both_have_it(world, both)
        before = swan.ike_spis()
        place.cut()
        eventually(lambda: not ours.sas(), world.patience(5) + SILENCE, "keysluice gives up the peer")
        ours.await_log("peer-silent")
        expect_equal(checks.left_in_kernel(ours.end.namespace), [], "what is left in keysluice's kernel")
        place.mend()
        eventually(lambda: ours.sas(), world.patience(5) + SILENCE, "keysluice begins again")
        both_have_it(world, both)  # INITIAL_CONTACT told strongSwan to forget what it had
        expect_equal(swan.ike_spis() & before, set(), "old IKE SAs that strongSwan has")
        checks.traffic_flows(world, place, tunnel, swan, SMALL)


@scenario("liveness: strongSwan asks, keysluice answers; it comes back after a cut")
def strongswan_notices(world):
    tunnel = Tunnel()
    swan = {"charon": {"retransmit_tries": 2, "retransmit_timeout": "1.0"},
            "connection": {"dpd_delay": "1"}, "child": {"dpd_action": "restart"}}
    with gateways(world, tunnel, swan=swan) as (place, both):
        peer = both["strongSwan"]
        peer.up()
        both_have_it(world, both)
        before = peer.ike_spis()
        peer.await_log("sending DPD request(.|\n)*parsed INFORMATIONAL response")
        expect_equal(peer.ike_spis(), before, "the IKE SA, as long as keysluice answers")
        place.cut()
        eventually(lambda: not peer.sas(), world.patience(10), "strongSwan gives keysluice up")
        place.mend()
        eventually(lambda: peer.children(), world.patience(10) + 30, "strongSwan begins again")
        both_have_it(world, both)  # keysluice has forgotten the old one because of INITIAL_CONTACT
        checks.traffic_flows(world, place, tunnel, peer, SMALL)
