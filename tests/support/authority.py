"""Certificates for gateways, made with the openssl command: an authority, perhaps others below it, and what they sign
and revoke."""

import pathlib
import tempfile

from support.certificates import openssl

KEYS = {"rsa": ("RSA", "rsa_keygen_bits:2048"), "p256": ("EC", "ec_paramgen_curve:P-256"),
        "p384": ("EC", "ec_paramgen_curve:P-384"), "p521": ("EC", "ec_paramgen_curve:P-521"), "ed25519": ("ED25519",),
        "ed448": ("ED448",)}
_CONFIG = """
[ca]
default_ca = here
[here]
database = {directory}/index
crlnumber = {directory}/crlnumber
default_md = sha256
default_crl_days = 30
crl_extensions = of_list
[of_list]
authorityKeyIdentifier = keyid
"""


class Authority:
    """`certificate` and `key` are its PEM files. Without an `issuer` it has signed itself. What `directory` has already, of
    an earlier scenario, is taken as it is: an emulated machine takes seconds for a key."""

    def __init__(self, directory, name="ca", issuer=None):
        self.directory, self.name, self.issuer = directory, name, issuer
        self.certificate, self.key = directory / f"{name}.pem", directory / f"{name}.key"
        extensions = "basicConstraints=critical,CA:true\nkeyUsage=keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
        (issuer or self)._make(self.certificate, self.key, f"/O=keysluice/CN={name}", "p256", extensions)

    def issue(self, name, key="p256", names=None, large=False):
        """A gateway's: the PEM file with all that leads to the root, and the key's. The certificate's subject is
        `name`, and so is its alternative name unless `names` says otherwise. `large`: more than 4 KiB."""
        names = names or f"DNS:{name}"
        if large:
            names += "".join(f",DNS:a-name-that-nobody-has-{number}.test" for number in range(130))
        base = self.directory / f"{self.name}-{name}-{key}{'-large' if large else ''}"
        certificate, private = pathlib.Path(f"{base}.pem"), pathlib.Path(f"{base}.key")
        if certificate.exists():
            return certificate, private
        self._make(certificate, private, f"/O=keysluice/CN={name}", key, f"subjectAltName={names}\n")
        chain, above = certificate.read_text(), self
        while above.issuer:
            chain, above = chain + above.certificate.read_text(), above.issuer
        private.chmod(0o600)
        certificate.write_text(chain)
        return certificate, private

    def revoke(self, *certificates):
        """Its revocation list, a PEM file, with these certificates in it."""
        workshop = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        config, revoked = workshop / "config", workshop / "list.crl"
        (workshop / "index").touch()
        (workshop / "crlnumber").write_text("01\n")
        config.write_text(_CONFIG.format(directory=workshop))
        signer = ("-config", config, "-cert", self.certificate, "-keyfile", self.key)
        for each in certificates:
            openssl("ca", *signer, "-revoke", each)
        openssl("ca", *signer, "-gencrl", "-out", revoked)
        return revoked

    def _make(self, certificate, key, subject, kind, extensions):
        if certificate.exists():
            return
        algorithm, *options = KEYS[kind]
        options = [word for each in options for word in ("-pkeyopt", each)]
        openssl("genpkey", "-algorithm", algorithm, *options, "-out", key)
        request, file = certificate.with_suffix(".csr"), certificate.with_suffix(".ext")
        file.write_text(extensions)
        openssl("req", "-new", "-key", key, "-subj", subject, "-out", request)
        signer = ("-signkey", key) if certificate == self.certificate else ("-CA", self.certificate, "-CAkey", self.key)
        openssl("x509", "-req", "-in", request, *signer, "-CAcreateserial", "-days", 30, "-extfile", file,
                "-out", certificate)


def for_keysluice(authority, certificate, key, **more):
    """What a [[ike.connection]] says."""
    return {"auth": "certificate", "certificate": certificate, "private_key": f"file:{key}",
            "ca": authority.certificate} | more


def for_strongswan(authority, certificate, key, identity, peer):
    """What the class StrongSwan takes: the connection, and what is to be loaded. strongSwan wants each certificate of a
    chain by itself."""
    leaf, *others = [f"{each}-----END CERTIFICATE-----\n" for each in
                     certificate.read_text().split("-----END CERTIFICATE-----\n")[:-1]]
    load = [("load-cert", {"type": "X509", "flag": "CA", "data": each}) for each in
            (*others, authority.certificate.read_text())]
    load.append(("load-key", {"type": "any", "data": key.read_text()}))
    local = {"auth": "pubkey", "certs": [leaf], "id": identity}
    remote = {"auth": "pubkey", "cacerts": [authority.certificate.read_text()], "id": peer}
    return {"connection": {"local": local, "remote": remote}, "credentials": load}
