"""Target: the URL of a server."""

import re
from collections.abc import Callable

from trio_ohws.errors import URL_ERROR, BusinessError
from trio_ohws.url import MAX_URL_LENGTH, WebSocketURL, parse_url

__all__ = ["SECRET", "check"]

SECRET = "s3cr3t"

_secret_parts = re.compile(r"wss?://(?P<user>[^/?@]*@)?[^/?@]*(?P<target>[/?].*)?", re.DOTALL).fullmatch


def check(data: bytes, parse: Callable[[object], WebSocketURL] = parse_url) -> WebSocketURL | str:
    """Read a URL; what comes of it is sound and settled, why nothing does repeats no secret.

    Args:
        data: the URL in UTF-8, other bytes as lone surrogates.
        parse: what is tested.
    """
    text = data.decode(errors="surrogateescape")
    try:
        url = parse(text)
    except BusinessError as error:
        assert error.code == URL_ERROR
        assert len(str(error)) < 400
        if parts := _secret_parts(text):
            secrets = (parts["user"] or "") + (parts["target"] or "")
            assert SECRET not in secrets or SECRET in text.replace(secrets, "") or SECRET not in str(error)
        return str(error)
    assert len(text) <= MAX_URL_LENGTH
    assert not re.search(r"[\s\x00-\x1f\x7f-\x9f]", text), "what another parser may drop"
    assert 1 <= url.port <= 65535
    assert url.host == url.host.lower()
    for part in (url.host, url.host_header, url.origin, url.origin_with_port, url.target):
        assert part.isascii()
        assert part.isprintable()
        assert not set(' "<>\\^`{|}#') & set(part)
    assert not set("@/?") & set(url.host)
    assert url.target.startswith("/")
    if len(str(url)) <= MAX_URL_LENGTH:
        assert url == parse(str(url))
    return url
