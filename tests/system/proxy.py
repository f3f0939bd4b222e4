"""The PROXY protocol: whom the backend sees, and whom we believe to be the client."""

import struct

from support.backends import Backend, connect
from support.certificates import NAME
from support.keysluice import Keysluice, client_service, server_service
from support.proxies import LOCAL, HAProxy, Nginx, headers_into
from support.scenario import eventually, expect, expect_equal, expect_raises, scenario
from support.tls_client import REFUSED, TlsClient, client_context
from support.world import free_port

FAR = "127.0.0.9"  # a client that is nobody else
CARRIERS = ("auto", "off")


def address_of(connection):
    """Our own end of a connected socket, as a header has it."""
    return connection.getsockname()[:2]


def served(world, port, headers, context=None, source=(FAR, 0), preface=b""):
    """A client is served; returns what the backend was told of it, and the client's own address."""
    with TlsClient(world, ("127.0.0.1", port), context, source, preface) as client:
        client.echo(b"is anybody there?")
        expect_equal(len(headers), 1, "headers that the backend got")
        return headers.pop(), address_of(client.socket)


def sends(version, offload, tls):
    @scenario(f"PROXY: send_proxy {version}, offload {offload}, TLS {tls}: the backend is told who the client is")
    def told(world):
        headers, port = [], free_port()
        with Backend(headers_into(headers)) as backend:
            service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address],
                                     send_proxy=version, offload=offload, client_certificate="optional",
                                     ca=world.certificates.ca)
            with Keysluice(world, [service], engines=1) as sluice:
                for identity in (None, "client"):
                    context = client_context(world, tls, identity=identity)
                    header, client = served(world, port, headers, context)
                    expect_equal(header.client, client, "the client's address")
                    expect_equal(header.server, ("127.0.0.1", port), "the address that it connected to")
                    if version == "v2":
                        expect_tls(header, tls, identity)
                in_kernel = world.kernel and offload == "auto"
                expect_equal(sluice.service()["established"], {"kernel": 2 * in_kernel, "userspace": 2 * (not in_kernel)},
                             "who carries them")


def expect_tls(header, version, identity):
    flags, verify, more = header.tls()
    expect(3 in header.tlvs, "there is a checksum")
    expect_equal(header.tlvs[2], NAME.encode(), "the name that the client asked for")
    expect_equal(more[0x21], f"TLSv{version}".encode(), "the version")
    expect(b"AES" in more[0x23] or b"CHACHA" in more[0x23], f"the cipher's name, not {more[0x23]}")
    expect_equal((flags, verify == 0, more.get(0x22)), (7, True, b"client") if identity else (1, False, None),
                 "what is told of the client's certificate")


for each_offload in CARRIERS:
    sends("v1", each_offload, "1.3")
    sends("v2", each_offload, "1.3")
    sends("v2", each_offload, "1.2")


@scenario("PROXY: IPv6 and unix sockets on our side, a unix socket as the backend")
def other_families(world):
    headers, six = [], free_port("::1")
    path, behind = world.directory / "listen.sock", world.directory / "behind.sock"
    with Backend(headers_into(headers), path=behind) as backend:
        service = server_service(world, listen=[f"[::1]:{six}", f"unix:{path}"], connect=[backend.address],
                                 send_proxy="v2")
        with Keysluice(world, [service], engines=1):
            with TlsClient(world, ("::1", six)) as client:
                client.echo(b"six")
                header = headers.pop()
                expect_equal((header.client, header.server), (address_of(client.socket), ("::1", six)), "the addresses")
            with TlsClient(world, path) as client:
                client.echo(b"unix")
                header = headers.pop()
                expect_equal((header.client, header.server), ("", str(path)), "the paths")


