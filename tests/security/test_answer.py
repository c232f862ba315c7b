"""What a server, or whoever sits before it, answers: where its head ends, and what is behind that."""

import contextlib

import pytest
import trio

from tests.journal import Journal
from tests.scripted_peer import TEXT, URL, Network, Peer, close_frame, frame
from trio_ohws import BusinessError

EVIL = frame(TEXT, "evil") + close_frame(1000, "evil")


END = b"\r\n\r\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (END, b"\r\nUpgrade: websocket\r\n\r\n"),
        (END, b"\r\nSec-WebSocket-Accept: x\r\n\r\n"),
        (END, b"\r\nSec-WebSocket-Protocol: x\r\n\r\n"),
        (END, b"\r\nSec-WebSocket-Extensions: x\r\n\r\n"),
        (END, b"\r\nX: y\r\n folded: z\r\n\r\n"),
        (END, b"\r\nX: y\x00\r\n\r\n"),
        (END, b"\r\nX: y\rZ: z\r\n\r\n"),
        (END, b"\r\nX: y\nZ: z\r\n\r\n"),
        (END, b"\r\nX : y\r\n\r\n"),
        (b"\r\n", b"\n"),
        (b"101", b"200"),
        (b"101", b"1010"),
        (b"HTTP/1.1 101", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 101"),
        (b"HTTP/1.1 101", b"\r\nHTTP/1.1 101"),
    ],
)
async def test_behind_a_refused_answer_nothing_counts(old: bytes, new: bytes, nursery: trio.Nursery) -> None:
    """Bytes behind an answer that is refused are no frames, and no second answer is read from them."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(peer.answer().replace(old, new) + EVIL)
        await peer.stream.aclose()

    async with Network(script, nursery).websocket() as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError) as caught:
            await ws.connect(URL)

    assert 2302999 == caught.value.code
    assert ["error"] == journal.names()


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Length", "7")],
        [("Content-Length", "7"), ("Content-Length", "8")],
        [("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "chunked"), ("Content-Length", "7")],
    ],
)
async def test_a_101_has_no_body(headers: list[tuple[str, str]], nursery: trio.Nursery) -> None:
    """What frames a body does not count in a 101: behind its empty line there are frames (RFC 9112 6.3)."""

    async def script(peer: Peer) -> None:
        await peer.accept(headers, then=frame(TEXT, "first") + close_frame())
        await peer.serve_politely()

    async with Network(script, nursery).websocket() as ws:
        await ws.connect(URL)

        assert ["first"] == [message async for message in ws]


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("name", "refused"),
    [("A", False), ("Connection", False), ("Upgrade", True), ("Sec-WebSocket-Extensions", True)],
)
async def test_thousands_of_headers(name: str, refused: bool, nursery: trio.Nursery) -> None:
    """A head full of equal headers is judged in linear time, whether they mean something or not."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        line = f"{name}: a\r\n".encode()
        await peer.send(peer.answer()[:-2] + line * (64_000 // len(line)) + b"\r\n")
        await peer.serve_politely()

    async with Network(script, nursery).websocket(compression="deflate") as ws:
        with pytest.raises(BusinessError) if refused else contextlib.nullcontext():
            await ws.connect(URL)
