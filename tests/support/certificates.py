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

    def issue(self, name, names, key="ec"):
        """Another certificate of the CA; `key`: "ec" or "rsa"."""
        if not self.certificate(name).exists():
            self._issue(name, "ca", ",".join(f"DNS:{each}" for each in names), key=key)
        return self

    def chain(self, name):
        """A file with this certificate and that of the CA."""
        file = self.directory / f"{name}-chain.pem"
        file.write_text(self.certificate(name).read_text() + self.ca.read_text())
        return file

    def staple(self, name, into, days=7):
        """What the CA's OCSP responder says of a certificate."""
        openssl("ocsp", "-index", self.directory / f"issue-{name}" / "index", "-CA", self.ca, "-rsigner", self.ca,
                "-rkey", self.key("ca"), "-issuer", self.ca, "-cert", self.certificate(name), "-ndays", days,
                "-respout", into)
        return into

    def _authority(self, name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                 "-subj", f"/CN=test {name}", "-addext", "basicConstraints=critical,CA:true",
                 "-keyout", self.key(name), "-out", self.certificate(name))

    def _issue(self, name, authority, names, start="20240101000000Z", end="20480101000000Z", key="ec"):
        # `openssl ca` is the one command of 3.0 that can sign for a period in the past.
        workshop = self.directory / f"issue-{name}"
        workshop.mkdir()
        (workshop / "index").touch()
        (workshop / "config").write_text(_CA_CONFIG.format(directory=workshop, names=names))
        parameter = {"ec": "ec_paramgen_curve:P-256", "rsa": "rsa_keygen_bits:2048"}[key]
        openssl("req", "-new", "-newkey", key, "-pkeyopt", parameter, "-nodes",
                 "-subj", f"/CN={name}", "-keyout", self.key(name), "-out", workshop / "request")
        openssl("ca", "-batch", "-notext", "-config", workshop / "config", "-in", workshop / "request",
                 "-cert", self.certificate(authority), "-keyfile", self.key(authority),
                 "-startdate", start, "-enddate", end, "-out", self.certificate(name))
