"""Hands keys to the kernel for both directions of a TCP connection over loopback and sends data each way: one line per cipher."""
import os, socket, struct, threading

TCP_ULP, SOL_TLS, TLS_TX, TLS_RX = 31, 282, 1, 2
VERSIONS = {"TLS 1.2": 0x0303, "TLS 1.3": 0x0304}
# name: number in <linux/tls.h>, lengths of iv, key and salt
CIPHERS = {
    "AES-128-GCM": (51, 8, 16, 4),
    "AES-256-GCM": (52, 8, 32, 4),
    "AES-128-CCM": (53, 8, 16, 4),
    "ChaCha20-Poly1305": (54, 12, 32, 0),
}


def connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


def check(version, cipher):
    number, iv, key, salt = CIPHERS[cipher]
    # One key for each direction, then a record sequence number of zero.
    infos = [struct.pack("=HH", VERSIONS[version], number) + os.urandom(iv + key + salt) + bytes(8) for _ in range(2)]
    ends = connection()
    for end, (sent, received) in zip(ends, (infos, infos[::-1])):
        end.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        end.setsockopt(SOL_TLS, TLS_TX, sent)
        end.setsockopt(SOL_TLS, TLS_RX, received)
        end.settimeout(30)
    data = os.urandom(200_000)
    for sender, receiver in (ends, ends[::-1]):
        thread = threading.Thread(target=sender.sendall, args=(data,))
        thread.start()
        got = bytearray()
        while len(got) < len(data):
            got += receiver.recv(65536)
        thread.join()
        assert got == data, "the data arrived changed"


for version in VERSIONS:
    for cipher in CIPHERS:
        try:
            check(version, cipher)
            print(f"ok kTLS {version} {cipher}", flush=True)
        except (OSError, AssertionError) as error:
            print(f"not ok kTLS {version} {cipher}: {error!r}", flush=True)
