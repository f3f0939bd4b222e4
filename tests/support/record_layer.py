"""Who carries the records, as keysluice says it and as the kernel says it: both must agree."""

from support.scenario import expect, expect_equal
from support.world import kernel_view


def expect_record_layer(world, sluice, name, port):
    """At least one connection of the service stands, and all of them are where this kernel lets them be. `port` is
    the TLS side's."""
    active = sluice.service(name)["active"]
    ours, other = ("kernel", "userspace") if world.kernel else ("userspace", "kernel")
    expect(active.get(ours, 0) >= 1, f"status shows a connection carried by the {ours}; it shows {active}")
    expect_equal(active.get(other, 0), 0, f"connections that status shows in the {other}")
    if world.kernel:
        _expect_kernel_carries(port)
    else:
        reasons = sluice.service(name)["reasons"]
        expect(reasons.get("kernel-without-ktls", 0) >= 1, f"status says why: kernel-without-ktls; it says {reasons}")


def _expect_kernel_carries(port):
    carried = [line for line in kernel_view(port) if "tcp-ulp-tls" in line]
    expect(carried, f"ss shows a socket with tcp-ulp-tls on port {port}; it shows {kernel_view(port)}")
    for line in carried:
        expect("rxconf: sw" in line and "txconf: sw" in line, f"rxconf: sw txconf: sw in what ss shows: {line}")
