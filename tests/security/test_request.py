"""What a program passes on from strangers, a URL or a header's value, cannot become another request."""

from typing import Any

import h11
import pytest
import trio

from tests.scripted_peer import URL, Network, Peer, polite
from trio_ohws import BusinessError

SMUGGLED = "\r\nX: y\r\n\r\nGET /admin HTTP/1.1\r\nHost: h\r\n\r\n"

REFUSED: list[tuple[int, str, dict[str, Any]]] = [
    (2302001, f"ws://h/{SMUGGLED}", {}),
    (2302001, "ws://h/a b", {}),
    (2302001, "ws://h/a\tb", {}),
    (2302001, "ws://h/a\x00b", {}),
    (2302001, "ws://h/a\x85b", {}),
    (2302001, "ws://h/a\u2028b", {}),
    (2302001, "ws://h\\@evil/", {}),
    (2302001, "ws://h@evil/", {}),
    (2302001, "ws://h%40evil/", {}),
    (2302001, "ws://h%0d%0aX/", {}),
    (2302001, "ws://h\uff0fevil/", {}),
    (2302001, "ws://h\uff20evil/", {}),
    (2302001, "ws://h\uff1a81/", {}),
    (2302001, "ws://h\u2100/", {}),  # maps to "a/c"
    (2302001, "ws://h:80:81/", {}),
    (2302001, "ws://h:\u0661/", {}),
    (2302001, "ws://[::1]evil/", {}),
    (2302001, "ws://[::1%25lo]/", {}),
    (2302001, "ws://h/#@evil/", {}),
    (401, URL, {"header": {"X": f"y{SMUGGLED}"}}),
    (401, URL, {"header": {"X": "y\ny: z"}}),
    (401, URL, {"header": {"X": "y\ry: z"}}),
    (401, URL, {"header": {"X": ["y", "z\r\n"]}}),
    (401, URL, {"header": {"X": "y\x00"}}),
    (401, URL, {"header": {"X: y\r\nZ": "z"}}),
    (401, URL, {"header": {"X y": "z"}}),
    (401, URL, {"header": {"": "z"}}),
    (401, URL, {"header": {"Host": f"h{SMUGGLED}"}}),
    (401, URL, {"header": {"Host": "h, evil"}}),
    (401, URL, {"header": {"Host": "h", "host": "evil"}}),
    (401, URL, {"header": {"Origin": f"http://h{SMUGGLED}"}}),
    (401, URL, {"header": {"Content-Length": "5"}}),
    (401, URL, {"header": {"transfer-encoding": "chunked"}}),
    (401, URL, {"header": {"Sec-WebSocket-Key": "x"}}),
    (401, URL, {"header": {"Connection": "close"}}),
    (401, URL, {"protocol": f"a{SMUGGLED}"}),
    (401, URL, {"protocol": "a\r\nX: y"}),
    (401, URL, {"proxy": {"host": f"p{SMUGGLED}", "port": 1}}),
    (401, URL, {"proxy": {"host": "p", "port": 1, "username": f"u{SMUGGLED}"}}),
    (401, URL, {"proxy": {"host": "p", "port": 1, "username": "u", "password": "s\r\nX: y"}}),
    (401, URL, {"proxy": "http://u:s%0D%0AX:y@p"}),
]


@pytest.mark.parametrize(("code", "url", "options"), REFUSED)
async def test_what_would_be_another_request_is_refused(
    code: int, url: str, options: dict[str, Any], nursery: trio.Nursery
) -> None:
    """Whatever would end a line, a part of the URL or the request too early is refused; nobody is dialled."""
    network = Network(polite, nursery)
    async with network.websocket() as ws:
        with pytest.raises(BusinessError) as caught:
            await ws.connect(url, options)

    assert code == caught.value.code
    assert [] == network.peers


async def test_what_looks_like_another_request_is_none(nursery: trio.Nursery) -> None:
    """Encoded line breaks, a second host and other scripts arrive as they are meant, in one request."""
    network = Network(polite, nursery)
    async with network.websocket() as ws:
        await ws.connect(
            "ws://B\u00fccher.example:81//evil.test/..%0d%0aX:%20y/\u010a?q=http://evil.test/&\u010d",
            {"header": {"X-A": "\u010a\u010d", "X-B": ["1", "2"]}, "protocol": "a, b"},
        )
    peer: Peer = network.peers[0]
    server = h11.Connection(h11.SERVER)
    server.receive_data(peer.request + b"\r\n\r\n")
    request = server.next_event()

    assert isinstance(request, h11.Request)
    assert b"//evil.test/..%0d%0aX:%20y/%C4%8A?q=http://evil.test/&%C4%8D" == request.target
    assert [b"xn--bcher-kva.example:81"] == [value for name, value in request.headers if name == b"host"]
    assert [b"\xc4\x8a\xc4\x8d", b"1", b"2"] == [v for n, v in request.headers if n.startswith(b"x-")]
    assert type(server.next_event()) is h11.EndOfMessage
    assert (b"", False) == server.trailing_data