@scenario("PROXY: a backend that refuses is passed over, and one alone ends the connection")
def refusing_backend(world):
    headers, port, dead = [], free_port(), free_port()
    with Backend(headers_into(headers)) as backend:
        services = [server_service(world, "two", listen=[f"127.0.0.1:{port}"], send_proxy="v1",
                                   connect=[f"127.0.0.1:{dead}", backend.address])]
        alone = free_port()
        services.append(server_service(world, "alone", listen=[f"127.0.0.1:{alone}"], send_proxy="v1",
                                       connect=[f"127.0.0.1:{dead}"]))
        with Keysluice(world, services, engines=1) as sluice:
            for _ in range(3):
                served(world, port, headers)
            def talk():
                with TlsClient(world, ("127.0.0.1", alone)) as client:
                    client.receive()
            expect_raises(REFUSED, talk, "a connection without a backend")
            sluice.await_failure("backend-unreachable", "alone")


def believes(accepted, version):
    """A service in front of a backend that is told by version 1."""

    def make(world, port, backend, **more):
        return server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address], accept_proxy=accepted,
                              send_proxy=version, **more)

    return make


def in_front(name, proxy, accepted):
    @scenario(f"PROXY: {name} in front, accept_proxy {accepted}: its client is ours, in the log as well")
    def front(world):
        headers, port = [], free_port()
        with Backend(headers_into(headers)) as backend:
            service = believes(accepted, "v1")(world, port, backend)
            with Keysluice(world, [service], engines=1, log_level="debug") as sluice, proxy(world, port) as program:
                header, client = served(world, program.port, headers)
                expect_equal(header.client, client, "the client that the backend is told of")
                expect_equal(header.server, ("127.0.0.1", program.port), "the address that it connected to")
                eventually(lambda: f"shop: {FAR}:{client[1]}: TLS 1.3" in sluice.log(), world.patience(5),
                           "the log names the client")
                with connect(("127.0.0.1", program.port), world.patience(15), (FAR, 0)) as stranger:
                    stranger.sendall(b"no TLS at all")
                    sluice.await_failure("not-tls")
                    eventually(lambda: f"shop: {FAR}:{address_of(stranger)[1]}:" in sluice.log(), world.patience(5),
                               "the log names the client that failed")


for each_accepted in ("v1", "any"):
    in_front("HAProxy with send-proxy", lambda world, port: HAProxy(world, server=f"127.0.0.1:{port} send-proxy"),
             each_accepted)
    in_front("nginx with proxy_protocol", lambda world, port: Nginx(
        world, stream=f"proxy_pass 127.0.0.1:{port}; proxy_protocol on;"), each_accepted)
for each_accepted in ("v2", "any"):
    in_front("HAProxy with send-proxy-v2", lambda world, port: HAProxy(world, server=f"127.0.0.1:{port} send-proxy-v2"),
             each_accepted)
in_front("HAProxy with send-proxy-v2 and a checksum",
         lambda world, port: HAProxy(world, server=f"127.0.0.1:{port} send-proxy-v2 proxy-v2-options crc32c,unique-id",
                                     rules="unique-id-format %ci.%cp"), "v2")


def behind_us(name, program, expected, version, offload):
    @scenario(f"PROXY: {name} behind us, send_proxy {version}, offload {offload}: it believes us")
    def behind(world):
        port = free_port()
        with program(world) as server:
            service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[f"127.0.0.1:{server.port}"],
                                     send_proxy=version, offload=offload)
            with Keysluice(world, [service], engines=1):
                with TlsClient(world, ("127.0.0.1", port), source=(FAR, 0)) as client:
                    client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
                    answer = b"".join(iter(client.receive, b"")).decode()
                    told = answer.partition("\r\n\r\n")[2].strip()
                    source = f"{FAR} {address_of(client.socket)[1]}"
                    expect_equal(told, expected(version, source, f"127.0.0.1 {port}"), "what it says of the client")


def haproxy_behind(world):
    return HAProxy(world, "accept-proxy", 'http-request return status 200 content-type text/plain lf-string '
                   '"%[src] %[src_port] %[dst] %[dst_port] %[fc_pp_authority]"')


def nginx_behind(world):
    return Nginx(world, "proxy_protocol", http='location / { return 200 "$proxy_protocol_addr $proxy_protocol_port '
                 '$proxy_protocol_server_addr $proxy_protocol_server_port"; }')


