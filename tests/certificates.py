"""Certificates of every kind that a server or a client may show, as PEM files."""

import datetime as dt
import ssl
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = "secrät"
"""What the encrypted key of the client opens with."""

LOCAL = "localhost", "127.0.0.1", "::1"
NOW = dt.datetime.now(dt.UTC)


class Certificates:
    """A small PKI: ``name.pem`` is a certificate with its chain, ``name.key`` its key.

    "server" is for localhost; "expired", "wronghost", "selfsigned" and "rogue" (of an unknown CA) are servers
    that nobody should trust; "client" is known to "ca", "rogue-client" is not.

    Args:
        directory: where the files are written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ca, other = trustme.CA(), trustme.CA()
        ca.cert_pem.write_to_path(self.path("ca.pem"))
        other.cert_pem.write_to_path(self.path("other-ca.pem"))
        client = ca.issue_cert("client@example.test", common_name="client")
        self._save("server", ca.issue_cert(*LOCAL))
        self._save("wronghost", ca.issue_cert("other.test"))
        self._save(
            "expired",
            ca.issue_cert(
                *LOCAL, not_before=NOW - dt.timedelta(days=2), not_after=NOW - dt.timedelta(days=1)
            ),
        )
        self._save("rogue", other.issue_cert(*LOCAL))
        self._save("client", client)
        self._save("rogue-client", other.issue_cert("client@example.test"))
        self._save_self_signed()
        key = serialization.load_pem_private_key(client.private_key_pem.bytes(), None)
        encrypted = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(PASSWORD.encode()),
        )
        Path(self.path("client-encrypted.key")).write_bytes(encrypted)

    def path(self, name: str) -> str:
        """Return where a file is."""
        return str(self.directory / name)

    @property
    def ca(self) -> str:
        """The authority to trust."""
        return self.path("ca.pem")

    def client_cert(
        self, name: str = "client", key: str | None = None, password: str | None = None
    ) -> dict[str, str | None]:
        """Return the option `clientCert` that shows a client's certificate."""
        key = self.path(f"{key or name}.key")
        return {"certPath": self.path(f"{name}.pem"), "keyPath": key, "keyPassword": password}

    def server_context(
        self, name: str = "server", *, mutual: bool = False, version: ssl.TLSVersion | None = None
    ) -> ssl.SSLContext:
        """Return what a server speaks: with `mutual` it requires a certificate of the client's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path(f"{name}.pem"), self.path(f"{name}.key"))
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context

    def _save(self, name: str, leaf: trustme.LeafCert) -> None:
        Path(self.path(f"{name}.pem")).write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(self.path(f"{name}.key"))

    def _save_self_signed(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(days=1))
            .not_valid_after(NOW + dt.timedelta(days=30))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        Path(self.path("selfsigned.pem")).write_bytes(certificate.public_bytes(pem))
        plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        Path(self.path("selfsigned.key")).write_bytes(plain)
