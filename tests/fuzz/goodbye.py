"""Target: the payload of a Close frame."""

from collections.abc import Callable

from trio_ohws._wire.frames import Violation, close_payload, may_be_sent, parse_close

__all__ = ["check"]


def check(
    data: bytes, parse: Callable[[bytes], tuple[int, str]] = parse_close
) -> tuple[int, str] | tuple[int, str, str]:
    """Read a payload; what comes of it writes the same, and a reason of any length is cut to fit.

    Args:
        data: the payload, which is a reason too.
        parse: what is tested.
    """
    reason = data.decode(errors="replace")
    written = close_payload(1000, reason)
    assert len(written) <= 125
    code, cut = parse_close(written)
    assert 1000 == code
    assert reason.startswith(cut)
    assert cut == reason or len(reason.encode()) > 123
    assert cut == reason or len(cut.encode()) > 119

    try:
        code, reason = parse(data)
    except Violation as violation:
        assert violation.code in {1002, 1007}
        return violation.code, violation.reason, "refused"
    assert may_be_sent(code) or (code == 1005 and not data)
    if len(data) <= 125:
        assert data == close_payload(code, reason)
    return code, reason
