"""What to do about what went wrong."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["about_connection", "about_refusal", "about_tls"]

# What the words of a failure look like, and what helps; the first that fits.
_ABOUT_CONNECTION: Final = (
    ("refused", "nothing listens on port {port} there: check the port, and whether the server runs"),
    ("timed out|in time", "what was sent got lost: check firewalls, and whether a proxy is needed (--proxy)"),
    ("forbids", "a sandbox or a firewall on this computer is in the way"),
    ("no route|no network", "this computer has no way to that address: check its network, VPN, or IPv6"),
)
_ABOUT_TLS: Final = (
    ("does not speak TLS", "use ws:// instead of wss://, or another port"),
    (
        "expired|not yet valid",
        "whoever runs the server has to renew it; is the clock of this computer right?",
    ),
    ("mismatch", "use a URL with a name that the certificate is for{names}"),
    ("self-signed|self signed|local issuer", "if you know it, trust its authority with --ca FILE"),
    ("client certificate", "show a certificate with --cert FILE and --key FILE"),
    ("version", "the server is too old to be safe: whoever runs it has to allow TLS 1.2 or 1.3"),
    ("'(cert|key|ca)_path'", "check the files given with --ca, --cert and --key"),
)
_ABOUT_STATUS: Final = (
    (200, 299, "there is a web server, but no WebSocket at this path: check the path"),
    (300, 399, "redirects are not followed: use the URL in 'location', with ws or wss"),
    (401, 401, "it wants to know who you are: -H 'Authorization: ...'"),
    (403, 403, "it refuses you, or your origin: check credentials, and try -H 'Origin: ...'"),
    (404, 404, "check the path"),
    (400, 499, "it does not like the request: check the path, headers and subprotocols"),
    (500, 599, "the server, or what stands before it, has trouble: look into its log, and try later"),
)
_NO_ANSWER: Final = "check whether a WebSocket server listens on this port"
_NO_UPGRADE: Final = (
    "something on the way, a proxy or a cache, may not know WebSockets; wss:// gets past most"
)


def about_connection(words: str, port: int) -> str | None:
    """Say what to do about a TCP connection that failed."""
    return _first(_ABOUT_CONNECTION, words, port=str(port))


def about_tls(words: str, names: Sequence[str]) -> str | None:
    """Say what to do about a TLS handshake that failed; `names` are those of the certificate."""
    return _first(_ABOUT_TLS, words, names=f": {', '.join(names)}" if names else "")


def about_refusal(status: int | None, headers: Mapping[str, object], *, secure: bool) -> str:
    """Say what to do about a handshake that failed; `status` is None where there was no answer."""
    if status is None:
        return _NO_ANSWER if secure else f"{_NO_ANSWER}, and whether it wants TLS: wss://"
    if "retry-after" in headers:
        return f"try again as 'retry-after' says: {headers['retry-after']}"
    return next((advice for least, most, advice in _ABOUT_STATUS if least <= status <= most), _NO_UPGRADE)


def _first(table: Sequence[tuple[str, str]], words: str, **details: str) -> str | None:
    return next((advice.format(**details) for pattern, advice in table if re.search(pattern, words)), None)
