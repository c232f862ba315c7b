"""permessage-deflate as a program sees it: asked for by a setting, agreed on or not, and then unseen."""

import random
import zlib

import pytest
import trio
import trio.testing
from websockets.extensions.permessage_deflate import PerMessageDeflate

from tests.journal import CONNECTED, Journal
from tests.scripted_peer import BINARY, CLOSE, CONT, PING, PONG, TEXT, URL, Frame, Network, Peer, frame
from trio_ohws import BusinessError, CompressionStatistics, WebSocket
from trio_ohws._wire.deflate import MIN_SIZE, Deflate
from trio_ohws._wire.frames import COPY_LIMIT
from trio_ohws.events.model import Message
from trio_ohws.nursery.outbox import Outbox

RSV1 = 0x40
TAIL = b"\x00\x00\xff\xff"
HEADER = "Sec-WebSocket-Extensions"
OFFER = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
TEXTS = "one text after another, and none of them new; " * 4


class Inflater:
    """A server that agrees, and inflates what it gets by zlib alone.

    Args:
        answer: the Sec-WebSocket-Extensions with which it agrees; None for none.
        then: bytes that go out together with the answer.
    """

    def __init__(self, answer: str | None = "permessage-deflate", then: bytes = b"") -> None:
        self.answer = answer
        self.then = then
        self.request = b""
        self.frames: list[Frame] = []
        self.messages: list[Message] = []
        self.may_read = trio.Event()
        self.may_read.set()

    async def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        self.request = await peer.read_request()
        headers = [] if self.answer is None else [(HEADER, self.answer)]
        await peer.send(peer.answer(headers) + self.then)
        await self.may_read.wait()
        inflater = zlib.decompressobj(wbits=-15)
        while (one := await peer.receive()) is not None:
            self.frames.append(one)
            if one.opcode == CLOSE:
                await peer.send(frame(CLOSE, one.payload))
                break
            if one.opcode == PING:
                await peer.send(frame(PONG, one.payload))
                continue
            if one.rsv1:
                data = inflater.decompress(one.payload + TAIL)
                if self.answer is not None and "client_no" in self.answer:
                    inflater = zlib.decompressobj(wbits=-15)
            else:
                data = one.payload
            self.messages.append(data.decode() if one.opcode == TEXT else data)
        await peer.stream.aclose()


def compressed(*messages: Message) -> bytes:
    """Return a server's frames for messages, each compressed by the window of those before."""
    stream = zlib.compressobj(wbits=-15)
    wire = b""
    for message in messages:
        opcode, data = (TEXT, message.encode()) if isinstance(message, str) else (BINARY, message)
        data = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
        wire += frame(opcode | RSV1, data.removesuffix(TAIL))
    return wire


# Agreeing


async def test_the_offer_is_in_the_request(nursery: trio.Nursery) -> None:
    """Who sets it offers it, in one header; and nobody else does."""
    server = Inflater()
    async with Network(server, nursery).websocket(compression="deflate") as ws:
        await ws.connect(URL)

    assert 1 == server.request.split(b"\r\n").count(OFFER)

    server = Inflater(None)
    async with Network(server, nursery).websocket() as ws:
        await ws.connect(URL)

    assert HEADER.lower().encode() not in server.request.lower()


async def test_a_server_may_decline(nursery: trio.Nursery) -> None:
    """Without an answer to the offer everything goes uncompressed, and there are no figures."""
    server = Inflater(None, frame(TEXT, TEXTS))
    async with Network(server, nursery).websocket(compression="deflate") as ws:
        await ws.connect(URL)
        await ws.send(TEXTS)

        assert TEXTS == await ws.receive()
        assert ws.statistics().compression is None

    assert Frame(TEXT, TEXTS.encode()) == server.frames[0]


@pytest.mark.parametrize(
    "answer", ["permessage-deflate; unknown", "permessage-deflate, permessage-deflate", "x", ""]
)
async def test_a_server_that_answers_something_else(nursery: trio.Nursery, answer: str) -> None:
    """What was not offered ends the attempt: 2302999, with 101 as the status."""
    async with Network(Inflater(answer), nursery).websocket(compression="deflate") as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError) as caught:
            await ws.connect(URL)

    assert (2302999, "101") == (caught.value.code, caught.value.data)
    assert "extensions that were not offered" in caught.value.message
    assert [("error", 200, "101")] == journal.entries


async def test_compression_that_nobody_asked_for(nursery: trio.Nursery) -> None:
    """Without the setting an agreement is a refusal as before."""
    async with Network(Inflater(), nursery).websocket() as ws:
        with pytest.raises(BusinessError, match="an extension that was not offered"):
            await ws.connect(URL)


