"""What the journal has of a network device that loses its feature and has it again."""

import json

from support import netdevsim
from support.scenario import Skip, eventually, expect, expect_equal, scenario
from support.sluice_unit import UNIT, SluiceUnit, is_systemd_here, run
from support.tunnel import Tunnel
from ike.basics import both_have_it, gateways
from ike.offload import FEATURE, WITHOUT_FEATURE, pretending


def entries(event):
    """Of that kind, oldest first, with their fields."""
    lines = run("journalctl", "--no-pager", "-o", "json", "-u", UNIT, f"KEYSLUICE_EVENT={event}").splitlines()
    return [json.loads(line) for line in lines]


def fields(entry):
    return {name: entry.get(f"KEYSLUICE_{name}") for name in ("CONNECTION", "CHILD", "REASON", "SPI_IN", "SPI_OUT")}


@scenario("units: a device loses its feature and has it again, and the journal has both with their fields")
def journal(world):
    if not is_systemd_here():
        raise Skip("process 1 is not systemd")
    with pretending(), gateways(world, Tunnel(), simulated=True, kind=SluiceUnit) as (_, both):
        ours = both["keysluice"]
        both["strongSwan"].up()
        both_have_it(world, both)
        ((inbound, outbound),) = ours.children()
        whose = {"CONNECTION": "peer", "CHILD": "net", "SPI_IN": f"{inbound:08x}", "SPI_OUT": f"{outbound:08x}"}
        for on, event, reason in ((False, "offload-lost", "offload-lost"), (True, "offload-regained", None)):
            netdevsim.switch(ours.end.namespace, "wire", FEATURE, on)
            (entry,) = eventually(lambda event=event: entries(event), world.patience(20), f"{event} is in the journal")
            expect_equal(fields(entry), whose | {"REASON": reason}, f"fields of {event}")
            if reason:
                expect(WITHOUT_FEATURE[3] in entry["MESSAGE"], f"the reason is in {entry['MESSAGE']!r}")
