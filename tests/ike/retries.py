"""A negotiation that needs a second try: cookies, and a group other than the one that was guessed."""

import os
import socket
import struct

from support.scenario import eventually, expect, scenario
from support.tunnel import Tunnel
from ike.basics import SIDES, both_have_it, gateways

GUESS = "aes128gcm16-prfsha256-ecp256-x25519"  # the first group is the one that an initiator sends


def half_open(namespace, source, destination):
    """Leaves an IKE_SA_INIT that nobody goes on with: aes128gcm16-prfsha256-x25519."""
    transforms = (struct.pack("!BBHBBHHH", 3, 0, 12, 1, 0, 20, 0x800E, 128) + struct.pack("!BBHBBH", 3, 0, 8, 2, 0, 5)
                  + struct.pack("!BBHBBH", 0, 0, 8, 4, 0, 31))
    proposal = struct.pack("!BBHBBBB", 0, 0, 8 + len(transforms), 1, 1, 0, 3) + transforms
    body = b""
    for following, content in ((34, proposal), (40, struct.pack("!HH", 31, 0) + os.urandom(32)), (0, os.urandom(32))):
        body += struct.pack("!BBH", following, 0, 4 + len(content)) + content
    header = os.urandom(8) + bytes(8) + struct.pack("!BBBBII", 33, 0x20, 34, 0x08, 0, 28 + len(body))
    with namespace.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 5500))
        sender.settimeout(5)
        sender.sendto(header + body, (destination, 500))
        return sender.recv(4096)


def established(world, initiator, ours=None, theirs=None, cookies=()):
    """Runs a negotiation to its end and returns both gateways' words. `cookies`: who demands them."""
    tunnel = Tunnel(**(ours or {}))
    sluice = {"ike": {"cookie_after": 0}} if "keysluice" in cookies else {}
    swan = {"charon": {"cookie_threshold": 1}} if "strongSwan" in cookies else {}
    start = {"connection": {"start": "on-load"}} if initiator == "keysluice" else {}
    with gateways(world, tunnel, sluice=sluice, swan=swan, theirs=Tunnel(**(theirs or {}))) as (place, both):
        if "strongSwan" in cookies:
            half_open(place.left.namespace, place.left.outer[4], place.right.outer[4])
        if start:
            both["keysluice"].restart(**start)
        both[initiator].up()
        both_have_it(world, both)
        return both["strongSwan"].log()


def cookie(world, initiator, group):
    other = "keysluice" if initiator == "strongSwan" else "strongSwan"
    guess = {"proposal": GUESS} if group else {}
    sides = {"ours": guess} if initiator == "keysluice" else {"theirs": guess}
    log = established(world, initiator, cookies=(other,), **sides)
    expect("COOKIE" in log, "no cookie was demanded")
    expect(not group or "INVAL_KE" in log, "the group was accepted at once")


for _initiator in SIDES:
    for _group in (False, True):
        scenario(f"retries: {'cookie and another group' if _group else 'cookie'}, {_initiator} begins")(
            lambda world, initiator=_initiator, group=_group: cookie(world, initiator, group))


def other_group(world, initiator):
    sides = {"ours" if initiator == "keysluice" else "theirs": {"proposal": GUESS}}
    expect("INVAL_KE" in established(world, initiator, **sides), "the group was accepted at once")


def other_group_in_rekey(world, rekeyer):
    """Of a CHILD SA with PFS: the rekeyer's first group is not the one that the other side takes."""
    guess, plain = Tunnel(esp="aes128gcm16-ecp256-x25519"), Tunnel(esp="aes128gcm16-x25519")
    ours, theirs = (guess, plain) if rekeyer == "keysluice" else (plain, guess)
    sluice = {"child": {"rekey_time": "5s"}} if rekeyer == "keysluice" else {}
    with gateways(world, ours, theirs=theirs, sluice=sluice) as (_, both):
        both["strongSwan"].up()
        both_have_it(world, both)
        both[rekeyer].rekey_child()
        swan = both["strongSwan"]
        eventually(lambda: [each.get("dh-group") for each in swan.child_sas()] == ["CURVE_25519"], world.patience(20),
                   "the rekeyed CHILD SA has the other group")
        expect("INVAL_KE" in swan.log(), "the group was accepted at once")


for _side in SIDES:
    scenario(f"retries: another group in IKE_SA_INIT, {_side} begins")(lambda world, side=_side: other_group(world, side))
    scenario(f"retries: another group in a rekey, by {_side}")(
        lambda world, side=_side: other_group_in_rekey(world, side))
