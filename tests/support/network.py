"""The network of the IKE scenarios: two gateways with a network behind each, and perhaps a NAT in between.

    10.1.0.0/24, fd01::/64 ─ left (192.0.2.1, 2001:db8::1) ─────── (192.0.2.2, 2001:db8::2) right ─ 10.2.0.0/24, fd02::/64

With a NAT before one of them, that one is 192.168.7.2 and the other sees it as its usual address."""

import copy
import dataclasses
import types

from support import netdevsim
from support.namespaces import Namespace

OUTER = {"left": {4: "192.0.2.1", 6: "2001:db8::1"}, "right": {4: "192.0.2.2", 6: "2001:db8::2"}}
UNSENT = ("XfrmOutStateInvalid", "XfrmOutNoStates")
INSIDE, NAT_INSIDE = "192.168.7.2", "192.168.7.1"
MASQUERADE = """
table ip nat {
  chain out { type nat hook postrouting priority srcnat; oifname "outside" masquerade; }
}
"""


@dataclasses.dataclass
class End:
    """One gateway's place. By IP version: `outer`, its address; `seen`, the one its peer knows; `network` behind it
    and `host`, an address of ours in that."""

    name: str
    namespace: Namespace
    outer: dict
    seen: dict
    network: dict
    host: dict

    @property
    def identity(self):
        return f"{self.name}.test"


def _end(name, number, behind_nat):
    outer = dict(OUTER[name])
    if behind_nat:
        outer[4] = INSIDE
    return End(name, Namespace(name), outer, OUTER[name],
               network={4: f"10.{number}.0.0/24", 6: f"fd0{number}::/64"},
               host={4: f"10.{number}.0.1", 6: f"fd0{number}::1"})


class Detour:
    """A NAT beside the wire between two gateways: the one before which it stands may take the way through it."""

    ADDRESS = "192.0.2.99"

    def __init__(self, inside, outside):
        self.inside, self.outside = inside, outside
        self.nat = Namespace("detour")
        # The other gateway has both the wire and the NAT in its network.
        self.nat.ip(f"link add inside type veth peer name through netns {self.inside.namespace.path}",
                    f"link add outside type veth peer name beside netns {self.outside.namespace.path}",
                    f"addr add {NAT_INSIDE}/24 dev inside", f"addr add {self.ADDRESS}/24 dev outside",
                    "link set inside up", "link set outside up")
        self.nat.switch(ipv4__ip_forward=1)
        self.nat.run("nft -f -", MASQUERADE)
        self.inside.namespace.ip(f"addr add {INSIDE}/24 dev through", "link set through up")
        self.outside.namespace.ip(f"addr add {self.outside.outer[4]}/32 dev beside", "link set beside up",
                                  f"route add {self.ADDRESS}/32 dev beside")

    def take(self, moves=False):
        """Packets to the other gateway, and to what is behind it, go through the NAT. `moves`: the gateway has no other
        address any more."""
        self._route(f"via {NAT_INSIDE} dev through")
        if moves:
            self.inside.namespace.ip(f"addr del {self.inside.outer[4]}/24 dev wire")

    def leave(self, moves=False):
        home = [f"addr add {self.inside.outer[4]}/24 dev wire", f"addr del {INSIDE}/24 dev through"]
        self.inside.namespace.ip(f"route del {self.outside.outer[4]}/32", *(home if moves else []),
                                 f"route replace {self.outside.network[4]} via {self.outside.outer[4]} dev wire")

    def _route(self, way):
        self.inside.namespace.ip(f"route replace {self.outside.outer[4]}/32 {way}",
                                 f"route replace {self.outside.network[4]} {way}")

    def remap(self):
        """As when the NAT was restarted: other ports from now on."""
        self.nat.run("nft -f -", "flush ruleset" + MASQUERADE.replace("masquerade", "meta l4proto udp masquerade to :62000-62999"))
        # What a device that goes down had masqueraded is forgotten.
        self.nat.ip("link set outside down", "link set outside up")


