"""What every IKE scenario looks at: real traffic flows, through the tunnel, and the kernel drops none of it."""

import contextlib
import re

from support import traffic
from support.network import Network
from support.scenario import Skip, eventually, expect, expect_equal


@contextlib.contextmanager
def network(world, nat=None, swans=("right",), simulated=False):
    """The network of a scenario. At its end no error counter of /proc/net/xfrm_stat may have moved."""
    if not world.kernel:
        raise Skip("this kernel has no ESP")
    made = Network(nat, swans, simulated)
    before = made.errors()
    yield made
    expect_equal(made.errors(), before, "/proc/net/xfrm_stat of both gateways")


def traffic_flows(world, place, tunnel, peer, size=None, caller="left", port=0):
    """A transfer each way, which strongSwan has to have seen as ESP. `peer` is that strongSwan, the rest as for
    traffic.transfer()."""
    size = size or world.payload
    for _ in range(5):
        counted, before = peer.children(), peer.carried()
        traffic.transfer(world, place, tunnel, size, caller, port)
        after = peer.carried()
        if peer.children() == counted:  # a CHILD SA that was replaced meanwhile took its count with it
            break
    for way, first, last in zip(("in", "out"), before, after):
        expect(last - first >= size, f"{peer} counts {last - first} bytes {way} by ESP, of {size} that were transferred")


def left_in_kernel(namespace):
    """Its SAs and policies, other than the sockets' own."""
    policies = re.findall(r"^src .*\n\tdir .*$", namespace.run("ip xfrm policy"), re.MULTILINE)
    return re.findall("^src .*\n.*$", namespace.run("ip xfrm state"), re.MULTILINE) + policies


def sas_go_between(world, namespace, one, other, within=30):
    """Waits until the SAs in the kernel have these outer addresses, and no others."""
    pairs = {(one, other), (other, one)}
    eventually(lambda: set(re.findall(r"^src (\S+) dst (\S+)", namespace.run("ip xfrm state"), re.MULTILINE)) == pairs,
               world.patience(within), f"the SAs of {namespace.name} go between {one} and {other}")


def closed(world, *gateways):
    """Waits until no gateway has a CHILD SA, and its kernel nothing of one."""
    for each in gateways:
        eventually(lambda: not each.children(), world.patience(20), f"{each} has no CHILD SA left")
        eventually(lambda: not left_in_kernel(each.end.namespace), world.patience(20),
                   f"the kernel on the {each.end.name} has no SA and no policy left")
