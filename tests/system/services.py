"""What a service can be: its addresses, its targets, whom it lets in."""

import signal

from support import processes
from support.backends import Backend, connect, echo, greet
from support.keysluice import Keysluice, client_service, server_service
from support.scenario import eventually, expect, expect_equal, expect_raises, scenario
from support.tls_client import REFUSED, TlsClient, client_context, expect_echo
from support.world import free_port


def local(port):
    return f"127.0.0.1:{port}"


@scenario("services: several in one process, on IPv4, IPv6 and unix sockets")
def several_services(world):
    four, six, other = free_port(), free_port("::1"), free_port()
    path, behind = world.directory / "listen.sock", world.directory / "behind.sock"
    listen = [local(four), f"[::1]:{six}", f"unix:{path}"]
    with Backend(greet(b"one")) as one, Backend(greet(b"two"), path=behind) as two:
        services = [server_service(world, "one", listen=listen, connect=[one.address]),
                    server_service(world, "two", listen=[local(other)], connect=[two.address])]
        with Keysluice(world, services) as sluice:
            for address in (("127.0.0.1", four), ("::1", six), path):
                with TlsClient(world, address) as client:
                    expect_equal(client.receive_exactly(3), b"one", f"the backend behind {address}")
            with TlsClient(world, ("127.0.0.1", other)) as client:
                expect_equal(client.receive_exactly(3), b"two", "the backend behind the second service")
            counts = [sum(sluice.service(name)["established"].values()) for name in ("one", "two")]
            expect_equal(counts, [3, 1], "connections counted by service")


@scenario("services: an IPv6 backend behind a client and a server service in a row")
def chained_services(world):
    outer, inner = free_port(), free_port()
    with Backend(echo, host="::1") as backend:
        services = [client_service(world, "out", listen=[local(outer)], connect=[local(inner)]),
                    server_service(world, "in", listen=[local(inner)], connect=[backend.address])]
        with Keysluice(world, services):
            with connect(("127.0.0.1", outer), world.patience(15)) as plain:
                plain.sendall(b"through both")
                expect_equal(plain.recv(100), b"through both", "the echo through two services")


@scenario("services: round robin over several targets")
def round_robin(world):
    port = free_port()
    with Backend(greet(b"A")) as a, Backend(greet(b"B")) as b, Backend(greet(b"C")) as c:
        service = server_service(world, listen=[local(port)], connect=[a.address, b.address, c.address])
        with Keysluice(world, [service], engines=1):
            reached = b""
            for _ in range(9):
                with TlsClient(world, ("127.0.0.1", port)) as client:
                    reached += client.receive_exactly(1)
    expect_equal(sorted(reached), sorted(b"AAABBBCCC"), f"nine connections over three targets (they went {reached})")


@scenario("services: the next target when one refuses")
def next_target(world):
    port, dead = free_port(), free_port()
    with Backend(echo) as alive:
        service = server_service(world, listen=[local(port)], connect=[local(dead), alive.address])
        with Keysluice(world, [service]):
            for _ in range(6):
                expect_echo(world, ("127.0.0.1", port))
        expect_equal(len(alive.talks), 6, "connections at the target that lives")


def with_policy(world, policy, identity, version):
    """Connects to a service with that client_certificate policy. Raises one of REFUSED if it is not let in."""
    port = free_port()
    with Backend(echo) as backend:
        service = server_service(world, listen=[local(port)], connect=[backend.address], client_certificate=policy,
                                 **({} if policy == "none" else {"ca": world.certificates.ca}))
        with Keysluice(world, [service], engines=1) as sluice:
            context = client_context(world, version, identity=identity)
            try:
                expect_echo(world, ("127.0.0.1", port), context)
            except REFUSED:
                eventually(lambda: sluice.failures(""), world.patience(15), "the refusal is counted")
                expect(sluice.failures("client-certificate") + sluice.failures("certificate"),
                       f"a reason that names the certificate, not {sluice.service()['failed']}")
                expect_equal(len(backend.talks), 0, "connections that reached the backend")
                raise


def policy_scenario(policy, identity, version, welcome):
    who = {None: "no certificate", "client": "a certificate of our CA", "stranger": "one of an unknown CA"}[identity]

    @scenario(f"services: client certificates {policy}, the client has {who}, TLS {version}: "
              f"{'served' if welcome else 'refused'}")
    def client_certificates(world):
        if welcome:
            with_policy(world, policy, identity, version)
        else:
            expect_raises(REFUSED, lambda: with_policy(world, policy, identity, version), "the connection")


for tls_version in ("1.2", "1.3"):
    policy_scenario("optional", None, tls_version, True)
    policy_scenario("optional", "client", tls_version, True)
    policy_scenario("optional", "stranger", tls_version, False)
    policy_scenario("required", None, tls_version, False)
    policy_scenario("required", "client", tls_version, True)
    policy_scenario("required", "stranger", tls_version, False)
policy_scenario("none", "client", "1.3", True)


@scenario("services: the status names a process that does not answer")
def silent_process(world):
    service = server_service(world, listen=[local(free_port())], connect=["127.0.0.1:9"])
    with Keysluice(world, [service], engines=1) as sluice:
        (engine,) = sluice.pids("engine")
        processes.send_signal(engine, signal.SIGSTOP)
        try:
            silent = [each["pid"] for each in sluice.status()["processes"] if not each["answered"]]
        finally:
            processes.send_signal(engine, signal.SIGCONT)
        expect_equal(silent, [engine], "processes that status says did not answer")
        sluice.complete_status()
