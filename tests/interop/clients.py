"""keysluice as a TLS server: other people's clients, each version and cipher, payload both ways, who carries it."""

from interop import peers
from support.ends import HttpEnd, SocketEnd, exchange, listener_for_one
from support.backends import accept_one
from support.keysluice import Keysluice, server_service
from support.record_layer import expect_record_layer
from support.scenario import expect_equal, scenario
from support.world import free_port, tls_decrypt_errors


def serve_one(world, make_client, version, cipher):
    port, errors_before = free_port(), tls_decrypt_errors()
    with listener_for_one() as listener:
        service = server_service(world, listen=[f"127.0.0.1:{port}"],
                                 connect=[f"127.0.0.1:{listener.getsockname()[1]}"])
        with Keysluice(world, [service], engines=1) as sluice:
            client = make_client(world, port, version, cipher)
            if client.blind:
                backend = HttpEnd(world, listener)
            else:
                backend = SocketEnd(accept_one(listener, world.patience(60)))
            exchange(world, client, backend, world.payload,
                     lambda: expect_record_layer(world, sluice, "shop", port))
            backend.close()
            client.close()
            sluice.await_idle()
            expect_equal(sluice.service()["failed"], {}, "failures that status counts")
    expect_equal(tls_decrypt_errors(), errors_before, "TlsDecryptError in /proc/net/tls_stat")


def client_scenario(program, make_client, version, cipher):
    @scenario(f"interop: {program} as client, TLS {version}, {cipher}")
    def client(world):
        serve_one(world, make_client, version, cipher)


for tls_version in peers.VERSIONS:
    for tls_cipher in peers.CIPHERS:
        client_scenario("openssl s_client", peers.openssl_client, tls_version, tls_cipher)
        client_scenario("gnutls-cli", peers.gnutls_client, tls_version, tls_cipher)
        client_scenario("curl", peers.curl_client, tls_version, tls_cipher)
        client_scenario("stunnel", peers.stunnel_client, tls_version, tls_cipher)
