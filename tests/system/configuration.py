"""Mistakes in the configuration: what is wrong, in which line and column, before anything starts."""

import re

from support import processes
from support.backends import Backend, echo
from support.keysluice import Keysluice, check, configuration, failing_start, server_service
from support.scenario import expect, expect_equal, scenario
from support.world import free_port


def good_service(world, **more):
    return server_service(world, **({"listen": ["127.0.0.1:8443"], "connect": ["127.0.0.1:8080"]} | more))


def text_of(world, *services, **daemon):
    return configuration(world.directory / "run", services, daemon)


def complaints(world, text):
    """What --check says about a configuration that is wrong: exit status 1, and every line with its place."""
    status, output, file = check(world, text)
    expect_equal(status, 1, f"exit status of --check, which said {output!r}")
    lines = output.splitlines()
    expect(lines, "a message")
    for line in lines:
        expect(re.match(rf"{re.escape(str(file))}:\d+:\d+: \S", line), f"FILE:LINE:COLUMN: in front of: {line}")
    return lines


def expect_complaint(world, text, key, *words):
    """Exactly one complaint, at the line where `key` stands, with these words in it."""
    lines = complaints(world, text)
    expect_equal(len(lines), 1, f"complaints {lines}")
    number = next(index for index, line in enumerate(text.splitlines(), 1) if line.startswith(key))
    expect(f"checked.toml:{number}:" in lines[0], f"line {number}, where {key} stands, is named: {lines[0]}")
    for word in words:
        expect(word.lower() in lines[0].lower(), f"{word!r} is named: {lines[0]}")


@scenario("configuration: a good file passes the check, and nothing is started")
def good(world):
    status, output, _ = check(world, text_of(world, good_service(world)))
    expect_equal((status, output), (0, ""), "exit status and output of --check")
    expect(not (world.directory / "run" / "status.sock").exists(), "no runtime directory was filled")


@scenario("configuration: an unknown key, with the one that was meant")
def unknown_key(world):
    expect_complaint(world, text_of(world, good_service(world, lisen=["127.0.0.1:1"])), "lisen", "listen")
    expect_complaint(world, text_of(world, good_service(world), engine=2), "engine =", "engines")


@scenario("configuration: a wrong type and a wrong word")
def wrong_type(world):
    expect_complaint(world, text_of(world, good_service(world, listen=8443)), "listen", "array")
    expect_complaint(world, text_of(world, good_service(world, offload="ato")), "offload", "auto", "require", "off")
    expect_complaint(world, text_of(world, good_service(world), engines="two"), "engines", "integer")
    expect_complaint(world, text_of(world, good_service(world, listen=["localhost"])), "listen", "localhost")


@scenario("configuration: several mistakes are told at once")
def several(world):
    lines = complaints(world, text_of(world, good_service(world, offload="ato", lisen=[], min_version="1.1")))
    expect_equal(len(lines), 3, f"complaints {lines}")


@scenario("configuration: a file that is no TOML")
def no_toml(world):
    lines = complaints(world, '[daemon]\nengines = = 2\n')
    expect(":2:" in lines[0], f"line 2 is named: {lines[0]}")


@scenario("configuration: a file that is not there")
def no_file(world):
    log = world.directory / "check.log"
    missing = world.directory / "missing.toml"
    process = processes.start([world.programs / "keysluiced", "--check", "--config", missing], log)
    expect_equal(process.wait(world.patience(20)), 1, "exit status of --check")
    expect(str(missing) in log.read_text(), f"the file is named: {log.read_text()!r}")


@scenario("configuration: certificate and key do not match")
def mismatch(world):
    text = text_of(world, good_service(world, private_key=f"file:{world.certificates.key('client')}"))
    expect_complaint(world, text, "private_key", "does not belong",
                     str(world.certificates.key("client")))


@scenario("configuration: a certificate or key that cannot be read")
def unreadable(world):
    nowhere = world.directory / "nowhere.pem"
    text = text_of(world, good_service(world, private_key=f"file:{nowhere}"))
    expect_complaint(world, text, "private_key", str(nowhere))
    expect_complaint(world, text_of(world, good_service(world, certificate=nowhere)), "certificate", str(nowhere))
    text = text_of(world, good_service(world, client_certificate="required", ca=nowhere))
    expect_complaint(world, text, "ca", str(nowhere))


@scenario("configuration: files that hold something else")
def malformed(world):
    junk = world.directory / "junk.pem"
    junk.write_text("-----BEGIN NOTHING-----\n")
    expect_complaint(world, text_of(world, good_service(world, private_key=f"file:{junk}")), "private_key", str(junk))
    expect_complaint(world, text_of(world, good_service(world, certificate=junk)), "certificate", str(junk))


@scenario("configuration: an expired certificate, with the date")
def expired(world):
    certificates = world.certificates
    text = text_of(world, good_service(world, certificate=certificates.certificate("expired"),
                                       private_key=f"file:{certificates.key('expired')}"))
    expect_complaint(world, text, "certificate", "expired", "2020")


@scenario("configuration: two services on one address")
def same_address(world):
    lines = complaints(world, text_of(world, good_service(world), good_service(world, name="second")))
    expect_equal(len(lines), 1, f"complaints {lines}")
    expect(len(re.findall(r"checked\.toml:\d+:\d+", lines[0])) == 2, f"both places are named: {lines[0]}")
    expect("127.0.0.1:8443" in lines[0], f"the address is named: {lines[0]}")


@scenario("configuration: a key in the file itself is refused and not repeated")
def pasted_key(world):
    pem = world.certificates.key("server").read_text()
    lines = complaints(world, text_of(world, good_service(world, private_key=pem)))
    body = pem.splitlines()[1]
    expect(not any(body[:20] in line for line in lines), "the key is not in the message")


@scenario("configuration: a port in use ends the start with exit status 1 and says so")
def port_in_use(world):
    with Backend(echo) as squatter:
        log = failing_start(world, good_service(world, listen=[squatter.address]))
        expect(squatter.address in log, f"the address is named: {log}")
        expect("in use" in log or "another process" in log, f"the reason is named: {log}")


@scenario("configuration: a mistake ends the start as it ends the check")
def start_with_mistake(world):
    log = failing_start(world, good_service(world, offload="ato"))
    expect(re.search(r"keysluice\.toml:\d+:\d+: ", log), f"FILE:LINE:COLUMN: in {log}")


@scenario("configuration: a fragment in conf.d adds a service")
def fragment(world):
    port = free_port()
    fragments = world.directory / "conf.d"
    fragments.mkdir()
    with Backend(echo) as backend:
        extra = configuration(world.directory / "run", [good_service(world, name="more", listen=[f"127.0.0.1:{port}"],
                                                                     connect=[backend.address])], {})
        (fragments / "more.toml").write_text(extra[extra.index("[[tls.service]]"):])
        with Keysluice(world, [good_service(world, listen=[f"127.0.0.1:{free_port()}"])]) as sluice:
            names = [each["name"] for each in sluice.status()["services"]]
            expect_equal(names, ["shop", "more"], "services")
