"""Engine and relay confine themselves, whoever started them."""

import os
import pathlib

from support.backends import Backend, echo
from support.keysluice import Keysluice, server_service
from support.scenario import eventually, expect, expect_equal, scenario
from support.world import free_port


def state_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@scenario("confinement: no privileges, no capabilities, a filter of system calls, no descriptors but their own")
def processes_confine_themselves(world):
    # Sanitizers trace and write files: the filter is left out.
    filtered = "asan" not in world.programs.parts and "tsan" not in world.programs.parts
    with Backend(echo) as backend:
        service = server_service(world, listen=[f"127.0.0.1:{free_port()}"], connect=[backend.address])
        with Keysluice(world, [service], engines=1) as sluice:
            # Ready is who has an engine; a relay may come later.
            eventually(lambda: sluice.pids("engine") and sluice.pids("relay"), 20, "an engine and a relay are there")
            for each in sluice.complete_status()["processes"]:
                if each["kind"] not in ("engine", "relay"):
                    continue
                state, kind = state_of(each["pid"]), each["kind"]
                expect_equal(state["NoNewPrivs"], "1", f"{kind}: NoNewPrivs")
                expect_equal(state["Seccomp"], "2" if filtered else "0", f"{kind}: Seccomp")
                for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                    expect_equal(int(state[capabilities], 16), 0, f"{kind}: {capabilities}")
                for fd in os.listdir(f"/proc/{each['pid']}/fd"):
                    target = os.readlink(f"/proc/{each['pid']}/fd/{fd}")
                    own = target.startswith(("socket:", "anon_inode:", "/memfd:"))
                    expect(int(fd) <= 2 or own, f"{kind}: descriptor {fd} is {target}")
