"""Reading certificates, judged by the library that made them."""

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, strategies as st

from tests.certificates import Certificates
from trio_ohws.cli.certificate import read_certificate


def der_of(path: str) -> bytes:
    """The first certificate of a PEM file."""
    pem = Path(path).read_text(encoding="ascii")
    return ssl.PEM_cert_to_DER_cert(pem[: pem.index("-----END CERTIFICATE-----") + 25] + "\n")


@pytest.mark.parametrize("name", ["server", "expired", "wronghost", "selfsigned", "client", "ca"])
def test_fields(name: str, certificates: Certificates) -> None:
    """They are what cryptography reads."""
    der = der_of(certificates.path(f"{name}.pem"))
    right = x509.load_der_x509_certificate(der)
    found = read_certificate(der)
    try:
        names = right.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])

    assert (right.not_valid_before_utc, right.not_valid_after_utc) == (found.not_before, found.not_after)
    assert found.subject in right.subject.rfc4514_string()
    assert found.issuer in right.issuer.rfc4514_string()
    assert [str(one.value) for one in names if not isinstance(one, x509.RFC822Name)] == list(found.names)


@given(st.data())
def test_what_is_none(certificates: Certificates, data: st.DataObject) -> None:
    """Whatever was done to a certificate, it is read, or it is a ValueError."""
    der = bytearray(der_of(certificates.path("server.pem")))
    for _ in range(data.draw(st.integers(0, 3))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(der[: data.draw(st.integers(0, len(der)))])
    try:
        found = read_certificate(cut)
    except ValueError:
        return

    assert found.not_after.tzinfo is not None
