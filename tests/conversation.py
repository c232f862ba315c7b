"""A conversation that is known byte by byte, and the server that leads it.

It goes in turns: the server says what it has to say, then waits for all that the client answers. So it is
known at every byte what both sides have, and what they have not.
"""

import zlib
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import trio

from tests.fault_stream import Way
from tests.scripted_peer import (
    BINARY,
    CONT,
    PING,
    PONG,
    TEXT,
    Frame,
    Peer,
    close_frame,
    frame,
    parse_frames,
)
from trio_ohws.events.model import CloseResult, Message

__all__ = [
    "COMPRESSED",
    "CONVERSATIONS",
    "PLAIN",
    "QUESTION",
    "SAID",
    "UNANSWERED",
    "WE_CLOSE",
    "Conversation",
    "Part",
    "Server",
]

QUESTION = b"well?"  # the client's ping that is answered
UNANSWERED = b"anybody?"  # and the one that is not
SAID = "what the client says, long enough to be compressed; and again: " + "what the client says"

_LONG = "a text of 126 bytes: " * 6
_RSV1 = 0x40
_TAIL = b"\x00\x00\xff\xff"


class Part(NamedTuple):
    """A frame or a head, on its way."""

    way: Way
    name: str
    data: bytes = b""  # down: what the server sends; that of the head depends on the request
    message: Message | None = None  # which the client has with the last byte of this part


def down(name: str, data: bytes = b"", message: Message | None = None) -> Part:
    """Return what the server says."""
    return Part("down", name, data, message)


def up(name: str) -> Part:
    """Return what the client says."""
    return Part("up", name)


class Conversation:
    """What is said, in order.

    Args:
        name: for people.
        result: how it ends if nothing goes wrong.
        parts: all of it.
        deflate: permessage-deflate is agreed on.
    """

    def __init__(
        self, name: str, result: CloseResult, parts: Sequence[Part], *, deflate: bool = False
    ) -> None:
        self.name = name
        self.result = result
        self.parts = list(parts)
        self.deflate = deflate
        self.sizes: list[int] = []  # of the parts; see `learn`
        self.frames: list[Frame] = []  # what the client said; see `learn`

    def __str__(self) -> str:
        return self.name

    @property
    def messages(self) -> list[Message]:
        """All messages of the server."""
        return [part.message for part in self.parts if part.message is not None]

    def index(self, way: Way, name: str) -> int:
        """Return the place of a part."""
        return next(i for i, part in enumerate(self.parts) if (part.way, part.name) == (way, name))

    def ends(self, way: Way) -> list[tuple[int, int]]:
        """Return the place of each part of one way, and the number of bytes at its end."""
        ends, end = [], 0
        for place, (part, size) in enumerate(zip(self.parts, self.sizes, strict=True)):
            if part.way == way:
                end += size
                ends.append((place, end))
        return ends

    def learn(self, server: "Server") -> None:
        """Learn the sizes of the parts from a healthy run."""
        heads = {"up": len(server.request), "down": len(server.head)}
        self.frames = parse_frames(server.received)[0]
        sent = iter(self.frames)
        for part in self.parts:
            if part.name in ("request", "head"):
                self.sizes.append(heads[part.way])
            elif part.way == "down":
                self.sizes.append(len(part.data))
            else:
                self.sizes.append(len(frame(0, next(sent).payload)) + 4)  # and the mask


