"""strongSwan's control protocol, as its README.vici describes it: requests, their answers, and streamed events."""

import socket
import struct

from support.scenario import Failure

REQUEST, RESPONSE, UNKNOWN_REQUEST, REGISTER, UNREGISTER, CONFIRM, UNKNOWN_EVENT, EVENT = range(8)
SECTION, SECTION_END, VALUE, LIST, ITEM, LIST_END = range(1, 7)


def _name(text):
    data = text.encode()
    return struct.pack("!B", len(data)) + data


def _value(text):
    data = text if isinstance(text, bytes) else str(text).encode()
    return struct.pack("!H", len(data)) + data


def encode(message):
    """Dictionaries are sections, lists are lists, everything else is a value."""
    out = b""
    for name, content in message.items():
        if isinstance(content, dict):
            out += bytes([SECTION]) + _name(name) + encode(content) + bytes([SECTION_END])
        elif isinstance(content, (list, tuple)):
            items = b"".join(bytes([ITEM]) + _value(each) for each in content)
            out += bytes([LIST]) + _name(name) + items + bytes([LIST_END])
        else:
            out += bytes([VALUE]) + _name(name) + _value(content)
    return out


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        (length,) = struct.unpack_from(form, self.data, self.at)
        begin = self.at + struct.calcsize(form)
        self.at = begin + length
        return self.data[begin:self.at].decode(errors="replace")

    def kind(self):
        self.at += 1
        return self.data[self.at - 1]

    def section(self):
        found = {}
        while self.at < len(self.data):
            kind = self.kind()
            if kind == SECTION_END:
                break
            name = self.take("!B")
            if kind == SECTION:
                found[name] = self.section()
            elif kind == VALUE:
                found[name] = self.take("!H")
            else:
                found[name] = []
                while self.kind() == ITEM:
                    found[name].append(self.take("!H"))
        return found


def decode(data):
    return _Reader(data).section()


class Vici:
    """One connection to the daemon's socket. Raises OSError while nobody listens."""

    def __init__(self, path, timeout):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))

    def close(self):
        self.socket.close()

    def _send(self, kind, name, message=None):
        packet = bytes([kind]) + _name(name) + encode(message or {})
        self.socket.sendall(struct.pack("!I", len(packet)) + packet)

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionResetError("strongSwan closed the control connection")
            data += more
        return data

    def _receive(self):
        packet = self._exactly(struct.unpack("!I", self._exactly(4))[0])
        if packet[0] == EVENT:
            return EVENT, decode(packet[2 + packet[1]:])
        return packet[0], decode(packet[1:])

    def ask(self, command, message=None):
        """The answer to a command. Fails when strongSwan says that it did not succeed."""
        self._send(REQUEST, command, message)
        kind, answer = self._receive()
        if kind != RESPONSE:
            raise Failure(f"strongSwan does not know the command {command}")
        if answer.get("success", "yes") != "yes":
            raise Failure(f"strongSwan's answer to {command}: {answer.get('errmsg', answer)}")
        return answer

    def stream(self, command, event, message=None):
        """What a command answers in events, as a list."""
        self._send(REGISTER, event)
        self._receive()
        self._send(REQUEST, command, message)
        found = []
        while True:
            kind, content = self._receive()
            if kind != EVENT:
                break
            found.append(content)
        self._send(UNREGISTER, event)
        self._receive()
        return found
