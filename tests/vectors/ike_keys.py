"""Keys of IKE and CHILD SAs for tests/unit/ike/keys_test.cpp, computed apart from the program: with Python's hashlib and
AES blocks. Prints SHA-256 of each result. NIST publishes vectors for HMAC PRFs alone."""

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

NI, NR = bytes(range(0x20, 0x40)), bytes(range(0x60, 0x78))
SHARED, NEW_SHARED = bytes(range(0x80, 0xA0)), bytes(range(0xA0, 0xC0))
SPI_I, SPI_R = bytes.fromhex("0102030405060708"), bytes.fromhex("1112131415161718")
PSK, MESSAGE, ID_BODY = b"correct horse", b"IKE_SA_INIT", b"\x02\0\0\0east.example"


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


def aes(key, block):
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


def cbc_mac(key, message, last_mask_whole, last_mask_padded):
    blocks = [message[at:at + 16] for at in range(0, len(message), 16)] or [b""]
    last = blocks.pop()
    if len(last) == 16:
        last = xor(last, last_mask_whole)
    else:
        last = xor((last + b"\x80").ljust(16, b"\0"), last_mask_padded)
    value = bytes(16)
    for block in blocks + [last]:
        value = aes(key, xor(value, block))
    return value


def xcbc(key, message):
    first, second, third = (aes(key, bytes([number]) * 16) for number in (1, 2, 3))
    return cbc_mac(first, message, second, third)


def cmac(key, message):
    def double(block):
        number = int.from_bytes(block, "big") << 1
        return ((number & (1 << 128) - 1) ^ (0x87 if number >> 128 else 0)).to_bytes(16, "big")
    once = double(aes(key, bytes(16)))
    return cbc_mac(key, message, once, double(once))


def prf(name, key, message):
    if name == "xcbc":
        key = key.ljust(16, b"\0") if len(key) <= 16 else xcbc(bytes(16), key)
        return xcbc(key, message)
    if name == "cmac":
        return cmac(key if len(key) == 16 else cmac(bytes(16), key), message)
    return hmac.new(key, message, name).digest()


def prf_plus(name, key, seed, size):
    out = last = b""
    count = 1
    while len(out) < size:
        last = prf(name, key, last + seed + bytes([count]))
        out += last
        count += 1
    return out[:size]


def digest(material):
    return hashlib.sha256(material).hexdigest()


def main():
    size_of_suite = 2 * 64 + 2 * 16  # HMAC-SHA2-512-256 and AES-CBC-128
    for name, size in [("md5", 16), ("sha1", 20), ("xcbc", 16), ("sha256", 32), ("sha384", 48), ("sha512", 64),
                       ("cmac", 16)]:
        nonces = NI[:8] + NR[:8] if name in ("xcbc", "cmac") else NI + NR
        seed = prf(name, nonces, SHARED)
        keys = prf_plus(name, seed, NI + NR + SPI_I + SPI_R, 3 * size + size_of_suite)
        d, p_initiator = keys[:size], keys[-2 * size:-size]
        rekeyed = prf_plus("sha512", prf(name, d, NEW_SHARED + NI + NR), NI + NR + SPI_I + SPI_R,
                           3 * 64 + size_of_suite)
        child = prf_plus(name, d, NI + NR, 2 * 64 + 2 * 16)
        child_with_exchange = prf_plus(name, d, NEW_SHARED + NI + NR, 2 * 64 + 2 * 16)
        auth = prf(name, prf(name, PSK, b"Key Pad for IKEv2"), MESSAGE + NR + prf(name, p_initiator, ID_BODY))
        print(name, *map(digest, (keys, rekeyed, child, child_with_exchange, auth)), sep="\n  ")


main()
