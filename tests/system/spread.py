"""Accepted connections spread over the engines."""

import collections

from support.backends import Backend, connect, echo
from support.keysluice import Keysluice, server_service
from support.processes import raise_descriptor_limit
from support.scenario import eventually, expect, expect_equal, scenario
from support.tls_client import expect_echo
from support.world import free_port

ENGINES = 4
OPEN_AT_ONCE = 200


def spread(world, listen, connect_next):
    total, limit = world.choose((1000, 1.5), (10000, 1.2))
    with Backend(echo) as backend:
        service = server_service(world, listen=[listen], connect=[backend.address])
        with Keysluice(world, [service], engines=ENGINES) as sluice:
            open_now = collections.deque()
            for number in range(total):
                open_now.append(connect_next(number))
                if len(open_now) > OPEN_AT_ONCE:
                    open_now.popleft().close()
            eventually(lambda: sum(sluice.service()["accepted_by_engine"].values()) >= total, world.patience(60),
                       f"all {total} connections are accepted")
            counts = list(sluice.service()["accepted_by_engine"].values())
            world.note(f"accepted by engine: {counts}")
            expect_equal(len(counts), ENGINES, "engines that status shows")
            expect(max(counts) <= limit * min(counts), f"fullest to emptiest at most {limit}: {counts}")
            while open_now:
                open_now.pop().close()


@scenario("spread: TCP connections over four engines")
def tcp(world):
    raise_descriptor_limit(4096)
    port = free_port()
    # Several source addresses, so that a closed connection's port is not missed.
    spread(world, f"127.0.0.1:{port}", lambda number: connect(
        ("127.0.0.1", port), world.patience(30), (f"127.0.0.{2 + number % 50}", 0)))


@scenario("spread: unix connections over four engines")
def unix(world):
    raise_descriptor_limit(4096)
    path = world.directory / "listen.sock"
    spread(world, f"unix:{path}", lambda number: connect(path, world.patience(30)))


@scenario("spread: every engine serves")
def every_engine(world):
    port = free_port()
    with Backend(echo) as backend:
        service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address])
        with Keysluice(world, [service], engines=ENGINES) as sluice:
            for _ in range(40):
                expect_echo(world, ("127.0.0.1", port))
            counts = list(sluice.service()["accepted_by_engine"].values())
            expect(min(counts) > 0, f"of 40 connections one after the other some for each engine: {counts}")
            expect_equal(sum(sluice.service()["established"].values()), 40, "connections established")
