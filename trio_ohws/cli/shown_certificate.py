"""The certificates that a server has shown, and until when they last."""

import datetime as dt
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from trio_ohws.cli.certificate import Certificate, read_certificate

__all__ = ["ShownCertificate"]

_SOON: Final = dt.timedelta(days=14)


class ShownCertificate:
    """Keeps what one handshake has shown.

    Before Python 3.13 nothing public tells the chain: there it is the server's own certificate alone.
    """

    def __init__(self) -> None:
        self._chain: list[bytes] = []

    @contextmanager
    def kept_by(self, context: ssl.SSLContext) -> Iterator[None]:
        """Keep the chain of the handshakes that a context does meanwhile."""
        chain = self._chain

        class Keeping(ssl.SSLObject):
            def do_handshake(self) -> None:
                super().do_handshake()
                chain[:] = getattr(self, "get_unverified_chain", list)()

        before = context.sslobject_class
        context.sslobject_class = Keeping
        try:
            yield
        finally:
            context.sslobject_class = before

    def certificates(self, leaf: bytes) -> list[Certificate]:
        """Read them, the server's own first; it is `leaf` where nothing else is known."""
        try:
            return [read_certificate(der) for der in self._chain or [leaf]]
        except ValueError:
            return []

    def judge(
        self, certificate: Certificate, now: dt.datetime | None = None
    ) -> tuple[Literal["ok", "warn", "FAIL"], str, str | None]:
        """Say what a certificate is, and whether its time is over, or soon will be."""
        now = now or dt.datetime.now(dt.UTC)
        left = certificate.not_after - now
        names = f" for {', '.join(certificate.names)}" if certificate.names else ""
        words = f"{certificate.subject}{names}, issued by {certificate.issuer}"
        until = f"{certificate.not_after:%Y-%m-%d}"
        if now < certificate.not_before:
            return (
                "FAIL",
                f"{words}, not valid before {certificate.not_before:%Y-%m-%d}",
                "is the clock right?",
            )
        if left < dt.timedelta():
            return "FAIL", f"{words}, expired on {until}", "whoever runs the server has to renew it"
        advice = "whoever runs the server should renew it now" if left < _SOON else None
        return "warn" if advice else "ok", f"{words}, expires on {until}, in {left.days} days", advice
