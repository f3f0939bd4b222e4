"""Whose certificate is welcome: rules, pins and revocation lists, each with a client that gets in and one that does not."""

import hashlib
import subprocess

from support.backends import Backend, echo
from support.keysluice import Keysluice, server_service
from support.scenario import expect_raises, scenario
from support.tls_client import client_context, expect_echo
from support.world import free_port


def pin(world, name):
    """SHA-256 of the Subject Public Key Info, as the manual page has it computed."""
    key = subprocess.run(["openssl", "x509", "-in", world.certificates.certificate(name), "-pubkey", "-noout"],
                         check=True, capture_output=True).stdout
    encoded = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], check=True, capture_output=True,
                             input=key).stdout
    return f"sha256:{hashlib.sha256(encoded).hexdigest()}"


RULES = {
    "a subject": lambda world: ({"peer_subjects": ["O=Shop", "CN=cli*"]}, "peer-not-welcome"),
    "an alternative name": lambda world: ({"peer_names": ["email:*@keysluice.test"]}, "peer-not-welcome"),
    "a key": lambda world: ({"peer_keys": [pin(world, "client")]}, "peer-not-welcome"),
    "a revocation list": lambda world: ({"crl": [world.certificates.revoke("server")]}, "certificate-rejected"),
}


def welcome_and_not(what, version, offload):
    # The server's own certificate is another of the same authority.
    @scenario(f"trust: {what}, TLS {version}, offload {offload}: one client gets in, another does not")
    def rule(world):
        keys, reason = RULES[what](world)
        port = free_port()
        with Backend(echo) as backend:
            service = server_service(world, listen=[f"127.0.0.1:{port}"], connect=[backend.address], offload=offload,
                                     ca=world.certificates.ca, client_certificate="required", **keys)
            with Keysluice(world, [service], engines=1) as sluice:
                address = ("127.0.0.1", port)
                expect_echo(world, address, client_context(world, version, identity="client"))
                expect_raises(OSError, lambda: expect_echo(world, address, client_context(world, version, identity="server")),
                              "a client that is not welcome")
                sluice.await_failure(reason)
                expect_echo(world, address, client_context(world, version, identity="client"))


for each in RULES:
    welcome_and_not(each, "1.3", "auto")
    welcome_and_not(each, "1.2", "off")
