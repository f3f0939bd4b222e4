"""keysluiced --serve: a TLS service from the command line, without a configuration file."""

import contextlib
import hashlib
import json
import os

from support import processes
from support.backends import Backend, await_listener, connect, echo
from support.scenario import expect, expect_equal, scenario
from support.world import free_port

PAYLOAD = os.urandom(1 << 20)


@contextlib.contextmanager
def served(world, name, listen, *arguments):
    """`keysluiced --serve LISTEN …`, until the block ends; its runtime directory."""
    directory = world.directory / name
    command = [world.programs / "keysluiced", "--serve", str(listen), *arguments, "--runtime-directory", directory]
    process = processes.start(command, world.directory / f"{name}.log", cwd=world.certificates.directory)
    try:
        await_listener(world, listen, process)
        yield directory
    finally:
        family = processes.descendants(process.pid)
        processes.stop(process, world.patience(15))
        expect(not any(processes.is_alive(pid) for pid in family), "SIGTERM ends all of its processes")


@scenario("serve: a proxy on each side, as a start-up line, carries a terminal's session")
def both_sides(world):
    certificates, outer, inner = world.certificates, free_port(), free_port()
    with Backend(echo) as backend:
        with served(world, "proxys", inner, backend.address.rsplit(":", 1)[1],
                    "--certificate", os.path.relpath(certificates.certificate("server"), certificates.directory),
                    "--private-key", certificates.key("server")) as directory:
            with served(world, "proxyc", outer, f"127.0.0.1:{inner}", "--mode", "client", "--ca", certificates.ca,
                        "--server-name", "keysluice.test"):
                with connect(("127.0.0.1", outer), world.patience(15)) as plain:
                    answered = hashlib.sha256()
                    for start in range(0, len(PAYLOAD), 1 << 14):
                        plain.sendall(PAYLOAD[start:start + (1 << 14)])
                        rest = min(1 << 14, len(PAYLOAD) - start)
                        while rest > 0:
                            piece = plain.recv(rest)
                            expect(piece, "the echo goes on")
                            answered.update(piece)
                            rest -= len(piece)
                    expect_equal(answered.hexdigest(), hashlib.sha256(PAYLOAD).hexdigest(), "the payload's hash")
            log = world.directory / "asked.log"
            asked = processes.start([world.programs / "keysluiced", "--status", "--json", "--config",
                                     directory / "keysluice.toml"], log)
            expect_equal(asked.wait(world.patience(20)), 0, "exit status of --status")
            service = json.loads(log.read_text())["services"][0]
            expect_equal((service["name"], sum(service["established"].values())), ("serve", 1), "what --status says")


@scenario("serve: what is wrong is told at once, and nothing starts")
def refused(world):
    log = world.directory / "refused.log"
    for arguments, word in ((["443"], "--serve"), (["--certificate", "x"], "--serve"),
                            (["443", "8080"], "certificate"),
                            (["443", "8080", "--mode", "sever"], "server"),
                            (["443", "8080", "--config", "/etc/x"], "--config")):
        log.unlink(missing_ok=True)
        head = [] if arguments[0].startswith("-") else ["--serve"]
        process = processes.start([world.programs / "keysluiced", *head, *arguments, "--runtime-directory",
                                   world.directory / "refused"], log)
        expect(process.wait(world.patience(20)) not in (0, None), f"{arguments} is refused")
        expect(word in log.read_text(), f"{word} is named for {arguments}: {log.read_text()}")
