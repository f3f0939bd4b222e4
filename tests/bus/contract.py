"""The running service is held against dbus/*.xml."""

import socket

from bus.basics import connected
from support import bus as buses
from support.bus import NAME, ROOT, Bus
from support.keysluice import Keysluice, server_service
from support.scenario import eventually, expect, expect_equal, expect_raises, scenario
from support.world import free_port


def promised(interface):
    return buses.interfaces((buses.SOURCES / "dbus" / f"{NAME}.{interface}.xml").read_text())


for kind in buses.KINDS:

    @scenario(f"contract: {kind}: introspection is the XML, member by member")
    def introspection(world, kind=kind):
        with connected(world, kind) as (_, client, _):
            expect_equal(buses.interfaces(client.introspect(ROOT)), promised("Manager") | promised("Policies"),
                         "what the root says of itself")
            for interface, path in (("Connection", f"{ROOT}/connection/peer"),
                                    ("IkeSa", client.paths("ikesa")[0])):
                expect_equal(buses.interfaces(client.introspect(path)), promised(interface),
                             f"what {path} says of itself")
            said = {interface for interfaces in client.objects().values() for interface in interfaces}
            expect(all(f"{NAME}.{each}" in said for each in ("Connection", "IkeSa")), f"interfaces {said}")

    @scenario(f"contract: {kind}: TLS services are objects, and the Manager knows what runs")
    def tls_service(world, kind=kind):
        port = free_port()
        with Bus(world, kind) as bus:
            service = server_service(world, name="shop.eu-1", listen=[f"127.0.0.1:{port}"], connect=["127.0.0.1:1"])
            with Keysluice(world, [service], bus=bus.address):
                bus.await_service()
                client = bus.client()
                path = f"{ROOT}/service/shop_2eeu_2d1"
                expect_equal(client.paths("service"), [path], "objects of services")
                expect_equal(buses.interfaces(client.introspect(path)), promised("TlsService"),
                             f"what {path} says of itself")
                values = client.objects()[path][f"{NAME}.TlsService"]
                expect_equal((values["Name"], values["Mode"], list(values["Listen"]), values["OffloadRequested"]),
                             ("shop.eu-1", "server", [f"127.0.0.1:{port}"], "auto"), "its properties")
                features = list(client.property(ROOT, "Manager", "Features"))
                expect_equal(features, ["tls"], "features")
                expect_equal(client.property(ROOT, "Manager", "ApiVersion"), 1, "ApiVersion")
                socket.create_connection(("127.0.0.1", port)).close()

                def counted():
                    counters, silent = client.call(path, f"{NAME}.TlsService", "GetCounters")
                    return silent == 0 and counters.get("accepted") == 1 and any(each.startswith("failed:") for each in counters)
                eventually(counted, world.patience(10), "a connection is counted, and why it failed")
                expect_equal(client.list_sas(), ([], 1), "IKE SAs")
                refused = expect_raises(buses.CallFailed, lambda: client.manager("Up", "sa{sv}", "hq", {}), "Up")
                expect_equal(refused.name, "NotRunning", f"the error's name, with the text {refused.text!r}")
