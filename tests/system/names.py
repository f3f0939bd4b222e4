"""Which certificate a client sees, what is stapled to it, which protocol is agreed on, and where the client gets."""

import re
import subprocess

from support import processes
from support.backends import Backend, greet
from support.keysluice import Keysluice, check, configuration, server_service, table
from support.proxies import headers_into
from support.scenario import eventually, expect, expect_equal, scenario
from support.world import free_port

VERSIONS = ("-tls1_2", "-tls1_3")
ECDSA, RSA = ("-sigalgs", "ECDSA+SHA256"), ("-sigalgs", "RSA-PSS+SHA256:RSA+SHA256")
NAMES = {"shop": ["shop.test", "www.shop.test"], "shop-rsa": ["shop.test", "www.shop.test"],
         "any": ["*.shop.test"], "api": ["api.shop.test"]}


def certificates(world):
    for name, names in NAMES.items():
        world.certificates.issue(name, names, "rsa" if name.endswith("rsa") else "ec")
    return world.certificates


def further(world, name, **more):
    """One [[tls.service.certificates]]."""
    return table("[[tls.service.certificates]]",
                 {"certificate": certificates(world).chain(name),
                  "private_key": f"file:{world.certificates.key(name)}"} | more)


def route(backend, **more):
    return table("[[tls.service.routes]]", more | {"connect": [backend.address]})


def shop(world, port, backend, **more):
    own = certificates(world)
    return server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address],
                          certificate=own.chain("shop"), private_key=f"file:{own.key('shop')}", **more)


