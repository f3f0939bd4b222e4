"""A TLS client whose records pass through our hands: they can be spoilt, cut off, and told from a bare FIN."""

import ssl

from support.backends import connect
from support.certificates import NAME
from support.scenario import Failure, expect_equal

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
REFUSED = (ssl.SSLError, ConnectionError)


class Truncated(ConnectionError):
    """The TCP connection ended without close_notify."""


def client_context(world, version=None, ciphers=None, identity=None):
    """`version` "1.2" or "1.3", both if left out; `identity` names the client certificate to present."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(world.certificates.ca)
    if version:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    if ciphers:
        context.set_ciphers(ciphers)
    if identity:
        context.load_cert_chain(world.certificates.certificate(identity), world.certificates.key(identity))
    return context


class TlsClient:
    """Blocking. Connects, says `preface` as it is and shakes hands in the constructor; `address` is ("host", port) or a
    unix path. `session`: one of an earlier client with the same context, to be resumed."""

    def __init__(self, world, address, context=None, source=None, preface=b"", session=None):
        self.world = world
        self.socket = connect(address, world.patience(30), source)
        self.socket.sendall(preface)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = context or client_context(world)
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=NAME, session=session)
        try:
            self._drive(self.tls.do_handshake)
        except BaseException:
            self.socket.close()
            raise

    def _drive(self, step, *arguments):
        while True:
            try:
                return step(*arguments)
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            finally:
                self._flush()

    def _flush(self):
        if data := self._outgoing.read():
            self.socket.sendall(data)

    def _fill(self):
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            raise Failure("keysluice sent nothing for too long") from None
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def seal(self, data):
        """The records that carry `data`, not sent."""
        self.tls.write(data)
        return self._outgoing.read()

    def send(self, data):
        self.socket.sendall(self.seal(data))

    def receive(self, size=1 << 16):
        """Plaintext; empty at the peer's close_notify; Truncated where the connection ended without one."""
        try:
            return self._drive(self.tls.read, size)
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLEOFError:
            raise Truncated("the connection ended without close_notify") from None

    def receive_exactly(self, size):
        data = bytearray()
        while len(data) < size:
            piece = self.receive(size - len(data))
            if not piece:
                raise Failure(f"keysluice closed after {len(data)} of {size} bytes")
            data += piece
        return bytes(data)

    def echo(self, data):
        """Sends, and demands the same back from the echo server behind keysluice."""
        self.send(data)
        expect_equal(self.receive_exactly(len(data)) == data, True, "the echo equals what was sent")

    def close_notify(self):
        """Ends our direction and leaves the other one open."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self._flush()

    def close(self):
        """Ends as a well-behaved client does."""
        try:
            self.close_notify()
        except (OSError, ssl.SSLError):
            pass
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def expect_echo(world, address, context=None):
    """A new client is served. (In TLS 1.3 a server's refusal shows only after the client's handshake is done.)"""
    with TlsClient(world, address, context) as client:
        client.echo(b"is anybody there?")
