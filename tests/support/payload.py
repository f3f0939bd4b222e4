"""Bytes that cannot be mistaken for other bytes, and their hash: no chunk is like another, no seed like another."""

import hashlib
import random

CHUNK = 1 << 16


def chunks(seed, size):
    """`size` bytes in pieces. Each piece begins with its own offset, so that a lost one changes the hash."""
    block = random.Random(seed).randbytes(CHUNK)
    for offset in range(0, size, CHUNK):
        piece = offset.to_bytes(8, "big") + block[8:]
        yield piece[: size - offset]


def digest(seed, size):
    total = hashlib.sha256()
    for piece in chunks(seed, size):
        total.update(piece)
    return total.hexdigest()