def s_client(world, port, name, *options):
    """All that openssl's client says of a connection which it ends when the server has said its first line."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", world.certificates.ca, "-ign_eof",
               *(("-servername", name) if name else ("-noservername",)), *options]
    client = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    said = ""
    try:
        for line in client.stdout:
            said += line
            if line.startswith("HERE "):
                break
    finally:
        client.stdin.close()
        client.kill()
        client.wait(world.patience(30))
    return said


def found(pattern, said):
    match = re.search(pattern, said)
    return match.group(1) if match else None


def subject(said):
    return found(r"subject=.*?CN ?= ?(\S+)", said)


def place(said):
    """Which backend greeted."""
    return found(r"(?m)^HERE (\S+)", said)


def at(name):
    return Backend(greet(f"HERE {name}\n".encode()))


@scenario("names: the certificate of the client's name and kind; wildcard, unknown name and none")
def kinds(world):
    port = free_port()
    with at("shop") as backend:
        with Keysluice(world, [shop(world, port, backend)], engines=1,
                       more=further(world, "shop-rsa") + further(world, "any") +
                       further(world, "api", names=["api.shop.test", "api.other.test"])):
            for version in VERSIONS:
                def shown(name, *options):
                    return subject(s_client(world, port, name, version, *options))

                for name in ("shop.test", "SHOP.test", "unknown.test", None):
                    expect_equal(shown(name, *ECDSA), "shop", f"{version}: ECDSA for {name}")
                    expect_equal(shown(name, *RSA), "shop-rsa", f"{version}: RSA for {name}")
                expect_equal(shown("api.shop.test"), "api", f"{version}: exact before wildcard")
                expect_equal(shown("api.other.test"), "api", f"{version}: a name that the configuration gives it")
                expect_equal(shown("other.shop.test"), "any", f"{version}: the wildcard")
                expect_equal(shown("a.other.shop.test"), "shop", f"{version}: two labels are none's")
                said = s_client(world, port, "api.shop.test", version, *RSA)
                expect("alert handshake failure" in said, f"{version}: no certificate of this kind: {said}")


@scenario("names: OCSP responses are stapled to their own certificate, and a reload brings new ones")
def stapling(world):
    own, port = certificates(world), free_port()
    first, second = world.directory / "shop.ocsp", world.directory / "api.ocsp"
    own.staple("shop", first, 7)
    own.staple("api", second, 9)

    def serials(name, version):
        said = s_client(world, port, name, version, "-status")
        return ("OCSP Response Status: successful" in said, found(r"Next Update: (.*)", said), subject(said))

    with at("shop") as backend:
        with Keysluice(world, [shop(world, port, backend, ocsp=first)], engines=2,
                       more=further(world, "api", ocsp=second) + further(world, "any")) as sluice:
            before = {}
            for version in VERSIONS:
                for name, expected in (("shop.test", "shop"), ("api.shop.test", "api")):
                    good, before[name], shown = serials(name, version)
                    expect_equal((good, shown), (True, expected), f"{version}: the response for {name}")
                expect_equal(serials("x.shop.test", version), (False, None, "any"), f"{version}: none for the third")
            expect(before["shop.test"] != before["api.shop.test"], f"each has its own response: {before}")
            own.staple("shop", first, 11)
            (control,) = sluice.control_pids()
            processes.send_signal(control, 1)
            eventually(lambda: "the reload is complete" in sluice.log(), world.patience(60), "the reload ends")
            for _ in range(8):  # both engines
                good, until, _ = serials("shop.test", "-tls1_3")
                expect(good and until != before["shop.test"], f"the new response is stapled: {until}")
            first.write_bytes(b"rubbish")
            processes.send_signal(control, 1)
            eventually(lambda: "ocsp-malformed" in sluice.log(), world.patience(60), "the reload complains")
            expect(re.search(r"keysluice\.toml:\d+:\d+: service shop stays as it was: .*shop\.ocsp: ", sluice.log()),
                   f"it says what stays, and why: {sluice.log()}")
            expect(serials("shop.test", "-tls1_3")[0], "what was loaded is stapled still")


@scenario("names: ALPN: the service's order, none, and no overlap")
def protocols(world):
    port = free_port()
    with at("shop") as backend:
        with Keysluice(world, [shop(world, port, backend, alpn=["h2", "http/1.1"])], engines=1) as sluice:
            for version in VERSIONS:
                def agreed(*options):
                    return found(r"ALPN protocol: (\S+)", s_client(world, port, "shop.test", version, *options))

                expect_equal(agreed("-alpn", "http/1.1,x,h2"), "h2", f"{version}: our order decides")
                expect_equal(agreed("-alpn", "http/1.1"), "http/1.1", f"{version}: the only one")
                expect_equal(agreed(), None, f"{version}: a client without ALPN is served")
                said = s_client(world, port, "shop.test", version, "-alpn", "h3")
                expect("no application protocol" in said, f"{version}: the alert: {said}")
            sluice.await_failure("no-shared-protocol", count=2)


def routed(offload):
    @scenario(f"names: routes by name and protocol, offload {offload}: each leads to its backends in turn")
    def routes(world):
        port = free_port()
        with at("main") as main, at("api") as api, at("one") as one, at("two") as two:
            more = (route(api, names=["api.shop.test"], alpn=["h2"]) +
                    table("[[tls.service.routes]]", {"names": ["*.shop.test"],
                                                     "connect": [one.address, two.address.replace("127.0.0.1",
                                                                                                  "localhost")]}))
            service = shop(world, port, main, alpn=["h2", "http/1.1"], offload=offload)
            with Keysluice(world, [service], engines=1, more=further(world, "any") + more) as sluice:
                def arrives(name, *options):
                    return place(s_client(world, port, name, *options))

                expect_equal(arrives("api.shop.test", "-alpn", "h2"), "api", "name and protocol")
                expect_equal(arrives("API.shop.test", "-alpn", "h2"), "api", "the same in capitals")
                expect_equal(arrives("shop.test", "-alpn", "h2"), "main", "the protocol alone")
                expect_equal(arrives(None), "main", "no name")
                turns = [arrives("api.shop.test", "-alpn", "http/1.1"), arrives("x.shop.test"),
                         arrives("y.shop.test"), arrives("z.shop.test")]
                expect_equal({*turns}, {"one", "two"}, f"the backends of the second route take turns: {turns}")
                expect_equal(turns[:2], turns[2:], "in turn")
                in_kernel = world.kernel and offload == "auto"
                established = sluice.service()["established"]
                expect_equal(established["userspace" if in_kernel else "kernel"], 0, f"the other path: {established}")
                expect_equal(sluice.failures("backend-unreachable"), 0, "backends that did not answer")


for each_offload in ("auto", "off"):
    routed(each_offload)


@scenario("names: a resumed session goes where its new name leads, where it may be resumed at all")
def resumed(world):
    port = free_port()
    with at("main") as main, at("api") as api:
        with Keysluice(world, [shop(world, port, main)], engines=2,
                       more=further(world, "api") + route(api, names=["api.shop.test"])):
            for version in VERSIONS:
                kept = world.directory / f"session{version}"
                expect_equal(place(s_client(world, port, "shop.test", version, "-sess_out", kept)), "main", "at first")
                said = s_client(world, port, "shop.test", version, "-sess_in", kept, "-sess_out", kept)
                expect_equal(("Reused, " in said, place(said)), (True, "main"), f"{version}: with the same name")
                said = s_client(world, port, "api.shop.test", version, "-sess_in", kept)
                # RFC 6066 3 for TLS 1.2; TLS 1.3 does not tie a session to a name.
                expect_equal(("Reused, " in said, place(said)), (version == "-tls1_3", "api"),
                             f"{version}: with another name")


@scenario("names: the PROXY header tells of name and protocol, to the backend of the route")
def told(world):
    headers, port = [], free_port()
    with Backend(headers_into(headers)) as backend, at("main") as main:
        service = shop(world, port, main, alpn=["h2"], send_proxy="v2")
        with Keysluice(world, [service], engines=1, more=route(backend, alpn=["h2"])):
            client = subprocess.Popen(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}", "-servername",
                                       "shop.test", "-alpn", "h2"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            try:
                eventually(lambda: headers, world.patience(30), "a header arrives")
            finally:
                client.kill()
                client.wait()
            expect_equal((headers[0].tlvs[1], headers[0].tlvs[2]), (b"h2", b"shop.test"), "protocol and name")


def complaints(world, entries, more):
    """Exit status of --check and its lines, as (number of the line, what is in it, what is said)."""
    service = {"name": "shop", "mode": "server", "listen": ["127.0.0.1:8443"], "connect": ["127.0.0.1:8080"],
               "certificate": certificates(world).chain("shop"),
               "private_key": f"file:{world.certificates.key('shop')}"} | entries
    text = configuration(world.directory / "run", [service], {}) + more
    status, output, file = check(world, text)
    lines = text.splitlines()
    said = []
    for line in output.splitlines():
        if match := re.match(re.escape(str(file)) + r":(\d+):\d+: (.*)", line):
            said.append((lines[int(match.group(1)) - 1], match.group(2)))
    return status, said


@scenario("names: --check says which line is wrong")
def checked(world):
    own = certificates(world)
    good, foreign = world.directory / "good.ocsp", world.directory / "foreign.ocsp"
    own.staple("shop", good)
    own.staple("api", foreign)
    late = world.directory / "later.ocsp"
    late.write_bytes(b"\x30\x03\x0a\x01\x03")
    expect_equal(complaints(world, {"ocsp": good, "alpn": ["h2"]},
                            further(world, "shop-rsa") + further(world, "api", ocsp=foreign)), (0, []), "a good one")

    def refused(entries, more, line, words):
        status, said = complaints(world, entries, more)
        expect_equal((status, len(said)), (1, 1), f"exit status and number of complaints: {said}")
        expect(line in said[0][0] and words in said[0][1], f"{words!r} is said of {line!r}: {said}")

    refused({}, further(world, "api") + further(world, "any", names=["API.shop.test"]), "any-chain.pem",
            "another certificate with the same kind of key")
    refused({}, further(world, "api", private_key=f"file:{own.key('any')}"), "any.key", "does not belong")
    refused({}, further(world, "api", certificate="/nonexistent.pem"), "nonexistent", "can't be read")
    refused({"ocsp": foreign}, "", "foreign.ocsp", "not about the certificate")
    refused({"ocsp": late}, "", "later.ocsp", "trylater")
    refused({}, further(world, "api", ocsp=good), "good.ocsp", "not about the certificate")
    refused({"certificate": own.certificate("shop"), "ocsp": good}, "", "good.ocsp", "issuer")
    refused({}, table("[[tls.service.routes]]", {"names": ["a.test"], "connect": ["192.0.2.1:80"]}), "192.0.2.1",
            "would leave this host")
    refused({}, table("[[tls.service.routes]]", {"alpn": ["h2"], "connect": ["127.0.0.1:80"]}), "alpn", "h2")


@scenario("names: --check and the start warn of a certificate that its own OCSP response calls revoked")
def revoked(world):
    own = certificates(world).issue("gone", ["gone.test"])
    own.revoke("gone")
    file = own.staple("gone", world.directory / "gone.ocsp")
    status, said = complaints(world, {}, further(world, "gone", ocsp=file))
    expect_equal((status, len(said)), (0, 1), f"exit status and warnings: {said}")
    expect("gone.ocsp" in said[0][0] and "WARNING" in said[0][1] and "revoked" in said[0][1], f"the warning: {said}")
