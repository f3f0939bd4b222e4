"""keysluice as a TLS client: other people's servers, each version and cipher; servers that must not be trusted."""

from interop import peers
from support.backends import accept_one, connect
from support.certificates import NAME
from support.ends import SocketEnd, exchange, listener_for_one
from support.keysluice import Keysluice, client_service
from support.record_layer import expect_record_layer
from support.scenario import eventually, expect, expect_equal, scenario
from support.world import free_port, tls_decrypt_errors


def near_and_far(world, **more):
    """The plaintext port that we connect to, the TLS server's port, and the service between them."""
    near, far = free_port(), free_port()
    return near, far, client_service(world, listen=[f"127.0.0.1:{near}"], connect=[f"127.0.0.1:{far}"], **more)


def carry_and_compare(world, sluice, far, client, server):
    """`client` and `server` are the two plaintext ends."""
    exchange(world, client, server, world.payload, lambda: expect_record_layer(world, sluice, "out", far))
    client.close()
    server.close()
    sluice.await_idle("out")


def through_openssl(world, version, cipher):
    near, far, service = near_and_far(world)
    server = peers.openssl_server(world, far, version, cipher)
    with Keysluice(world, [service], engines=1) as sluice:
        client = SocketEnd(connect(("127.0.0.1", near), world.patience(60)))
        carry_and_compare(world, sluice, far, client, server)


def through_stunnel(world, version, cipher):
    near, far, service = near_and_far(world)
    with listener_for_one() as listener, Keysluice(world, [service], engines=1) as sluice:
        peers.stunnel_server(world, far, version, cipher, listener.getsockname()[1])
        client = SocketEnd(connect(("127.0.0.1", near), world.patience(60)))
        server = SocketEnd(accept_one(listener, world.patience(60)))
        carry_and_compare(world, sluice, far, client, server)


def server_scenario(program, through, version, cipher):
    @scenario(f"interop: {program} as server, TLS {version}, {cipher}")
    def server(world):
        errors_before = tls_decrypt_errors()
        through(world, version, cipher)
        expect_equal(tls_decrypt_errors(), errors_before, "TlsDecryptError in /proc/net/tls_stat")


for tls_version in peers.VERSIONS:
    for tls_cipher in peers.CIPHERS:
        server_scenario("openssl s_server", through_openssl, tls_version, tls_cipher)
        server_scenario("stunnel", through_stunnel, tls_version, tls_cipher)


@scenario("interop: client mode sends the server name and presents its certificate")
def name_and_certificate(world):
    certificates = world.certificates
    near, far, service = near_and_far(world, certificate=certificates.certificate("client"),
                                      private_key=f"file:{certificates.key('client')}")
    # s_server answers with its second certificate, the one that is right, only to a hello that asks for that name.
    server = peers.openssl_server(
        world, far, "1.3", "AES-128-GCM", "-Verify", "2", "-verify_return_error", "-CAfile", certificates.ca,
        "-servername", NAME, "-cert2", certificates.certificate("server"), "-key2", certificates.key("server"),
        identity="misnamed")
    with Keysluice(world, [service], engines=1) as sluice:
        with connect(("127.0.0.1", near), world.patience(30)) as client:
            client.sendall(b"who am I?")
            expect_equal(server.read_some(9), b"who am I?", "what the server got")
        log = (world.directory / "s_server.log").read_text(errors="replace")
        expect("CN = client" in log or "CN=client" in log, f"the server saw our certificate; it logged: {log}")
        expect_equal(sluice.service("out")["failed"], {}, "failures that status counts")


def distrusted(world, identity, reason_text):
    """A server with that certificate: nothing goes to it, the plaintext client is cut off, and the log says why."""
    near, far, service = near_and_far(world)
    server = peers.openssl_server(world, far, "1.3", "AES-128-GCM", identity=identity)
    with Keysluice(world, [service], engines=1) as sluice:
        try:
            with connect(("127.0.0.1", near), world.patience(30)) as client:
                client.sendall(b"a secret for the right server only")
                expect_equal(client.recv(100), b"", "what comes back from a server that is not trusted")
        except (ConnectionResetError, BrokenPipeError):
            pass  # as good a refusal, and it may come before connect() has returned
        sluice.await_failure("certificate", "out")
        eventually(lambda: reason_text in sluice.log().lower(), world.patience(10),
                   f"the log says {reason_text!r}")
        expect_equal(sum(sluice.service("out")["established"].values()), 0, "connections established")
    server.process.kill()
    expect_equal(server.read_some(100), b"", "what reached a server that is not trusted")


@scenario("interop: client mode refuses a server with another name")
def wrong_name(world):
    distrusted(world, "misnamed", "keysluice.test")


@scenario("interop: client mode refuses a server of an unknown CA")
def unknown_ca(world):
    distrusted(world, "impostor", "issuer")


@scenario("interop: client mode refuses a server whose certificate has expired")
def expired(world):
    distrusted(world, "expired", "expired")
