"""Devices of netdevsim, a driver that pretends: among others, it takes ESP SAs of AES-GCM-128 and counts their packets."""

import pathlib
import socket
import subprocess

BUS = pathlib.Path("/sys/bus/netdevsim")


def available():
    return subprocess.run(["modprobe", "netdevsim"], capture_output=True).returncode == 0


def connect(left, right, name):
    """A device in each of the two namespaces, and a wire in between. They stay when their namespaces vanish: see
    remove_all()."""
    for number, namespace in enumerate((left, right)):
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


def remove_all():
    for device in (BUS / "devices").glob("netdevsim*"):
        (BUS / "del_device").write_text(device.name.removeprefix("netdevsim"))
