"""What may go through a CHILD SA: networks behind both gateways, the other IP version, protocols and ranges of ports."""

import dataclasses

from support import checks, traffic
from support.scenario import expect_equal, scenario
from support.tunnel import Tunnel
from ike.basics import SIDES, both_have_it, gateways

SMALL = 100_000
FIRST_PORT, LAST_PORT = 5000, 5010  # no prefix and mask: the kernel needs several


def behind_both(world, initiator, family):
    """Hosts in a network behind each gateway, which forwards for them: the policies `in` and `fwd` let them through."""
    tunnel = Tunnel(family=family)
    left, right = ([f"10.{number}.0.0/24", f"fd0{number}::/64", f"10.1{number}.0.0/24", f"fd1{number}::/64"]
                   for number in (1, 2))
    with gateways(world, tunnel, initiator, sluice={"child": {"local_ts": left, "remote_ts": right}},
                  swan={"child": {"local_ts": right, "remote_ts": left}}) as (place, both):
        both[initiator].up()
        both_have_it(world, both)
        yards = place.behind()
        # A first segment of 1,500 octets does not fit with ESP around it: its sender is told so by ICMP, and learns.
        place.forgive("XfrmOutStateModeError")
        for inner in (4, 6):
            for where, caller in ((yards, "left"), (yards, "right"), (place, "left")):
                checks.traffic_flows(world, where, dataclasses.replace(tunnel, carries=inner), both["strongSwan"], SMALL,
                                     caller)
        both["strongSwan"].rekey_child()
        checks.traffic_flows(world, yards, tunnel, both["strongSwan"])


def other_version(world, initiator, family):
    tunnel = Tunnel(family=family, carries=10 - family)
    with gateways(world, tunnel, initiator) as (place, both):
        both[initiator].up()
        both_have_it(world, both)
        checks.traffic_flows(world, place, tunnel, both["strongSwan"])
        both["strongSwan"].rekey_child()
        checks.traffic_flows(world, place, tunnel, both["strongSwan"], SMALL)
        both[initiator].down()
        checks.closed(world, *both.values())


def ports(world, initiator):
    """Only TCP to some ports on the right, and what comes back from there, is protected."""
    tunnel = Tunnel()
    left, right = "10.1.0.0/24", "10.2.0.0/24"
    chosen = f"{FIRST_PORT}-{LAST_PORT}"
    with gateways(world, tunnel, initiator,
                  sluice={"child": {"local_ts": [f"{left}/tcp"], "remote_ts": [f"{right}/tcp/{chosen}"]}},
                  swan={"child": {"local_ts": [f"{right}[tcp/{chosen}]"], "remote_ts": [f"{left}[tcp]"]}}) as (place, both):
        swan = both["strongSwan"]
        both[initiator].up()
        both_have_it(world, both)
        for port in (FIRST_PORT, FIRST_PORT + 8, LAST_PORT):
            checks.traffic_flows(world, place, tunnel, swan, SMALL, port=port)
        before = swan.carried()
        with place.right.namespace.entered():
            traffic.scatter(place.left, tunnel.hosts(place)[0], tunnel.hosts(place)[1], 5)
        expect_equal(swan.carried(), before, "what strongSwan counts after UDP packets, which are not to be protected")


def register():
    for initiator in SIDES:
        for family in (4, 6):
            scenario(f"selectors: networks behind both gateways, IPv{family} outside, {initiator} begins")(
                lambda world, initiator=initiator, family=family: behind_both(world, initiator, family))
            scenario(f"selectors: IPv{10 - family} in IPv{family}, {initiator} begins")(
                lambda world, initiator=initiator, family=family: other_version(world, initiator, family))
        scenario(f"selectors: TCP and a range of ports, {initiator} begins")(
            lambda world, initiator=initiator: ports(world, initiator))


register()
