"""HAProxy and nginx in front of keysluice and behind it, where both speak the PROXY protocol, and that protocol itself
as its specification has it (HAProxy's doc/proxy-protocol.txt), read by a hand that is not keysluice's."""

import dataclasses
import shutil
import socket
import struct

from support import processes
from support.backends import await_listener, echo
from support.scenario import Failure, Skip, expect_equal
from support.world import free_port

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"
_FAMILIES = {1: (socket.AF_INET, 4), 2: (socket.AF_INET6, 16)}


@dataclasses.dataclass
class Header:
    """`client` and `server` are (address, port), a path, or None where the header names nobody."""

    version: int
    client: object = None
    server: object = None
    tlvs: dict = dataclasses.field(default_factory=dict)

    def tls(self):
        """(flags, verify, {type: value}) of PP2_TYPE_SSL."""
        value = self.tlvs[0x20]
        return value[0], struct.unpack(">I", value[1:5])[0], _tlvs(value[5:])


def crc32c(data):
    remainder = 0xFFFFFFFF
    for octet in data:
        remainder ^= octet
        for _ in range(8):
            remainder = (remainder >> 1) ^ (0x82F63B78 if remainder & 1 else 0)
    return remainder ^ 0xFFFFFFFF


def _tlvs(data):
    found = {}
    while data:
        kind, size = struct.unpack(">BH", data[:3])
        found[kind], data = data[3:3 + size], data[3 + size:]
    return found


def _exactly(talk, size):
    data = b""
    while len(data) < size:
        piece = talk.connection.recv(size - len(data))
        if not piece:
            raise Failure(f"the backend got {data!r} instead of a PROXY header")
        data += piece
    return data


def _first(talk):
    line = _exactly(talk, 6)
    while not line.endswith(b"\r\n"):
        line += _exactly(talk, 1)
    words = line.decode().split()
    if words[1] == "UNKNOWN":
        return Header(1)
    expect_equal(len(words), 6, f"the words of {line!r}")
    return Header(1, (words[2], int(words[4])), (words[3], int(words[5])))


def _second(talk):
    block = _exactly(talk, len(SIGNATURE) + 4)
    expect_equal(block[:12], SIGNATURE, "the signature")
    command, family, size = struct.unpack(">BBH", block[12:])
    block += (rest := _exactly(talk, size))
    if command == 0x20:
        return Header(2)
    expect_equal(command, 0x21, "version and command")
    if family == 0x31:
        ends, rest = [rest[at:at + 108].rstrip(b"\0").decode() for at in (0, 108)], rest[216:]
    else:
        system, octets = _FAMILIES[family >> 4]
        ports = struct.unpack(">HH", rest[2 * octets:2 * octets + 4])
        ends = [(socket.inet_ntop(system, rest[at * octets:(at + 1) * octets]), ports[at]) for at in (0, 1)]
        rest = rest[2 * octets + 4:]
    header = Header(2, *ends, _tlvs(rest))
    if checksum := header.tlvs.get(3):
        place = block.rindex(b"\3\0\4" + checksum) + 3
        expect_equal(struct.unpack(">I", checksum)[0], crc32c(block[:place] + bytes(4) + block[place + 4:]), "the checksum")
    return header


def read_header(talk):
    """Takes the header, and not a byte behind it."""
    start = talk.connection.recv(6, socket.MSG_PEEK | socket.MSG_WAITALL)
    return _second(talk) if start == SIGNATURE[:6] else _first(talk)


def headers_into(headers):
    """Of a Backend: reads a header on each connection, appends it, and echoes what follows."""

    def handler(talk):
        headers.append(read_header(talk))
        echo(talk)

    return handler


def _needed(program):
    if not shutil.which(program, path="/usr/sbin:/usr/bin"):
        raise Skip(f"{program} is not installed: .ci/setup tests")


class _Program:
    """`with` it: it listens on self.port."""

    program = ""

    def __init__(self, world, port=None):
        _needed(self.program)
        self.world, self.port = world, port or free_port()
        self.process = None

    def command(self):
        raise NotImplementedError

    def write(self, name, text):
        file = self.world.directory / name
        file.write_text(text)
        return file

    def __enter__(self):
        log = self.world.directory / f"{self.program}.log"
        self.process = processes.start(self.command(), log, cwd=self.world.directory)
        await_listener(self.world, self.port, self.process)
        return self

    def __exit__(self, *_):
        processes.stop(self.process, self.world.patience(15))


class HAProxy(_Program):
    """`frontend` and `backend` are the lines of what listens and of what it does with that."""

    program = "haproxy"

    def __init__(self, world, bind="", rules="", server=None):
        super().__init__(world)
        self.bind, self.rules, self.server = bind, rules, server

    def command(self):
        then = f"server next {self.server}" if self.server else ""
        return ["/usr/sbin/haproxy", "-db", "-f", self.write("haproxy.cfg", f"""
global
    nbthread 1
defaults
    timeout connect 60s
    timeout client 60s
    timeout server 60s
listen it
    mode {'tcp' if self.server else 'http'}
    bind 127.0.0.1:{self.port} {self.bind}
    {self.rules}
    {then}
""")]


class Nginx(_Program):
    """`listen` are the words behind the address; `http` and `stream` the lines of a server of either kind."""

    program = "nginx"

    def __init__(self, world, listen="", http="", stream=""):
        super().__init__(world)
        self.listen, self.http, self.stream = listen, http, stream

    def command(self):
        folder = self.world.directory
        kind = "http" if self.http else "stream"
        return ["/usr/sbin/nginx", "-p", folder, "-e", "stderr", "-c", self.write("nginx.conf", f"""
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr info;
events {{}}
{kind} {{
    access_log off;
    server {{
        listen 127.0.0.1:{self.port} {self.listen};
        {self.http or self.stream}
    }}
}}
""")]
