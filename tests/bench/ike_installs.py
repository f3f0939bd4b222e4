"""How long keysluiced's event loop keeps everybody waiting while the kernel takes the SAs of IKE SAs that are being made."""

from bench import ike


def measure(peer, plan):
    return ike.rounds(peer, plan.ike_installs)
