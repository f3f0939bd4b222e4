"""What does not fit: keysluice's sentence and its reason code, whoever begins, and nothing is left in the kernel."""

import dataclasses

from support import checks
from support.scenario import Failure, eventually, expect, expect_raises, scenario
from support.tunnel import Tunnel
from ike.basics import SIDES, gateways


@dataclasses.dataclass(frozen=True)
class Misfit:
    """What strongSwan has that differs, and the reason code that keysluice gives: as a responder, as an initiator.
    `says` has to stand in the responder's sentence. `stays`: only the CHILD SA fails, the IKE SA stands."""

    what: str
    responder: str
    initiator: str
    says: str
    ours: dict = dataclasses.field(default_factory=dict)
    theirs: dict = dataclasses.field(default_factory=dict)
    connection: dict = dataclasses.field(default_factory=dict)
    child: dict = dataclasses.field(default_factory=dict)
    stays: bool = False


MISFITS = (
    Misfit("another pre-shared key", "auth-failed", "auth-refused", "right.test", theirs={"secret": "guessed"}),
    Misfit("no common IKE proposal", "no-proposal-chosen", "no-proposal-chosen", "aes256-.*sha512.*modp4096.*aes128gcm16",
           theirs={"proposal": "aes256-sha512-modp4096"}),
    Misfit("no common ESP proposal", "no-proposal-chosen", "child-refused", "aes256-.*sha512.*aes128gcm16",
           theirs={"esp": "aes256-sha512"}, stays=True),
    Misfit("no common traffic", "ts-unacceptable", "ts-unacceptable", "10.9.0.0",
           child={"local_ts": ["10.9.0.0/24"]}, stays=True),
    Misfit("another mode", "mode-refused", "mode-refused", "tunnel mode", ours={"mode": "transport"},
           child={"local_ts": ["192.0.2.2/32"], "remote_ts": ["192.0.2.1/32"]}, stays=True),
    Misfit("a stranger's identity", "no-connection|peer-identity", "auth-refused", "stranger.test",
           connection={"local": {"auth": "psk", "id": "stranger.test"}}),
)


def refused(world, misfit, initiator):
    tunnel, theirs = Tunnel(**misfit.ours), Tunnel(**misfit.theirs)
    swan = {"connection": misfit.connection, "child": misfit.child}
    with gateways(world, tunnel, initiator, swan=swan, theirs=theirs) as (_, both):
        ours, swan = both["keysluice"], both["strongSwan"]
        if initiator == "strongSwan":
            expect_raises(Failure, swan.initiate, "initiating by strongSwan")
        reason = misfit.responder if initiator == "strongSwan" else misfit.initiator
        line = ours.await_log(rf"\(({reason})\)|({reason}):")
        world.note(line)
        if initiator == "strongSwan":
            ours.await_log(misfit.says)
        eventually(lambda: not ours.children() and not swan.children(), world.patience(10), "nobody has a CHILD SA")
        expect(not checks.left_in_kernel(ours.end.namespace), "keysluice left something in the kernel")
        if initiator == "strongSwan":
            expect(bool(ours.sas()) == misfit.stays, f"keysluice has {len(ours.sas())} IKE SAs")


for _misfit in MISFITS:
    for _initiator in SIDES:
        scenario(f"refusals: {_misfit.what}, {_initiator} begins")(
            lambda world, misfit=_misfit, initiator=_initiator: refused(world, misfit, initiator))
