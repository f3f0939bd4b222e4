"""offload = "off", "auto", "require": what was asked for, what is in force, and why the two differ."""

from support.backends import Backend, echo
from support.ends import ProgramEnd
from support.keysluice import Keysluice, failing_start, server_service
from support.record_layer import expect_record_layer
from support.scenario import Skip, expect, expect_equal, scenario
from support.tls_client import TlsClient
from support.world import free_port, kernel_view


@scenario("offload: off keeps the records in userspace on every kernel, and says so")
def off(world):
    port = free_port()
    with Backend(echo) as backend:
        service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address], offload="off")
        with Keysluice(world, [service], engines=1) as sluice, TlsClient(world, ("127.0.0.1", port)) as client:
            client.echo(b"in userspace")
            shown = sluice.service()
            expect_equal(shown["active"], {"kernel": 0, "userspace": 1}, "who carries the connection")
            expect_equal(shown["reasons"], {"offload-off": 1}, "why")
            expect(not any("tcp-ulp-tls" in line for line in kernel_view(port)), "no socket has the kernel's layer")


@scenario("offload: auto takes the kernel where it can")
def auto(world):
    port = free_port()
    with Backend(echo) as backend:
        service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address], offload="auto")
        with Keysluice(world, [service], engines=1) as sluice, TlsClient(world, ("127.0.0.1", port)) as client:
            client.echo(b"wherever")
            expect_record_layer(world, sluice, "shop", port)
            expect_equal(sluice.status()["kernel"]["ktls"], world.kernel, "what status says about this kernel")


@scenario("offload: require is served by the kernel, or not at all")
def require(world):
    port = free_port()
    with Backend(echo) as backend:
        service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address], offload="require")
        if not world.kernel:
            expect("offload-required" in failing_start(world, service), "the log says why it ends at once")
            return
        with Keysluice(world, [service], engines=1) as sluice, TlsClient(world, ("127.0.0.1", port)) as client:
            client.echo(b"in the kernel")
            expect_record_layer(world, sluice, "shop", port)


@scenario("offload: require closes a connection that this kernel cannot carry")
def require_one(world):
    if not world.kernel:
        raise Skip("this kernel has no kTLS: such a service does not even start")
    port = free_port()
    with Backend(echo) as backend:
        service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address], offload="require")
        with Keysluice(world, [service], engines=1) as sluice:
            # A limit on the record size that OpenSSL's client asks for: the kernel would not keep to it.
            command = ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}", "-maxfraglen", "1024"]
            client = ProgramEnd(world, "s_client", command)
            expect_equal(client.read_some(100), b"", "what a client gets that the kernel cannot carry")
            sluice.await_failure("offload-required")
            expect_equal(len(backend.talks), 0, "connections that reached the backend")
