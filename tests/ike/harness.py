"""The world itself, with strongSwan at both ends: when one of these fails, the other scenarios say nothing."""

from support import checks
from support.scenario import expect_equal, scenario
from support.strongswan import StrongSwan
from support.traffic import streams
from support.tunnel import Tunnel


def both(world, place, tunnel):
    left, right = place.ends
    return StrongSwan(world, left, right, tunnel), StrongSwan(world, right, left, tunnel)


@scenario("harness: strongSwan with strongSwan, traffic, rekeys, end")
def world_works(world):
    tunnel = Tunnel()
    with checks.network(world, swans=("left", "right")) as place:
        left, right = both(world, place, tunnel)
        with left, right:
            left.up()
            checks.traffic_flows(world, place, tunnel, right)
            with streams(world, place, tunnel):
                left.rekey_child()
                right.rekey_child()
                left.rekey_ike()
            checks.traffic_flows(world, place, tunnel, right, 100_000)
            left.down()
            checks.closed(world, left, right)


@scenario("harness: strongSwan with strongSwan behind a NAT")
def nat_works(world):
    tunnel = Tunnel()
    with checks.network(world, nat="left") as place:
        left, right = both(world, place, tunnel)
        with left, right:
            left.up()
            expect_equal(right.sas()[0]["nat-remote"], "yes", "the right one sees the NAT")
            checks.traffic_flows(world, place, tunnel, right)
