"""Other people's TLS: how each program is told which version and cipher to use. They are clients and servers here."""

import subprocess

from support.certificates import NAME
from support.ends import CurlEnd, ProgramEnd, SocketEnd
from support.backends import await_listener, connect
from support import processes
from support.world import free_port

VERSIONS = ("1.2", "1.3")
CIPHERS = ("AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305", "AES-128-CCM")

_OPENSSL = {
    ("1.2", "AES-128-GCM"): "ECDHE-ECDSA-AES128-GCM-SHA256",
    ("1.2", "AES-256-GCM"): "ECDHE-ECDSA-AES256-GCM-SHA384",
    ("1.2", "CHACHA20-POLY1305"): "ECDHE-ECDSA-CHACHA20-POLY1305",
    ("1.2", "AES-128-CCM"): "ECDHE-ECDSA-AES128-CCM",
    ("1.3", "AES-128-GCM"): "TLS_AES_128_GCM_SHA256",
    ("1.3", "AES-256-GCM"): "TLS_AES_256_GCM_SHA384",
    ("1.3", "CHACHA20-POLY1305"): "TLS_CHACHA20_POLY1305_SHA256",
    ("1.3", "AES-128-CCM"): "TLS_AES_128_CCM_SHA256",
}


def _openssl_choice(version, cipher):
    name = _OPENSSL[version, cipher]
    return ["-tls1_2", "-cipher", name] if version == "1.2" else ["-tls1_3", "-ciphersuites", name]


def openssl_client(world, port, version, cipher):
    return ProgramEnd(world, "s_client", [
        "openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}", "-servername", NAME,
        "-CAfile", world.certificates.ca, "-verify_return_error", "-verify_hostname", NAME,
        *_openssl_choice(version, cipher)])


def gnutls_client(world, port, version, cipher):
    # NORMAL lists no cipher twice, so that what is taken away and put back is the only one left.
    priority = f"NORMAL:-VERS-ALL:+VERS-TLS{version}:-CIPHER-ALL:+{cipher}"
    return ProgramEnd(world, "gnutls-cli", [
        "gnutls-cli", "--logfile=/dev/null", f"--priority={priority}", f"--x509cafile={world.certificates.ca}",
        f"--sni-hostname={NAME}", f"--verify-hostname={NAME}", f"--port={port}", "127.0.0.1"])


def curl_client(world, port, version, cipher):
    option = "--ciphers" if version == "1.2" else "--tls13-ciphers"
    return CurlEnd(world, [
        "curl", "--silent", "--show-error", "--fail", "--http1.1", "--cacert", world.certificates.ca,
        "--tlsv" + version, "--tls-max", version, option, _OPENSSL[version, cipher], "--header", "Expect:",
        "--noproxy", "*", "--resolve", f"{NAME}:{port}:127.0.0.1", f"https://{NAME}:{port}/payload"])


def _stunnel(world, name, lines):
    file = world.directory / f"{name}.conf"
    file.write_text("\n".join(["foreground = yes", "pid =", "syslog = no", "debug = notice", *lines]) + "\n")
    return processes.start(["stunnel", file], world.directory / f"{name}.log", cwd=world.directory)


def _stunnel_choice(version, cipher):
    option = "ciphers" if version == "1.2" else "ciphersuites"
    return [f"sslVersion = TLSv{version}", f"{option} = {_OPENSSL[version, cipher]}"]


def stunnel_client(world, port, version, cipher):
    near = free_port()
    process = _stunnel(world, "stunnel-client", [
        "[out]", "client = yes", f"accept = 127.0.0.1:{near}", f"connect = 127.0.0.1:{port}", f"sni = {NAME}",
        f"CAfile = {world.certificates.ca}", "verifyChain = yes", f"checkHost = {NAME}",
        *_stunnel_choice(version, cipher)])
    await_listener(world, near, process)
    return SocketEnd(connect(("127.0.0.1", near), world.patience(60)))


def openssl_server(world, port, version, cipher, *more, identity="server"):
    """s_server for one connection, which it carries to its standard input and output."""
    end = ProgramEnd(world, "s_server", [
        "openssl", "s_server", "-quiet", "-naccept", "1", "-accept", f"127.0.0.1:{port}",
        "-cert", world.certificates.certificate(identity), "-key", world.certificates.key(identity),
        *_openssl_choice(version, cipher), *more])
    await_listener(world, port, end.process)
    return end


def openssl_server_that_answers(world, port, *options, identity="server"):
    """s_server for any number of connections, which sends each line back, the other way round."""
    process = processes.start([
        "openssl", "s_server", "-rev", "-quiet", "-accept", f"127.0.0.1:{port}",
        "-cert", world.certificates.certificate(identity), "-key", world.certificates.key(identity), *options],
        world.directory / "s_server.log", stdin=subprocess.DEVNULL)
    await_listener(world, port, process)
    return process


def stunnel_server(world, port, version, cipher, behind, *more):
    """stunnel in front of the plaintext port `behind`."""
    process = _stunnel(world, "stunnel-server", [
        "[in]", f"accept = 127.0.0.1:{port}", f"connect = 127.0.0.1:{behind}",
        f"cert = {world.certificates.certificate('server')}", f"key = {world.certificates.key('server')}",
        *_stunnel_choice(version, cipher), *more])
    await_listener(world, port, process)
