import unittest

from bench import bus_report, document, ike_report, kernel_memory, kernel_tls, report, tables
from bench.plan import median_of

RUN = {"cpu_us": 400.0, "p50_ms": 3.0, "p99_ms": 6.0, "per_second": 2000.0, "tickets": 2.0, "unclean": 0.0}
MACHINE = {"processor": "Abacus", "cpus": 2, "kernel": "6.12", "system": "Debian", "library": "OpenSSL 3",
           "services": {"HAProxy": "2.6"}}


def transfer(cpu, calls):
    cost = {"cpu": cpu, "threads": 0.01, "layer": "userspace"}
    call = {"calls": calls, "copied": 2.0, "moved": 0.0}
    return {"ChaCha20-Poly1305": {"upload": cost, "download": cost}, "AES-256-GCM": {"upload": cost, "download": cost},
            "calls": {"upload": call, "download": call}}


def idle(each):
    kernel = {kind: 1.0 for kind in [*kernel_memory.KINDS, "buffers", "other"]}
    return {"connections": 1000, "base": 9000, "each": each, "own": each, "layer": "kernel",
            "kernel": {**kernel, "largest": [["TCP", 9.1]]}}


class Tables(unittest.TestCase):
    def test_ratio_is_ours_in_parts_of_theirs(self):
        self.assertEqual(tables.ratio(300, 400), "0.75")

    def test_no_ratio_without_one_of_the_two(self):
        self.assertEqual([tables.ratio(None, 4), tables.ratio(3, None), tables.ratio(3, 0)], ["–"] * 3)

    def test_handshakes_stand_beside_ratios(self):
        figures = {"keysluice": {"full": {**RUN, "cpu_us": 300.0}, "resumed": None},
                   "HAProxy": {"full": RUN, "resumed": RUN}}
        text = report.handshakes(figures, {"full": 190.4, "resumed": 155.0})
        self.assertIn("| keysluice | 300 | 1 |", text)
        self.assertIn("| HAProxy | 400 | 0.75 |", text)
        self.assertIn("| keysluice | not yet |", text)
        self.assertIn("| HAProxy | 400 | – |", text)
        self.assertIn("in memory: 190 µs", text)

    def test_peers_alone_have_no_ratios(self):
        self.assertIn("| HAProxy | 9,000 | 16.50 | – |", report.memory({"HAProxy": idle(16.5)}))

    def test_memory_shows_the_kernels_share(self):
        text = report.memory({"keysluice": idle(0.5), "nginx": idle(40.0)})
        self.assertIn("| nginx | 9,000 | 40.00 | 0.01 | 40.00 | kernel |", text)
        self.assertIn("TCP 9.1", text)

    def test_aes_in_the_guest_is_marked(self):
        figures = {"keysluice": transfer(0.5, 70), "nginx": transfer(1.0, 140)}
        self.assertIn("distorted by emulation", report.relay(figures, in_guest=True))
        self.assertNotIn("distorted", report.relay(figures, in_guest=False))
        self.assertIn("| nginx | 1.00 | 0.50 | 0.01 |", report.relay(figures, in_guest=False))
        self.assertIn("| nginx | 140 | 0.50 | 2.000 | 0.000 |", report.relay(figures, in_guest=False))

    def test_latency_and_rekeying_stand_beside_ratios(self):
        def echoes(p99):
            return {"p50_us": 50.0, "p99_us": p99, "p999_us": 9000.0, "handshakes": 99.6, "layer": "kernel"}
        text = report.latency({"keysluice": echoes(100.0), "nginx": echoes(400.0)})
        self.assertIn("| nginx | 50 | 400 | 0.25 | 9,000 | 100 | kernel |", text)
        text = report.rekey({"keysluice": {"kept_us": 40.0, "change_us": 30.0, "layer": "kernel"},
                             "hitch": {"kept_us": 90.0, "change_us": 60.0, "layer": "userspace"}})
        self.assertIn("| hitch | 60 | 0.50 | 90 | userspace |", text)

    def test_handed_off_stands_beside_relayed(self):
        def cost(both):
            return {"service_us": both - 20.0, "behind_us": 20.0, "cpu_us": both, "layer": "kernel"}
        text = report.handoff({"keysluice": cost(300.0), "keysluice, handed off": cost(250.0)})
        self.assertIn("| keysluice, handed off | 230 | 20 | 250 | 1.20 | kernel |", text)

    def test_ike_stands_beside_ratios_for_each_number_of_sas(self):
        def made(cpu, each, rounds):
            at = {count: {"cpu_us": cpu, "each": each, "per_second": 8000.0} for count in ("1000", "10000")}
            return {"base": 7000, "at": at, "rounds": rounds}
        text = ike_report.ike({"keysluice": made(100.0, 2.0, {"count": 10000, "making": 3.2, "status": 70.0}),
                               "strongSwan": made(400.0, 16.0, None)})
        self.assertIn("| 10,000 | strongSwan | 400.00 | 0.25 | 16.00 | 0.12 | 8,000 |", text)
        self.assertIn("keysluice's event loop kept everybody waiting for 3.2 ms at most while 10,000 IKE SAs", text)

    def test_the_loop_beside_a_kernel(self):
        text = ike_report.installs({"keysluice": {"count": 10000, "making": 3.2, "status": 70.0}})
        self.assertIn("for 3.2 ms at most while 10,000 IKE SAs were made, and for 70.0 ms when", text)

    def test_installing_shows_each_way_of_asking(self):
        text = ike_report.xfrm({"keysluice": {"one": {"per_second": 5000.0, "cpu_us": 190.4}}})
        self.assertIn("| one | 5,000 | 190 |", text)

    def test_every_row_is_as_wide_as_its_heading(self):
        figures = {"keysluice": transfer(0.5, 70), "nginx": transfer(1.0, 140)}
        result = {"machine": MACHINE, "plan": "A plan.", "figures": figures}
        tables = report.section("relay", "guest stable", result).split("\n\n")
        for block in (block for block in tables if block.startswith("|")):
            self.assertEqual(len({line.count("|") for line in block.splitlines()}), 1, block)


