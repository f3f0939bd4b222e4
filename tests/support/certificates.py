"""Throwaway certificates, made with the openssl command: a CA, what it signed, and what it did not."""

import pathlib
import subprocess

NAME = "keysluice.test"
_NAMES = f"DNS:{NAME},DNS:localhost,IP:127.0.0.1,IP:::1"
_CA_CONFIG = """
[ca]
default_ca = here
[here]
database = {directory}/index
new_certs_dir = {directory}
rand_serial = yes
default_md = sha256
policy = anything
email_in_dn = no
unique_subject = no
x509_extensions = leaf
[anything]
commonName = supplied
[leaf]
basicConstraints = critical,CA:false
subjectAltName = {names}
"""


def openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {words[0]} failed: {done.stderr}")


class Certificates:
    """Paths: `ca`, and for each of server, client, expired, stranger (a client of another CA), impostor (a server of
    another CA), misnamed: `NAME.pem` and `NAME.key` by certificate("NAME") and key("NAME")."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._authority("ca")
        self._authority("other-ca")
        self._issue("server", "ca", _NAMES)
        self._issue("client", "ca", "email:client@keysluice.test")
        self._issue("expired", "ca", _NAMES, "20200101000000Z", "20200201000000Z")
        self._issue("misnamed", "ca", "DNS:somebody-else.test")
        self._issue("stranger", "other-ca", "email:stranger@keysluice.test")
        self._issue("impostor", "other-ca", _NAMES)

    @property
    def ca(self):
        return self.certificate("ca")

    def certificate(self, name):
        return self.directory / f"{name}.pem"

    def key(self, name):
        return self.directory / f"{name}.key"

    def revoke(self, name):
        """A revocation list of the CA that has this certificate, and no other."""
        revoked = self.directory / f"revoked-{name}.crl"
        if not revoked.exists():
            config = self.directory / f"issue-{name}" / "config"
            signer = ("-config", config, "-cert", self.ca, "-keyfile", self.key("ca"))
            openssl("ca", *signer, "-revoke", self.certificate(name))
            openssl("ca", *signer, "-gencrl", "-crldays", 30, "-out", revoked)
        return revoked

    def _authority(self, name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                 "-subj", f"/CN=test {name}", "-addext", "basicConstraints=critical,CA:true",
                 "-keyout", self.key(name), "-out", self.certificate(name))

    def _issue(self, name, authority, names, start="20240101000000Z", end="20480101000000Z"):
        # `openssl ca` is the one command of 3.0 that can sign for a period in the past.
        workshop = self.directory / f"issue-{name}"
        workshop.mkdir()
        (workshop / "index").touch()
        (workshop / "config").write_text(_CA_CONFIG.format(directory=workshop, names=names))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-subj", f"/CN={name}", "-keyout", self.key(name), "-out", workshop / "request")
        openssl("ca", "-batch", "-notext", "-config", workshop / "config", "-in", workshop / "request",
                 "-cert", self.certificate(authority), "-keyfile", self.key(authority),
                 "-startdate", start, "-enddate", end, "-out", self.certificate(name))