class Network:
    """`nat` names the gateway that is behind a NAT.

    `swans` names those where strongSwan is: in a rekeying it deletes the old outbound SA at once, and a packet that is
    with the kernel at that moment is not sent (UNSENT counts it). That is not held against anybody.

    `simulated`: the wire is a pair of netdevsim's devices. They pretend to offload ESP, so IKE gets through, and no ESP."""

    def __init__(self, nat=None, swans=("right",), simulated=False):
        self.swans = swans
        self.forgiven = set()
        self.left, self.right = _end("left", 1, nat == "left"), _end("right", 2, nat == "right")
        self.ends = (self.left, self.right)
        self.nat = None
        if nat:
            self._connect_through_nat(*((self.left, self.right) if nat == "left" else (self.right, self.left)))
        else:
            self._connect(simulated)

    def _connect(self, simulated):
        if simulated:
            netdevsim.connect(*(end.namespace for end in self.ends), "wire")
        else:
            self.left.namespace.ip(f"link add wire type veth peer name wire netns {self.right.namespace.path}")
        for end, other in (self.ends, self.ends[::-1]):
            self._dress(end, [f"addr add {end.outer[4]}/24 dev wire", f"addr add {end.outer[6]}/64 dev wire nodad",
                              "link set wire up", f"route add {other.network[4]} via {other.outer[4]}",
                              f"route add {other.network[6]} via {other.outer[6]}"])

    def _connect_through_nat(self, inside, outside):
        self.nat = Namespace("nat")
        self.nat.ip(f"link add inside type veth peer name wire netns {inside.namespace.path}",
                    f"link add outside type veth peer name wire netns {outside.namespace.path}",
                    f"addr add {NAT_INSIDE}/24 dev inside", f"addr add {inside.seen[4]}/24 dev outside",
                    "link set inside up", "link set outside up")
        self.nat.switch(ipv4__ip_forward=1)
        self.nat.run("nft -f -", MASQUERADE)
        self._dress(inside, [f"addr add {inside.outer[4]}/24 dev wire", "link set wire up",
                             f"route add default via {NAT_INSIDE}"])
        self._dress(outside, [f"addr add {outside.outer[4]}/24 dev wire", "link set wire up",
                              f"route add {inside.network[4]} via {inside.seen[4]}"])

    @staticmethod
    def _dress(end, commands):
        end.namespace.switch(ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0)
        end.namespace.ip(f"addr add {end.host[4]}/24 dev lo", f"addr add {end.host[6]}/64 dev lo nodad", *commands)

    def behind(self):
        """A host in another network behind each gateway: 10.11.0.2 and fd11::2 on the left, with 12 on the right. What
        is returned has `ends`, as a network."""
        return types.SimpleNamespace(ends=tuple(self._host_behind(end, 11 + index) for index, end in enumerate(self.ends)))

    def _host_behind(self, gateway, number):
        addresses = {4: f"10.{number}.0.%d", 6: f"fd{number}::%d"}
        host = Namespace(f"host behind {gateway.name}")
        gateway.namespace.ip(f"link add yard type veth peer name wire netns {host.path}")
        gateway.namespace.switch(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
        host.switch(ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0)
        far = 23 - number
        gateway.namespace.ip(f"addr add {addresses[4] % 1}/24 dev yard", f"addr add {addresses[6] % 1}/64 dev yard nodad",
                             "link set yard up", *(f"route add {network} via {self._other(gateway).outer[version]}"
                                                   for version, network in ((4, f"10.{far}.0.0/24"), (6, f"fd{far}::/64"))))
        host.ip(f"addr add {addresses[4] % 2}/24 dev wire", f"addr add {addresses[6] % 2}/64 dev wire nodad",
                "link set wire up", f"route add default via {addresses[4] % 1}", f"route add default via {addresses[6] % 1}")
        return dataclasses.replace(gateway, name=host.name, namespace=host,
                                   host={version: each % 2 for version, each in addresses.items()})

    def with_host(self, side, address, version):
        """The same, where traffic of one gateway comes from another address of it."""
        there = copy.copy(self)
        there.ends = tuple(dataclasses.replace(end, host={version: address}) if end.name == side else end
                           for end in self.ends)
        return there

    def _other(self, end):
        return self.right if end is self.left else self.left

    def remap(self, address=None):
        """As when the NAT was restarted: other ports from now on, and another address if there is one."""
        self.nat.run("nft -f -", "flush ruleset" + MASQUERADE.replace("masquerade", "meta l4proto udp masquerade to :62000-62999"))
        addresses = ["addr flush dev outside scope global", f"addr add {address}/24 dev outside"] if address else []
        # What a device that goes down had masqueraded is forgotten.
        self.nat.ip("link set outside down", *addresses, "link set outside up")

    def second_link(self):
        """Another link between the gateways, 198.51.100.1 and 198.51.100.2. Returns these by the ends' names."""
        self.left.namespace.ip(f"link add spare type veth peer name spare netns {self.right.namespace.path}")
        addresses = {"left": "198.51.100.1", "right": "198.51.100.2"}
        for end in self.ends:
            end.namespace.ip(f"addr add {addresses[end.name]}/24 dev spare", "link set spare up")
        return addresses

    def lead_by_second_link(self):
        """Both networks behind the gateways are routed that way."""
        for end, other in (("left", "198.51.100.2"), ("right", "198.51.100.1")):
            gateway = self.left if end == "left" else self.right
            gateway.namespace.ip(f"route replace {self._other(gateway).network[4]} via {other}")

    def detour(self, end):
        """Another way from this gateway to the other one, through a NAT that has an address there."""
        return Detour(end, self._other(end))

    def cut(self):
        """Nothing gets through any more. The links stay up, as they do when it happens far away."""
        for end in self.ends:
            end.namespace.run("tc qdisc add dev wire root netem loss 100%")

    def mend(self):
        for end in self.ends:
            end.namespace.run("tc qdisc del dev wire root")

    def errors(self):
        """The kernel's counts of packets that IPsec dropped, of both gateways, without those that are 0."""
        return {f"{name} on the {end.name}": count for end in self.ends
                for name, count in end.namespace.xfrm_statistics().items()
                if count and name not in self.forgiven
                and not (name in UNSENT and end.name in self.swans)}

    def unsent(self, end):
        """Packets that were with the kernel when strongSwan deleted their SA there: 0 where it is not."""
        counts = end.namespace.xfrm_statistics()
        return sum(counts[name] for name in UNSENT) if end.name in self.swans else 0

    def forgive(self, counter):
        """A counter that has to rise in a scenario."""
        self.forgiven.add(counter)