for each_version in ("v1", "v2"):
    for each_offload in CARRIERS:
        behind_us("HAProxy with accept-proxy", haproxy_behind,
                  lambda version, source, own: f"{source} {own} {NAME if version == 'v2' else ''}".strip(), each_version,
                  each_offload)
        behind_us("nginx with proxy_protocol", nginx_behind, lambda _, source, own: f"{source} {own}", each_version,
                  each_offload)


@scenario("PROXY: two keysluices in a row, and the backend sees the client of the first")
def chain(world):
    headers, outer, inner = [], free_port(), free_port()
    with Backend(headers_into(headers)) as backend:
        services = [client_service(world, "out", listen=[f"127.0.0.1:{outer}"], connect=[f"127.0.0.1:{inner}"],
                                   send_proxy="v2"),
                    server_service(world, "in", listen=[f"127.0.0.1:{inner}"], connect=[backend.address],
                                   accept_proxy="v2", send_proxy="v2")]
        with Keysluice(world, services):
            with connect(("127.0.0.1", outer), world.patience(15), (FAR, 0)) as plain:
                plain.sendall(b"through both")
                expect_equal(plain.recv(100), b"through both", "the echo through two services")
                header = headers.pop()
                expect_equal((header.client, header.server), (address_of(plain), ("127.0.0.1", outer)), "the addresses")
                expect_equal(header.tls()[2][0x21], b"TLSv1.3", "the TLS between the two")


@scenario("PROXY: LOCAL and UNKNOWN name nobody: the connection's own address holds")
def names_nobody(world):
    headers, port = [], free_port()
    with Backend(headers_into(headers)) as backend:
        with Keysluice(world, [believes("any", "v1")(world, port, backend)], engines=1):
            for preface in (LOCAL, b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 ::2 3 4\r\n"):
                header, client = served(world, port, headers, preface=preface)
                expect_equal((header.client, header.server), (client, ("127.0.0.1", port)), "the addresses")


@scenario("PROXY: who sends no header, another version, a malformed one or half of it is refused, and counted")
def refused(world):
    headers, one, any_port, hasty = [], free_port(), free_port(), free_port()
    too_long = LOCAL[:12] + b"\x21\x11" + struct.pack(">H", 5000)
    with Backend(headers_into(headers)) as backend:
        services = [believes("v1", "v1")(world, one, backend),
                    believes("any", "v1")(world, any_port, backend, name="any"),
                    believes("any", "v1")(world, hasty, backend, name="hasty", handshake_timeout="100ms")]
        with Keysluice(world, services, engines=1) as sluice:
            def attempt(port, preface):
                expect_raises(REFUSED, lambda: TlsClient(world, ("127.0.0.1", port), preface=preface).close(),
                              f"a connection that begins with {preface[:20]!r}")

            attempt(one, b"")
            sluice.await_failure("proxy-header-missing")
            attempt(one, LOCAL)
            sluice.await_failure("proxy-header-version")
            attempt(any_port, b"")
            sluice.await_failure("proxy-header-missing", "any")
            for count, preface in enumerate((b"PROXY TCP4 127.0.0.1\r\n", LOCAL[:12] + b"\x31\x11\0\0", too_long,
                                             b"PROXY UNKNOWN " + 100 * b"x"), start=1):
                attempt(any_port, preface)
                sluice.await_failure("proxy-header-malformed", "any", count)
            with connect(("127.0.0.1", hasty), world.patience(15)) as half:
                half.sendall(b"PROXY TCP4 127.0")
                sluice.await_failure("handshake-timeout", "hasty")
                expect_raises(ConnectionError, lambda: half.recv(10), "a connection with half a header")
            expect_equal(headers, [], "headers that came to the backend")
            served(world, one, headers, preface=b"PROXY TCP4 192.0.2.1 192.0.2.2 3 4\r\n")
            served(world, any_port, headers, preface=LOCAL)