class Rounds(unittest.TestCase):
    def test_each_number_is_the_median_of_its_place(self):
        rounds = [{"full": {"cpu": cpu}, "layer": "kernel"} for cpu in (9.0, 1.0, 2.0)]
        self.assertEqual(median_of(rounds), {"full": {"cpu": 2.0}, "layer": "kernel"})

    def test_what_one_round_lacks_is_not_shown(self):
        self.assertEqual(median_of([{"resumed": {"cpu": 1.0}}, {"resumed": None}]), {"resumed": None})


class KernelSide(unittest.TestCase):
    def test_growth_is_per_connection(self):
        def snapshot(slab, sockets):
            return {"kinds": {kind: slab for kind in kernel_memory.KINDS}, "other": 0, "buffers": 4,
                    "slabs": {"TCP": sockets, "dentry": 5.0}}
        growth = kernel_memory.growth(snapshot(100, 10.0), snapshot(300, 110.0), 100)
        self.assertEqual((growth["Slab"], growth["buffers"], growth["largest"]), (2.0, 0.0, [["TCP", 1.0]]))

    def test_pages_parked_with_a_cpu_are_free(self):
        zoneinfo = ["  pagesets\n", "    cpu: 0\n", "              count:    100\n", "              high:     1162\n",
                    "    cpu: 1\n", "              count:    7\n"]
        self.assertEqual(kernel_memory.parked_pages(zoneinfo), 107 * kernel_memory.PAGE_KIB)

    def test_who_carries_the_records(self):
        words = [kernel_tls.describe({"Tx": tx, "Rx": rx}) for tx, rx in ((1, 1), (1, 0), (0, 0))]
        self.assertEqual(words, ["kernel", "kernel Tx only", "userspace"])


class Document(unittest.TestCase):
    def test_a_section_replaces_only_itself(self):
        start, end = document.marks("relay", "host")
        before = f"head\n{start}\nold\n{end}\ntail\n"
        once = document.replaced(before, "relay", "host", "new")
        self.assertEqual(once, f"head\n{start}\n\nnew\n\n{end}\ntail\n")
        self.assertEqual(document.replaced(once, "relay", "host", "new"), once)

    def test_missing_marks_are_an_error(self):
        with self.assertRaisesRegex(RuntimeError, "must hold"):
            document.replaced("head\n", "relay", "host", "new")

    def test_the_document_has_room_for_every_measurement(self):
        text = document.PATH.read_text(encoding="utf-8")
        for topic, places in document.PLACES.items():
            for place in places:
                document.replaced(text, topic, place, "new")


class Bus(unittest.TestCase):
    def test_costs_and_waits(self):
        waits = {"asked": 900, "lost": 1, "median": 0.11, "p99": 1.5, "longest": 7.26}
        text = bus_report.bus({"count": 100_000, "dump": 0.5, "walk": 1.25, "objects": 0.1, "largest": 3.5,
                               "made": 10_000, "waits": dict.fromkeys(("idle", "asked", "deaf", "making", "both"), waits)})
        self.assertIn("with 100,000 IKE SAs", text)
        self.assertIn("largest message has 3.5 MiB", text)
        self.assertIn("| `DumpSas` | 0.50 |", text)
        self.assertIn("| 10,000 more IKE SAs with", text)
        self.assertIn("| nothing | 0.11 | 1.50 | 7.3 | 1 of 900 |", text)


if __name__ == "__main__":
    unittest.main()
