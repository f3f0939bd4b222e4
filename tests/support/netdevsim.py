"""Devices of netdevsim, a driver that pretends: among others, it takes ESP SAs of AES-GCM-128 and counts their packets."""

import ctypes
import fcntl
import pathlib
import re
import socket
import struct
import subprocess

from support.scenario import Failure

BUS = pathlib.Path("/sys/bus/netdevsim")
DEBUG = pathlib.Path("/sys/kernel/debug")

# linux/ethtool.h
SIOCETHTOOL = 0x8946
GSSET_INFO, GSTRINGS, SFEATURES = 0x37, 0x1b, 0x3b
SET_OF_FEATURES, NAME_SIZE = 4, 32


def available():
    return subprocess.run(["modprobe", "netdevsim"], capture_output=True).returncode == 0


def connect(left, right, name, first=0):
    """A device in each of the two namespaces, and a wire in between, with this number and the next. They stay when their
    namespaces vanish: see remove_all()."""
    for number, namespace in enumerate((left, right), first):
        _create(namespace, number, name)
    _link(left, right, name)


def _create(namespace, number, name):
    with namespace.entered():
        before = set(socket.if_nameindex())
        (BUS / "new_device").write_text(f"{number} 1")
        ((_, device),) = set(socket.if_nameindex()) - before
    namespace.ip(f"link set {device} name {name}")


def _link(left, right, name):
    ends = " ".join(f"{each.descriptor}:{each.index_of(name)}" for each in (left, right))
    (BUS / "link_device").write_text(ends)


def unplug_left():
    """The left one is gone, with what the kernel has of it."""
    (BUS / "del_device").write_text("0")


def plug_left(left, right, name):
    """It is back, as new."""
    _create(left, 0, name)
    _link(left, right, name)


def given_to_left(number=0):
    """How many packets the kernel has given to the left one (of that number) for it to encrypt."""
    if not (DEBUG / "netdevsim").exists():
        subprocess.run(["mount", "-t", "debugfs", "none", DEBUG], check=True)
    text = (DEBUG / f"netdevsim/netdevsim{number}/ports/0/ipsec").read_text()
    return int(re.search(r"tx=(\d+)", text).group(1))


def _ask(device, question):
    """Of the namespace in which the caller is. Returns the answer, which begins as the question does."""
    data = ctypes.create_string_buffer(bytes(question), len(question))
    request = bytearray(struct.pack("16sP16x", device.encode(), ctypes.addressof(data)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        ignored = fcntl.ioctl(any_socket, SIOCETHTOOL, request)
    if ignored:
        raise Failure(f"{device} lets nobody switch its feature: tests/guest/build-netdevsim should have seen to that")
    return data.raw


def switch(namespace, device, feature, on):
    """As `ethtool -K` does."""
    with namespace.entered():
        count, = struct.unpack_from("=I", _ask(device, struct.pack("=IIQI", GSSET_INFO, 0, 1 << SET_OF_FEATURES, 0)), 16)
        names = _ask(device, struct.pack("=III", GSTRINGS, SET_OF_FEATURES, count) + bytes(count * NAME_SIZE))[12:]
        place = [names[at:at + NAME_SIZE].rstrip(b"\0").decode() for at in range(0, len(names), NAME_SIZE)].index(feature)
        blocks = [0] * ((count + 31) // 32 * 2)  # of each 32 features, those that are meant and those that are wanted
        blocks[place // 32 * 2] = 1 << place % 32
        blocks[place // 32 * 2 + 1] = on << place % 32
        _ask(device, struct.pack(f"=II{len(blocks)}I", SFEATURES, len(blocks) // 2, *blocks))


def remove_all():
    for device in (BUS / "devices").glob("netdevsim*"):
        (BUS / "del_device").write_text(device.name.removeprefix("netdevsim"))
