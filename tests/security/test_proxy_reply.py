"""What a proxy answers to CONNECT is neither the server's answer nor a frame."""

import pytest
import trio
import trio.testing

from tests.journal import Journal
from tests.scripted_peer import TEXT, URL, Peer, frame
from trio_ohws import BusinessError, WebSocket
from trio_ohws._dial.proxy import open_tunnel
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.proxy_server import parse_proxy_url
from trio_ohws.url import WebSocketURL

OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
EVIL = frame(TEXT, "evil")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (OPEN + EVIL, "the answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n" + EVIL, "the answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n" + EVIL, "the answer is not HTTP"),
        (OPEN + OPEN, "server answered 200 Connection established"),
        (OPEN + SWITCHED + EVIL, "a bad Sec-WebSocket-Accept"),
        (SWITCHED + EVIL, "answered 101 Switching Protocols"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OPEN, "answered 100 Continue"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\n\r\n" + OPEN, "answered 302 Found"),
        (b"HTTP/1.1 407 \x1b[2J\x9b\r\n\r\n" + OPEN, "answered 407 Proxy Authentication Required"),
        (b"HTTP/1.1 200 OK\n\n" + EVIL, "closed the connection without an answer"),
        (b"HTTP/1.1 200 OK\nX: y\r\n\r\n" + EVIL, "does not speak HTTP"),
        (b"HTTP/2 200\r\n\r\n" + EVIL, "does not speak HTTP"),
        (EVIL, "does not speak HTTP"),
    ],
)
async def test_a_hostile_reply(reply: bytes, words: str, nursery: trio.Nursery) -> None:
    """Whatever stands in, or behind, a proxy's reply: the server's own answer is what has to come next."""

    async def proxy(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(reply)
        await peer.stream.aclose()

    async def dial(url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        ours, theirs = trio.testing.memory_stream_pair()
        nursery.start_soon(proxy, Peer(theirs))
        return await open_tunnel(ours, parse_proxy_url("http://p"), url.host, url.port)

    async with WebSocket(dial=dial) as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError) as caught:
            await ws.connect(URL)

    assert words in caught.value.message
    assert caught.value.message.isprintable()
    assert ["error"] == journal.names()
