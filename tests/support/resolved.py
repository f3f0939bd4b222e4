#!/usr/bin/python3
"""A stand-in for systemd-resolved on a bus of a test: notes what it is told about each interface, as a line of JSON each. With
a third argument it refuses everything, with that text.

Runs by itself: resolved.py ADDRESS FILE [REFUSAL]. Within a scenario, `with Resolved(world, bus) as resolved:`."""

import ipaddress
import json
import pathlib
import socket
import sys

# The policy of a system bus lets nobody have the name.
POLICY = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><policy user="root"><allow own="org.freedesktop.resolve1"/><allow send_destination="org.freedesktop.resolve1"/>
</policy></busconfig>
"""
NAME, PATH, MANAGER = "org.freedesktop.resolve1", "/org/freedesktop/resolve1", "org.freedesktop.resolve1.Manager"


def serve(address, file, refusal=None):
    import dbus
    import dbus.bus
    import dbus.mainloop.glib
    import dbus.service
    from gi.repository import GLib

    class Manager(dbus.service.Object):
        def _note(self, method, index, *values):
            with open(file, "a") as notes:
                notes.write(json.dumps([method, socket.if_indextoname(index), *values]) + "\n")
            if refusal:
                raise dbus.DBusException(refusal, name="org.freedesktop.DBus.Error.AccessDenied")

        @dbus.service.method(MANAGER, in_signature="ia(iay)")
        def SetLinkDNS(self, index, addresses):
            self._note("SetLinkDNS", index, [str(ipaddress.ip_address(bytes(octets))) for _, octets in addresses])

        @dbus.service.method(MANAGER, in_signature="ia(sb)")
        def SetLinkDomains(self, index, domains):
            self._note("SetLinkDomains", index, [("~" if routing else "") + str(name) for name, routing in domains])

        @dbus.service.method(MANAGER, in_signature="ib")
        def SetLinkDefaultRoute(self, index, enabled):
            self._note("SetLinkDefaultRoute", index, bool(enabled))

        @dbus.service.method(MANAGER, in_signature="i")
        def RevertLink(self, index):
            self._note("RevertLink", index)

    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    connection = dbus.bus.BusConnection(address)
    held = dbus.service.BusName(NAME, connection)
    served = Manager(connection, PATH)
    pathlib.Path(file).touch()
    GLib.MainLoop().run()
    del held, served


class Resolved:
    """`namespace`: where the interfaces are that it is told about."""

    def __init__(self, world, bus, namespace, refusal=None):
        self.world, self.bus, self.namespace, self.refusal = world, bus, namespace, refusal
        self.file = world.directory / "resolved.json"

    def __enter__(self):
        from support import processes
        from support.scenario import eventually
        command = ["/usr/bin/python3", __file__, self.bus.address, str(self.file), *([self.refusal] if self.refusal else [])]
        with self.namespace.entered():
            self.process = processes.start(command, self.world.directory / "resolved.log")
        eventually(self.file.exists, self.world.patience(10), "the stand-in of systemd-resolved is on the bus")
        return self

    def __exit__(self, *_):
        from support import processes
        processes.stop(self.process, 5)

    def notes(self):
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def settings(self):
        """By interface, what holds: resolvers, domains, whether it is asked for everything else."""
        held = {}
        for method, interface, *values in self.notes():
            if method == "RevertLink":
                held.pop(interface, None)
            else:
                held.setdefault(interface, {})[method] = values[0]
        return {interface: tuple(each.get(key) for key in ("SetLinkDNS", "SetLinkDomains", "SetLinkDefaultRoute"))
                for interface, each in held.items()}


if __name__ == "__main__":
    serve(*sys.argv[1:])
