"""What two gateways are to agree on, and what both kinds of gateway can be asked."""

import dataclasses
import re

from support.scenario import eventually


@dataclasses.dataclass(frozen=True)
class Tunnel:
    """A connection with one child `net`, as both gateways are to be told. In strongSwan's keywords."""

    mode: str = "tunnel"
    family: int = 4
    carries: int = 0  # the IP version inside, where it is another one than the gateways'
    proposal: str = "aes128gcm16-prfsha256-x25519"
    esp: str = "aes128gcm16"
    secret: str = "a secret that both gateways know"

    def hosts(self, network):
        """The addresses between which its traffic flows, left and right."""
        if self.mode == "transport":
            return tuple(end.outer[self.family] for end in network.ends)
        return tuple(end.host[self.inner] for end in network.ends)

    @property
    def inner(self):
        return self.carries or self.family


class Gateway:
    """`with` starts and stops it. up(), down(), rekey_child() and rekey_ike() return when this side is done, and fail
    where that fails; children() tells of each CHILD SA that stands here (inbound SPI, outbound SPI)."""

    def __init__(self, world, end, peer, tunnel):
        self.world, self.end, self.peer, self.tunnel = world, end, peer, tunnel

    def __str__(self):
        return f"{self.kind} on the {self.end.name}"

    def log(self):
        return self.log_file.read_text(errors="replace")

    def await_log(self, pattern):
        """Waits for a line that matches and returns it."""
        def search():
            return re.search(f".*{pattern}.*", self.log())
        return eventually(search, self.world.patience(6), f"{self} logs {pattern!r}").group(0)
