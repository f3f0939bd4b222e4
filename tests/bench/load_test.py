"""The load generators must notice a service that does its job badly."""

import contextlib
import json
import os
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from bench import service, site

READY = os.access(site.TOOLS / "handshake_load", os.X_OK)


def serve_one(context, plain, answer):
    try:
        with context.wrap_socket(plain, server_side=True) as connection:
            answer(connection)
            connection.unwrap().close()
    except OSError:
        plain.close()


def serve_all(listener, context, answer):
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve_one, args=(context, plain, answer), daemon=True).start()


@contextlib.contextmanager
def tls_service(answer):
    """A TLS service that hands each connection to `answer(connection)`; yields its port."""
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as listener:
        certificate, key, _ = site.make_certificate(Path(name))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        threading.Thread(target=serve_all, args=(listener, context, answer), daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def run(tool, *arguments):
    return subprocess.run([site.TOOLS / tool, *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False)


def echo(connection):
    connection.sendall(connection.recv(5))


def echo_on(connection):
    while data := connection.recv(65536):
        connection.sendall(data)


def receive(connection, length):
    got = b""
    while len(got) < length:
        got += connection.recv(length - len(got))
    return got


def relay_badly(damage):
    """An answer that carries an upload to the real backend and lets `damage` change what it carries."""
    def answer(connection, port):
        with socket.create_connection(("127.0.0.1", port)) as backend:
            head = receive(connection, 9)
            payload = receive(connection, int.from_bytes(head[1:], "big"))
            backend.sendall(head + damage(payload))
            connection.sendall(receive(backend, 32))
            connection.recv(1)
    return answer


@unittest.skipUnless(READY, "the target bench is not built")
class HandshakeLoad(unittest.TestCase):
    def test_counts_full_handshakes(self):
        with tls_service(echo) as port:
            result = json.loads(run("handshake_load", port, 20, 4, "full").stdout)
        self.assertEqual((result["count"], result["resumed"], result["closed_without_notify"]), (20, 0, 0))
        self.assertLessEqual(result["p50_us"], result["p99_us"])

    def test_resumes_with_each_ticket_once(self):
        with tls_service(echo) as port:
            result = json.loads(run("handshake_load", port, 20, 1, "resumed").stdout)
        self.assertEqual((result["count"], result["resumed"]), (20, 19))

    def test_a_wrong_echo_is_a_failure(self):
        with tls_service(lambda connection: connection.sendall(connection.recv(5).upper())) as port:
            done = run("handshake_load", port, 4, 1, "full")
        self.assertEqual(done.returncode, 1)
        self.assertIn("echo-damaged", done.stderr)

    def test_a_refused_connection_is_a_failure(self):
        done = run("handshake_load", service.free_port(), 4, 1, "full")
        self.assertEqual(done.returncode, 1)

    def test_a_bad_argument_is_named(self):
        self.assertIn("expected", run("handshake_load", 1, "many", 1, "full").stderr)


@unittest.skipUnless(READY, "the target bench is not built")
class HoldLoad(unittest.TestCase):
    def test_holds_none_then_all(self):
        with tls_service(echo) as port:
            done = run("hold_load", port, 5)
        self.assertEqual((done.returncode, done.stdout.split()), (0, ["0", "5"]))

    def test_a_wrong_echo_is_a_failure(self):
        with tls_service(lambda connection: connection.sendall(b"nope!")) as port:
            self.assertIn("echo-damaged", run("hold_load", port, 2).stderr)


@unittest.skipUnless(READY, "the target bench is not built")
class EchoLoads(unittest.TestCase):
    def test_echoes_are_timed_while_others_come(self):
        with tls_service(echo_on) as port:
            result = json.loads(run("echo_load", port, 3, 50, 100).stdout)
        self.assertLessEqual(result["p50_us"], result["p99_us"])
        self.assertGreater(result["handshakes"], 0)

    def test_keys_are_changed(self):
        with tls_service(echo_on) as port:
            for what in ("keep", "change"):
                self.assertEqual(json.loads(run("rekey_load", port, 3, what).stdout)["rounds"], 3)

    def test_a_wrong_echo_is_a_failure(self):
        with tls_service(lambda connection: connection.sendall(b"nope!")) as port:
            self.assertIn("echo-damaged", run("echo_load", port, 2, 10, 1).stderr)
            self.assertIn("echo-damaged", run("rekey_load", port, 2, "keep").stderr)


@unittest.skipUnless(READY, "the target bench is not built")
class TransferLoad(unittest.TestCase):
    SIZE = 300000  # neither whole records nor whole chunks

    def upload(self, damage):
        port = service.free_port()
        with tempfile.TemporaryDirectory() as folder:
            command = [str(site.TOOLS / "transfer_backend"), str(port)]
            with service.Program("transfer_backend", command, port, folder):
                carry = relay_badly(damage)
                with tls_service(lambda connection: carry(connection, port)) as front:
                    return run("transfer_load", front, "upload", self.SIZE, "TLS_CHACHA20_POLY1305_SHA256")

    def test_a_faithful_relay_passes(self):
        self.assertEqual(json.loads(self.upload(lambda payload: payload).stdout)["bytes"], self.SIZE)

    def test_one_wrong_bit_is_noticed(self):
        done = self.upload(lambda payload: payload[:-1] + bytes([payload[-1] ^ 1]))
        self.assertIn("payload-damaged", done.stderr)

    def test_swapped_blocks_are_noticed(self):
        done = self.upload(lambda payload: payload[65536:131072] + payload[:65536] + payload[131072:])
        self.assertIn("payload-damaged", done.stderr)

    def test_an_unknown_cipher_suite_is_refused(self):
        self.assertIn("unknown cipher suite", run("transfer_load", 1, "upload", 8, "TLS_ROT13").stderr)


if __name__ == "__main__":
    unittest.main()
