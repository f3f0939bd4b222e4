"""How long a value is on the bus, by the D-Bus specification's marshalling: what dbus-python does not tell."""

import dbus

INTEGERS = ((dbus.Byte, 1), (dbus.Boolean, 4), (dbus.Int16, 2), (dbus.UInt16, 2), (dbus.Int32, 4), (dbus.UInt32, 4),
            (dbus.Int64, 8), (dbus.UInt64, 8), (dbus.Double, 8), (dbus.types.UnixFd, 4))


LONGEST_SIGNATURE = 40  # of our properties that are containers


def _aligned(offset, to):
    return -(-offset // to) * to


def _text(offset, text):
    return _aligned(offset, 4) + 4 + len(text.encode()) + 1


def _end(value, offset):
    """Where it ends when it begins at `offset`, before which it may need padding."""
    if getattr(value, "variant_level", 0):
        offset += 4 if isinstance(value, (str, int)) else LONGEST_SIGNATURE
    for kind, size in INTEGERS:
        if isinstance(value, kind):
            return _aligned(offset, size) + size
    if isinstance(value, str):
        return _text(offset, value)
    if isinstance(value, dbus.Dictionary):
        offset = _aligned(_aligned(offset, 4) + 4, 8)
        for key, each in value.items():
            offset = _end(each, _end(key, _aligned(offset, 8)))
        return offset
    if isinstance(value, tuple):  # a structure
        offset = _aligned(offset, 8)
    else:
        offset = _aligned(offset, 4) + 4
    for each in value:
        offset = _end(each, offset)
    return offset


def size_of(value):
    """Octets of the body of a message, about."""
    return _end(value, 0)
