"""How long an IKE responder lets a peer wait: `ike_probe.py ADDRESS PORT` asks every 5 ms until its standard input ends, and
prints the waiting times as JSON. It is a program of its own: nothing else may hold it up."""

import json
import select
import socket
import statistics
import struct
import sys
import time

PAUSE = 0.005
LOST_AFTER = 2
# RFC 7296 section 2.5: "If an endpoint receives a message with a higher major version number, it MUST drop the message and
# SHOULD send an unauthenticated Notify message of type INVALID_MAJOR_VERSION": an answer that costs the responder little.
NO_NEXT_PAYLOAD, VERSION_3_0, IKE_SA_INIT, INITIATOR, HEADER = 0, 0x30, 34, 0x08, 28


def request(number):
    return struct.pack(">QQBBBBII", number, 0, NO_NEXT_PAYLOAD, VERSION_3_0, IKE_SA_INIT, INITIATOR, 0, HEADER)


def wait_for(probe, number):
    """Milliseconds until the answer comes; None where it does not."""
    begin = time.monotonic()
    probe.send(request(number))
    while select.select([probe], [], [], LOST_AFTER)[0]:
        if struct.unpack_from(">Q", probe.recv(1500))[0] == number:
            return (time.monotonic() - begin) * 1000
    return None


def main():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((sys.argv[1], int(sys.argv[2])))
        waits, number = [], 0
        while not select.select([sys.stdin], [], [], PAUSE)[0]:
            number += 1
            waits.append(wait_for(probe, number))
    heard = sorted(wait for wait in waits if wait is not None)
    print(json.dumps({"asked": len(waits), "lost": len(waits) - len(heard), "median": statistics.median(heard),
                      "p99": heard[len(heard) * 99 // 100], "longest": heard[-1]}))


if __name__ == "__main__":
    main()
