"""Many IKE SAs: pages, dump and objects agree, no message is too long, and who never reads takes nothing from the others. How
long IKE waits meanwhile is measured by tests/bench/run bus."""

import contextlib

from bus.basics import SILENT
from support import keysluice
from support.bus import KINDS, NAME, Bus, CallFailed, Deaf
from support.bus_size import size_of
from support.network import Network
from support.scenario import eventually, expect, expect_equal, scenario
from support.sluice import Sluice
from support.tunnel import Tunnel

SPI, CONNECTION, CHILDREN = 0, 2, 12
UNLIMITED = {"half_open_per_address": 0, "cookie_after": 0}


class ManyConnections(Sluice):
    """`count` connections to one peer, c0, c1 and so on; every third is in the group "third"."""

    count = 0

    def configure(self):
        text = keysluice.daemon_table(self.runtime, **self.daemon) + "\n" + keysluice.table("[ike]", self.ike)
        for number in range(self.count):
            connection = self.connection | {"name": f"c{number}", "local_id": f"c{number}.left.test",
                                            "groups": ["all", "third"] if number % 3 == 0 else ["all"]}
            text += "\n" + keysluice.table("[[ike.connection]]", connection)
            text += "\n" + keysluice.table("[[ike.connection.child]]", self.child)
        self.file.write_text(text)


def longest_round(sluice):
    """Seconds that its event loop kept everybody waiting since this was last asked."""
    return next(each["longest_round_us"] for each in sluice.status()["processes"] if each["kind"] == "control") / 1e6


def asked(client):
    """Whether ListSas answers: not while too many calls are under way."""
    with contextlib.suppress(CallFailed):
        return client.list_sas()[1]


for kind in KINDS:

    @scenario(f"many: {kind}: pages, dump and objects have all IKE SAs, each once")
    def many(world, kind=kind):
        count = world.choose(300, 4500)
        place, tunnel = Network(swans=()), Tunnel()
        with Bus(world, kind) as bus:
            ours = ManyConnections(world, place.left, place.right, tunnel, ike=UNLIMITED, daemon={"bus": bus.address},
                                   arguments=SILENT)
            ours.count = count
            peer = Sluice(world, place.right, place.left, tunnel, ike=UNLIMITED,
                          connection={"remote_id": "*.left.test"}, arguments=SILENT)
            with peer, ours:
                bus.await_service()
                client = bus.client(120)
                expect_equal(client.manager("Up", "sa{sv}", "all", {}), count, "connections that begin")
                eventually(lambda: len(ours.child_sas()) == count, world.patience(world.choose(20, 200)),
                           "all CHILD SAs stand")
                names = sorted(f"c{number}" for number in range(count))
                longest_round(ours)

                rows, pages = client.list_sas(limit=7)
                expect_equal(sorted(row[CONNECTION] for row in rows), names, "connections in pages of 7")
                expect(pages >= count / 7, f"{pages} pages")
                expect_equal([row[SPI] for row in rows], sorted(row[SPI] for row in rows), "the order of the pages")
                rows, pages = client.list_sas()
                expect_equal(sorted(row[CONNECTION] for row in rows), names, "connections in full pages")
                expect_equal(sorted(row[CONNECTION] for row in client.list_sas(group="third")[0]),
                             sorted(name for name in names if int(name[1:]) % 3 == 0), "connections of a group")
                expect_equal([row[CONNECTION] for row in client.list_sas(connection="c17")[0]], ["c17"], "one connection")
                expect_equal(len(client.list_sas(remote_id="right.test", limit=50)[0]), count, "rows of the peer's identity")
                expect_equal(client.list_sas(remote_id="nobody")[0], [], "rows of another identity")

                lines, _ = client.dump()
                expect_equal(sorted(line["connection"] for line in lines), names, "connections in the dump")
                expect_equal({line["spi_initiator"] for line in lines}, {f"{row[SPI]:016x}" for row in rows}, "SPIs")
                shown = min(count, 4096)
                eventually(lambda: len(client.paths("ikesa")) == shown, world.patience(20), f"{shown} objects of IKE SAs")
                sizes = [size_of(client.objects()), *(size_of(page) for page in client.pages())]
                expect(max(sizes) <= 16 << 20, f"octets of the largest message: {max(sizes)}")
                world.note(f"the largest message has {max(sizes) / (1 << 20):.2f} MiB")
                took = longest_round(ours)
                world.note(f"{count} IKE SAs, IKE's loop was busy for {took * 1000:.1f} ms at most")
                deaf = [Deaf(bus) for _ in range(3)]
                for each in deaf:
                    each.ask(f"{NAME}.Manager", "ListSas", 300, "a{sv}su", {}, "", 0)
                eventually(lambda: asked(client), world.patience(20), "ListSas answers beside them")
                expect_equal(len(client.dump()[0]), count, "lines of a dump beside clients that never read")
                expect_equal(len(client.list_sas()[0]), count, "rows of a walk beside them")
                stuffed = longest_round(ours)
                world.note(f"{stuffed * 1000:.1f} ms at most when three ask for 300 pages at once")

                expect_equal(client.manager("Down", "sa{sv}", "third", {}), len(range(0, count, 3)), "IKE SAs that go")
                left = count - len(range(0, count, 3))
                eventually(lambda: len(client.list_sas()[0]) == left, world.patience(20), f"{left} rows are left")
                eventually(lambda: len(client.paths("ikesa")) == min(left, 4096), world.patience(20), "objects that are left")