class Server:
    """The server's side of one conversation over one connection."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.request = b""
        self.head = b""
        self.received = b""  # after the request

    async def __call__(self, peer: Peer) -> None:
        """Lead it, as far as it goes."""
        try:
            await self._converse(peer)
        except (EOFError, trio.BrokenResourceError):
            pass  # the client has gone
        finally:
            await peer.stream.aclose()

    async def _converse(self, peer: Peer) -> None:
        await self._read_request(peer)
        headers = [("Sec-WebSocket-Extensions", "permessage-deflate")] if self.conversation.deflate else []
        self.head = peer.answer(headers)
        heard = 0
        for way, turn in groupby(self.conversation.parts[1:], lambda part: part.way):
            parts = list(turn)
            if way == "down":
                await peer.send(*(self.head if part.name == "head" else part.data for part in parts))
            else:
                heard += len(parts)
                while len(self._heard()) < heard:
                    self.received += await self._read(peer)

    async def _read_request(self, peer: Peer) -> None:
        while not self.request.endswith(b"\r\n\r\n"):
            self.request += await self._read(peer)
        peer.request = self.request

    async def _read(self, peer: Peer) -> bytes:
        data = await peer.stream.receive_some(65536)
        if not data:
            raise EOFError
        return bytes(data)

    def _heard(self) -> list[Frame]:
        """Return the frames that arrived whole, but the pings of the keepalive."""
        return [one for one in parse_frames(self.received)[0] if one != Frame(PING, b"")]


def _deflated(*messages: Message) -> list[bytes]:
    """Return the compressed payloads of messages, each with the window of those before."""
    stream = zlib.compressobj(wbits=-15)
    payloads = []
    for message in messages:
        data = message.encode() if isinstance(message, str) else message
        payloads.append((stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_TAIL))
    return payloads


_FIRST = "small, grüß dich"
_BINARY = bytes(range(7))
_FRAGMENTED = "in two fragments"

_SERVER_BEGINS = (
    up("request"),
    down("head"),
    down("text", frame(TEXT, _FIRST), _FIRST),
    down("binary", frame(BINARY, _BINARY), _BINARY),
    down("empty text", frame(TEXT), ""),
    down("first fragment", frame(TEXT, _FRAGMENTED[:4], fin=False)),
    down("ping", frame(PING, b"?")),
    down("last fragment", frame(CONT, _FRAGMENTED[4:]), _FRAGMENTED),
)
_CLIENT_ANSWERS = (
    up("pong"),
    up("ping"),
    down("pong", frame(PONG, QUESTION)),
    up("text"),
    up("long text"),
    up("unanswered ping"),
)

PLAIN = Conversation(
    "plain",
    CloseResult(4321, "over", clean=True, by="peer"),
    (
        *_SERVER_BEGINS,
        *_CLIENT_ANSWERS,
        down("16-bit length", frame(TEXT, _LONG), _LONG),
        down("64-bit length", frame(BINARY, bytes(65536)), bytes(65536)),
        down("Close", close_frame(4321, "over")),
        up("Close"),
    ),
)
"""All kinds of frames; the server closes."""

WE_CLOSE = Conversation(
    "we close",
    CloseResult(4000, "ours", clean=True, by="local"),
    (
        *_SERVER_BEGINS,
        *_CLIENT_ANSWERS,
        down("text that ends it", frame(TEXT, "bye"), "bye"),
        up("Close"),
        down("Close", close_frame(4000, "ours")),
    ),
)
"""The same, but the client closes when it has the last message."""

_payloads = _deflated(_LONG, _LONG, bytes(1000), _LONG)

COMPRESSED = Conversation(
    "compressed",
    CloseResult(1000, "done", clean=True, by="peer"),
    (
        up("request"),
        down("head"),
        down("text", frame(TEXT | _RSV1, _payloads[0]), _LONG),
        down("binary, not compressed", frame(BINARY, _BINARY), _BINARY),
        down("first fragment", frame(TEXT | _RSV1, _payloads[1][:3], fin=False)),
        down("ping", frame(PING, b"?")),
        down("last fragment", frame(CONT, _payloads[1][3:]), _LONG),
        *_CLIENT_ANSWERS,
        down("zeros", frame(BINARY | _RSV1, _payloads[2]), bytes(1000)),
        down("last text", frame(TEXT | _RSV1, _payloads[3]), _LONG),
        down("Close", close_frame(1000, "done")),
        up("Close"),
    ),
    deflate=True,
)
"""With permessage-deflate; the server closes with 1000."""

CONVERSATIONS = (PLAIN, WE_CLOSE, COMPRESSED)
