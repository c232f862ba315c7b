"""Target: the answer to the upgrade request."""

from tests.fuzz.padding import expand
from trio_ohws._wire.deflate import Deflate
from trio_ohws._wire.http1 import HEAD_LIMIT, HeadParser, MalformedHead, ResponseHead
from trio_ohws._wire.upgrade import (
    Refusal,
    accept_key,
    canonical_head,
    check_answer,
    check_extensions,
)

__all__ = ["OFFERED", "Outcome", "check"]

MOST_BYTES = 1024
"""Of a head that is read by bytes."""

ACCEPT = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==")
OFFERED = ("chat", "superchat")

Outcome = ResponseHead | str | None
"""A head, why it is none, or that it has not ended."""


def check(data: bytes, parser: type[HeadParser] = HeadParser) -> tuple[Outcome, str | None]:
    """Read a head in several cuts, and judge it; return it, and why it is refused.

    Args:
        data: a byte whose first bit says that we offer compression, the second that we offer subprotocols,
            the rest the size of reads, 0 being all there is; then what the server sends.
        parser: what is tested.
    """
    setup, wire = data[:1].ljust(1, b"\0")[0], expand(data[1:])
    whole = _read(wire, parser, len(wire) or 1)
    for size in {setup >> 2 or 1, 1 if len(wire) < MOST_BYTES else 1000}:
        assert whole == _read(wire, parser, size)
    head, _ = whole
    if not isinstance(head, ResponseHead):
        return head, None
    assert 101 <= head.status <= 999
    assert head.status == 101 or head.status >= 200
    for name, value in head.headers:
        assert name == name.lower()
        assert name.isascii()
        assert name.isprintable()
        assert name
        assert value == value.strip(" \t")
        assert not set("\r\n\0") & set(name + value + head.reason)
    return head, _refusal(head, deflate=bool(setup & 1), offered=OFFERED if setup & 2 else ())


def _read(wire: bytes, kind: type[HeadParser], size: int) -> tuple[Outcome, bytes]:
    """Return what comes of a head that is read by pieces, and what is behind it."""
    parser = kind()
    for start in range(0, len(wire), size):
        try:
            head = parser.feed(wire[start : start + size])
        except MalformedHead as error:
            assert 0 == error.status or 100 <= error.status <= 999
            return str(error), b""
        assert head is not None or len(parser.rest) <= HEAD_LIMIT
        if head is not None:
            return head, parser.rest + wire[start + size :]
    return None, b""


def _refusal(head: ResponseHead, *, deflate: bool, offered: tuple[str, ...]) -> str | None:
    try:
        chosen = check_answer(head, ACCEPT, offered)
        agreed = check_extensions(head, deflate=deflate)
    except Refusal as refusal:
        assert refusal.status == head.status
        assert str(refusal).isprintable(), "peer-controlled text in a log"
        assert len(str(refusal)) < 200
        return str(refusal)
    assert head.status == 101
    assert chosen is None or chosen in offered
    assert agreed is None or deflate
    assert agreed is None or isinstance(agreed, Deflate)
    assert ("sec-websocket-accept", ACCEPT) in head.headers
    canonical = HeadParser().feed(canonical_head(ACCEPT, chosen))
    assert canonical is not None
    assert chosen == check_answer(canonical, ACCEPT, offered)
    return None