# Sending


@pytest.mark.parametrize("answer", ["permessage-deflate", "permessage-deflate; client_no_context_takeover"])
async def test_what_is_sent_compressed(nursery: trio.Nursery, answer: str) -> None:
    """From the threshold on messages are compressed, and arrive; smaller ones are sent as they are."""
    server = Inflater(answer)
    large = random.Random(1).randbytes(COPY_LIMIT + 1)
    sent: list[Message] = [
        "",
        "a" * (MIN_SIZE - 1),
        "a" * MIN_SIZE,
        TEXTS,
        b"a" * (MIN_SIZE - 1),
        b"a" * MIN_SIZE,
        large,
        "a" * 1_000_000,
        large,
        "ä" * (MIN_SIZE // 2),
    ]
    async with Network(server, nursery).websocket(compression="deflate") as ws:
        await ws.connect(URL)
        for message in sent:
            await ws.send(message)

    assert sent == server.messages
    size = [len(message.encode() if isinstance(message, str) else message) for message in sent]
    assert [n >= MIN_SIZE for n in size] == [one.rsv1 for one in server.frames[:-1]]
    assert Frame(CLOSE, b"\x03\xe8") == server.frames[-1]


async def test_pings_and_close_are_never_compressed(nursery: trio.Nursery) -> None:
    """Control frames of any size go as they are."""
    server = Inflater()
    async with Network(server, nursery).websocket(compression="deflate") as ws:
        await ws.connect(URL)
        await ws.send(TEXTS)
        await ws.ping(b"p" * 125)
        await ws.close({"code": 4000, "reason": "r" * 123})

    assert [Frame(PING, b"p" * 125), Frame(CLOSE, b"\x0f\xa0" + b"r" * 123)] == server.frames[1:]


@pytest.mark.parametrize("seed", range(5))
async def test_the_order_of_compressing_is_that_of_the_wire(nursery: trio.Nursery, seed: int) -> None:
    """However sends wait, overtake or are cancelled, a server with one window reads all that was queued."""
    source = random.Random(seed)
    server = Inflater()
    server.may_read = trio.Event()
    queued: list[Message] = []
    scopes: list[trio.CancelScope] = []

    async def send(ws: WebSocket, message: Message) -> None:
        with trio.CancelScope() as scope:
            scopes.append(scope)
            await ws.send(message)
            queued.append(message)

    async with Network(server, nursery).websocket(compression="deflate", send_buffer=500) as ws:
        await ws.connect(URL)
        async with trio.open_nursery() as senders:
            for number in range(120):
                message = f"{number}: {TEXTS[: source.randrange(180)]}{source.random()}"
                match source.randrange(6):
                    case 0:
                        ws.send(message, lambda _err, _value: None)
                        queued.append(message)
                    case 1:
                        try:
                            ws.send_nowait(message)
                        except trio.WouldBlock:
                            pass
                        else:
                            queued.append(message)
                    case 2 if scopes:
                        source.choice(scopes).cancel()
                    case 3:
                        await trio.testing.wait_all_tasks_blocked()
                    case _:
                        senders.start_soon(send, ws, message)
                if number == 60:
                    server.may_read.set()

    assert sorted(map(str, queued)) == sorted(map(str, server.messages))
    assert any(one.rsv1 for one in server.frames)


class Overworked(Deflate):
    """Is out of memory when it has compressed: what was fed is in its window, and nothing comes out."""

    def compress(self, payload: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
        """Compress, and lose it."""
        super().compress(payload)
        raise MemoryError


class Bytes:
    """A transport that takes everything at once."""

    def __init__(self) -> None:
        self.data = b""

    def write_now(self, *parts: bytes | memoryview) -> int:
        """Take it."""
        self.data += b"".join(parts)
        return sum(map(len, parts))


def test_what_was_compressed_and_lost_is_never_referred_to() -> None:
    """If compressing is interrupted the message is not queued, and later ones go out as they are."""
    wire = Bytes()
    outbox = Outbox(wire, 1000, int)  # type: ignore[arg-type]
    outbox.admit()
    outbox.compress(Overworked(PerMessageDeflate(False, False, 15, 15)))
    with pytest.raises(MemoryError):
        outbox.offer(TEXT, TEXTS.encode())

    assert b"" == wire.data

    outbox.offer(TEXT, TEXTS.encode())

    assert TEXT | 0x80 == wire.data[0]


# Receiving


async def test_what_was_compressed_is_received(nursery: trio.Nursery) -> None:
    """Compressed messages come out as any others, those that came with the answer too."""
    sent: list[Message] = [TEXTS, b"\0" * 100_000, "", TEXTS, "short"]
    server = Inflater(then=compressed(*sent) + frame(TEXT, "plain"))
    async with Network(server, nursery).websocket(compression="deflate") as ws:
        await ws.connect(URL)

        assert [*sent, "plain"] == [await ws.receive() for _ in range(6)]


async def test_callbacks_get_pieces_of_what_was_inflated(nursery: trio.Nursery) -> None:
    """The 4K rule counts the message, not the frame."""
    server = Inflater(then=compressed("a" * 10_000) + frame(CLOSE, b"\x03\xe8"))
    async with Network(server, nursery).websocket(compression="deflate", fragment_size=4096) as ws:
        sizes: list[int] = []
        ws.on("message", lambda _err, value: sizes.append(len(value)))
        await ws.connect(URL)
        await ws.wait_closed()

    assert [4096, 4096, 1808] == sizes


async def test_large_messages_wait_for_their_reader(nursery: trio.Nursery) -> None:
    """A packet of 64 messages that inflate to a megabyte each is not inflated ahead of its consumer."""
    one = compressed(bytes(1 << 20))
    server = Inflater("permessage-deflate; server_no_context_takeover", then=one * 64)
    async with Network(server, nursery).websocket(compression="deflate", receive_buffer=(64, 2 << 20)) as ws:
        await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()

        statistics = ws.statistics()
        assert statistics.messages_received <= 4
        assert statistics.receive_queue is not None
        assert statistics.receive_queue.size <= 3 << 20

        for _ in range(64):
            assert bytes(1 << 20) == await ws.receive()


VIOLATIONS: dict[str, tuple[bytes, int, str]] = {
    "no deflate": (frame(BINARY | RSV1, b"\xff\xff"), 1007, "compressed data that cannot be inflated"),
    "no UTF-8": (compressed(b"\xff").replace(b"\xc2", b"\xc1", 1), 1007, "text that is not UTF-8"),
    "a bomb": (compressed(bytes(1001)), 1009, "message over the limit when inflated"),
    "RSV1 where it may not be": (frame(PING | RSV1), 1002, "reserved bits set"),
    "RSV1 on a continuation": (frame(TEXT, fin=False) + frame(CONT | RSV1), 1002, "reserved bits set"),
}


@pytest.mark.parametrize(("wire", "code", "reason"), VIOLATIONS.values(), ids=VIOLATIONS)
async def test_a_server_that_breaks_the_rules(
    nursery: trio.Nursery, wire: bytes, code: int, reason: str
) -> None:
    """It is told by our Close, and we by error and close."""
    server = Inflater(then=compressed("good") + wire)
    async with Network(server, nursery).websocket(compression="deflate", max_message_size=1000) as ws:
        journal = Journal(ws)
        await ws.connect(URL)
        await ws.wait_closed()

    assert Frame(CLOSE, code.to_bytes(2, "big") + reason.encode()) == server.frames[-1]
    good: list[tuple[object, ...]] = [("message", "good"), ("dataEnd",)]
    assert [*CONNECTED, *good, ("error", 200, "0"), ("close", code, reason)] == journal.entries


# Figures


async def test_the_figures(nursery: trio.Nursery) -> None:
    """Bytes before and after are counted each way; what was not compressed is not."""
    wire = compressed(TEXTS)
    server = Inflater(then=wire + frame(TEXT, "plain"))
    async with Network(server, nursery).websocket(compression="deflate") as ws:
        await ws.connect(URL)
        await ws.send(TEXTS)
        await ws.send("plain")
        await ws.receive()
        statistics = ws.statistics()

    size = len(TEXTS)
    assert (
        CompressionStatistics(size, len(server.frames[0].payload), size, len(wire) - 2)
        == statistics.compression
    )
    assert (1, 2) == (statistics.messages_received - 1, statistics.messages_sent)


async def test_each_connection_begins_anew(nursery: trio.Nursery) -> None:
    """A socket that connects again has fresh windows and figures; and may be declined then."""
    server = Inflater(then=compressed(TEXTS))
    async with Network(server, nursery).websocket(compression="deflate") as ws:
        for _ in range(2):
            await ws.connect(URL)
            await ws.send(TEXTS)

            assert TEXTS == await ws.receive()

            figures = ws.statistics().compression
            assert figures is not None
            assert len(TEXTS) == figures.sent == figures.received
            await ws.close()
        server.answer, server.then = None, frame(TEXT, TEXTS)
        await ws.connect(URL)
        await ws.send(TEXTS)

        assert TEXTS == await ws.receive()
        assert ws.statistics().compression is None

    assert [TEXTS] * 3 == server.messages
