"""The same conversation with every foreign server, compressed: each of them agrees to permessage-deflate."""

import json
import random

import pytest
import trio

import trio_ohws

SIZES = (0, 1, 63, 64, 125, 126, 2043, 2044, 2048, 2049, 65535, 65536, 2**20)
"""Payload sizes in bytes: about our threshold and pieces, and where a library or a frame changes its ways."""


def noise(size: int) -> bytes:
    """Return bytes that cannot be compressed."""
    return random.Random(size).randbytes(size)


def prose(size: int) -> str:
    """Return text, of characters of one to four bytes, that can."""
    words = ["deflate ", "größer ", "漢字 ", "😀 ", "0123456789 "]
    text = "".join(random.Random(size).choices(words, k=size // 4))
    return text.encode()[:size].decode(errors="ignore")


async def test_it_is_agreed_on(url: str) -> None:
    """The server takes up our offer, and says so in its answer."""
    async with trio_ohws.open_websocket(url, compression="deflate") as ws:
        answer = ws.response_headers["sec-websocket-extensions"]

        assert isinstance(answer, str)
        assert answer.startswith("permessage-deflate")
        assert ws.statistics().compression is not None


async def test_without_the_setting_it_is_not(url: str) -> None:
    """No server compresses for a client that did not offer it."""
    async with trio_ohws.open_websocket(url) as ws:
        assert "sec-websocket-extensions" not in ws.response_headers


async def test_messages_come_back(url: str) -> None:
    """Text and binary of every size, compressible or not, come back whole, over one pair of windows."""
    async with trio_ohws.open_websocket(url, compression="deflate") as ws:
        for size in (*SIZES, *SIZES):
            for message in (prose(size), noise(size), bytes(size)):
                await ws.send(message)

                assert message == await ws.receive()


async def test_like_messages_cost_little(url: str) -> None:
    """What both sides have in their windows is not sent again: JSON shrinks to less than half, each way."""
    source = random.Random(1)
    async with trio_ohws.open_websocket(url, compression="deflate") as ws:
        for n in range(200):
            tick = json.dumps(
                {"symbol": "BTCUSDT", "sequence": n, "price": source.randrange(10**6), "open": None}
            )
            await ws.send(tick)

            assert tick == await ws.receive()

        figures = ws.statistics().compression

    assert figures is not None
    assert figures.sent == figures.received
    assert figures.sent_ratio is not None
    assert figures.received_ratio is not None
    assert figures.sent_ratio < 0.5
    assert figures.received_ratio < 0.5


@pytest.mark.parametrize("size", [32, 1024, 70_000])
async def test_a_burst_arrives_whole(url: str, size: int) -> None:
    """A burst of compressed messages arrives in order, each at its length."""
    count = 1000 if size < 65536 else 100
    async with trio_ohws.open_websocket(url, compression="deflate") as ws:
        await ws.send(f"flood {count} {size}")
        got = [str(await ws.receive()) for _ in range(count)]

    assert [f"{n:08}" for n in range(count)] == [text[:8] for text in got]
    assert {size} == {len(text) for text in got}


@pytest.mark.needs("fragment")
@pytest.mark.parametrize("pieces", [1, 2, 50])
async def test_fragments_make_one_message(url: str, pieces: int) -> None:
    """What a server compresses piece by piece is one message."""
    async with trio_ohws.open_websocket(url, compression="deflate") as ws:
        for _ in range(3):
            await ws.send(f"fragment {pieces}")

            assert "".join(f"piece {n};" for n in range(pieces)) == await ws.receive()


async def test_too_much_is_refused(url: str) -> None:
    """A message that inflates beyond the limit gets Close 1009, though its frame is small."""
    async with trio_ohws.open_websocket(url, compression="deflate", max_message_size=10_000) as ws:
        await ws.send("flood 1 10001")
        result = await ws.wait_closed()

        assert (1009, "local") == (result.code, result.by)
        assert ws.statistics().bytes_received < 1000


async def test_the_same_socket_connects_again(url: str) -> None:
    """Each connection agrees anew, and begins with empty windows."""
    text = prose(5000)
    async with trio_ohws.create_websocket(compression="deflate") as ws:
        for _ in range(3):
            await ws.connect(url)
            await ws.send(text)
            with trio.fail_after(10):
                assert text == await ws.receive()
            await ws.close()
