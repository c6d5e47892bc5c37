"""Certificates with which server, scheduler and workers know each other, and nobody else gets a word from them.

Whoever holds the key may ask the workers anything: it lies in a folder of this user alone, and goes when the cluster goes.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lesionviz.errors import LesionvizError

if TYPE_CHECKING:
    from distributed import Security

LIFE = datetime.timedelta(days=3650)
"""How far a certificate reaches to both sides: a clock that is set back or forward in a class must end no connection."""


@dataclass(frozen=True)
class Certificates:
    """Three PEM files, as every tool for TLS writes them; scheduler, workers and server may share them.

    Attributes:
        ca: the certificate that signed all others; who is signed by it is trusted.
        cert: our own certificate.
        key: its private key.
    """

    ca: Path
    cert: Path
    key: Path

    def security(self) -> Security:
        """Return what Dask wants to be told: TLS for everything, each side shows its certificate.

        Raises:
            LesionvizError: a file is missing or holds something else.
        """
        from distributed import Security

        for path in (self.ca, self.cert, self.key):
            if not path.is_file():
                raise LesionvizError(f"There is no file {path}. Give the cluster's certificates: three PEM files.")
        files = {f"tls_{role}_cert": str(self.cert) for role in ("client", "scheduler", "worker")}
        files |= {f"tls_{role}_key": str(self.key) for role in ("client", "scheduler", "worker")}
        security = Security(require_encryption=True, tls_ca_file=str(self.ca), **files)
        try:
            security.get_connection_args("client")
        except OSError as error:  # as ssl says that it is no PEM, or that key and certificate are not a pair
            raise LesionvizError(
                f"{self.ca.name}, {self.cert.name} and {self.key.name} are not certificates that belong together "
                f"({error}). Give the cluster's own: three PEM files."
            ) from error
        return security


def certificates_in(folder: Path) -> Certificates:
    """Return the certificates by the names under which :func:`make_certificates` writes them."""
    return Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")


def make_certificates(folder: Path) -> Certificates:
    """Write new certificates into a folder of this user alone; the key that signed them is forgotten at once.

    Args:
        folder: readable by nobody else (0700); the files are, too (0600).
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.UTC)

    def usage(signs: bool) -> x509.KeyUsage:
        return x509.KeyUsage(
            digital_signature=not signs,
            key_cert_sign=signs,
            crl_sign=signs,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )

    def certificate(
        name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey, signs: bool
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - LIFE)
            .not_valid_after(now + LIFE)
            .add_extension(x509.BasicConstraints(ca=signs, path_length=0 if signs else None), critical=True)
            .add_extension(usage(signs), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
            )
        )
        if not signs:
            here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
            builder = builder.add_extension(here, critical=False)
        return builder.sign(issuer_key, hashes.SHA256())

    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    found = certificates_in(folder)
    pem = serialization.Encoding.PEM
    private = own.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    root = certificate("lesionviz cluster", authority, "lesionviz cluster", authority, signs=True)
    leaf = certificate("lesionviz process", own, "lesionviz cluster", authority, signs=False)
    for path, content in (
        (found.ca, root.public_bytes(pem)),
        (found.cert, leaf.public_bytes(pem)),
        (found.key, private),
    ):
        path.touch(mode=0o600, exist_ok=False)  # private from the first byte on
        path.write_bytes(content)
    return found
