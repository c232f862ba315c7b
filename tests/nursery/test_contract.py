"""The steps of trio-websocket that we rely on, each seen on trio-websocket alone.

Its version is pinned in pyproject.toml. When a new one is let in, what fails here says what to think over.
"""

import base64
from typing import cast

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from tests.scripted_peer import CLOSE, PING, PONG, Frame, Peer, close_frame, frame, parse_frames

HOST = "example.test:8080"


class TinyStream(trio.abc.Stream):
    """What trio-websocket reads is said by the test; what it writes, and each call, is kept."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.written: list[bytes] = []  # by each send_all
        self.asked: list[int | None] = []  # max_bytes of each receive_some
        self._inbound, self._source = trio.open_memory_channel[bytes](100)

    def say(self, data: bytes) -> None:
        """Let the next receive_some return `data`."""
        self._inbound.send_nowait(data)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.calls.append("send_all")
        self.written.append(bytes(data))
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        """Not used."""
        self.calls.append("wait_send_all_might_not_block")
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what the test said, one piece for each call."""
        self.calls.append("receive_some")
        self.asked.append(max_bytes)
        return await self._source.receive()

    async def aclose(self) -> None:
        """Do nothing, as our data plane does."""
        self.calls.append("aclose")
        await trio.lowlevel.checkpoint()


def accept(request: bytes, *subprotocols: str) -> bytes:
    """Return the canonical answer to a request."""
    server = Peer(TinyStream())
    server.request = request
    return server.answer(("Sec-WebSocket-Protocol", name) for name in subprotocols)


async def settle() -> None:
    """Let all tasks run as far as they can."""
    await trio.testing.wait_all_tasks_blocked()


class Control:
    """A client connection of trio-websocket over a TinyStream."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.stream = TinyStream()
        self.nursery = nursery
        self.connection: WebSocketConnection | None = None
        self.closed = trio.Event()

    async def wrap(
        self, subprotocols: tuple[str, ...] = (), extra_headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        """Do what a session does."""
        self.connection = await wrap_client_stream(
            self.nursery,
            cast("trio.SocketStream", self.stream),
            HOST,
            "/path?query",
            subprotocols=subprotocols,
            extra_headers=list(extra_headers),
        )

    async def connect(self) -> None:
        """Come to be open, and forget the calls that this took."""
        self.nursery.start_soon(self.wrap)
        await settle()
        self.stream.say(accept(self.stream.written[0]))
        await settle()
        assert self.connection is not None
        self.stream.calls.clear()
        self.stream.written.clear()

    async def aclose(self, code: int = 1000, reason: str | None = None) -> None:
        """Close, as a task of a session does, and say when that returned."""
        assert self.connection is not None
        await self.connection.aclose(code, reason)
        self.closed.set()

    @property
    def frames(self) -> list[Frame]:
        """The frames written since it is open; each send_all must have been one whole frame."""
        found = []
        for piece in self.stream.written:
            (one,), rest = parse_frames(piece)
            assert not rest
            found.append(one)
        return found


@pytest.fixture
async def control(nursery: trio.Nursery) -> Control:
    """An open connection."""
    control = Control(nursery)
    await control.connect()
    return control


# The opening handshake


async def test_the_request_is_the_first_write_and_whole(nursery: trio.Nursery) -> None:
    """It writes the request head by one send_all, then asks for bytes; any trio.abc.Stream will do."""
    control = Control(nursery)
    nursery.start_soon(control.wrap)
    await settle()
    (request,) = control.stream.written

    assert ["send_all", "receive_some"] == control.stream.calls
    assert request.startswith(b"GET /path?query HTTP/1.1\r\n")
    assert request.endswith(b"\r\n\r\n")
    assert 1 == request.count(b"\r\n\r\n")


async def test_the_request_says_what_it_was_told(nursery: trio.Nursery) -> None:
    """The host, the subprotocols and the further headers go out as given, in order, repeated ones too."""
    control = Control(nursery)
    further = ((b"Origin", b"http://example.test"), (b"X-Twice", b"one"), (b"X-Twice", b"two"))
    nursery.start_soon(control.wrap, ("chat", "superchat"), further)
    await settle()
    lines = control.stream.written[0].split(b"\r\n")

    assert f"Host: {HOST}".encode() in lines
    assert b"Sec-WebSocket-Protocol: chat, superchat" in lines
    assert [b"Origin: http://example.test", b"X-Twice: one", b"X-Twice: two"] == [
        line for line in lines if line.startswith((b"Origin", b"X-"))
    ]


async def test_the_request_names_a_fresh_key(nursery: trio.Nursery) -> None:
    """Each request carries 16 random bytes as its key, and offers nothing that it was not told."""
    heads = []
    for _ in range(2):
        control = Control(nursery)
        nursery.start_soon(control.wrap)
        await settle()
        pairs = [line.split(b": ", 1) for line in control.stream.written[0].split(b"\r\n")[1:] if line]
        heads.append({name.lower(): value for name, value in pairs})
    keys = [base64.b64decode(head[b"sec-websocket-key"]) for head in heads]

    assert [16, 16] == [len(key) for key in keys]
    assert keys[0] != keys[1]
    assert {
        b"host",
        b"upgrade",
        b"connection",
        b"sec-websocket-key",
        b"sec-websocket-version",
    } == heads[0].keys()


@pytest.mark.parametrize("chosen", [(), ("chat",)], ids=["plain", "subprotocol"])
async def test_the_canonical_answer_opens(nursery: trio.Nursery, chosen: tuple[str, ...]) -> None:
    """It takes our canonical head, returns, and asks for bytes again; it writes nothing."""
    control = Control(nursery)
    nursery.start_soon(control.wrap, ("chat",))
    await settle()
    control.stream.say(accept(control.stream.written[0], *chosen))
    await settle()

    assert control.connection is not None
    assert ["send_all", "receive_some", "receive_some"] == control.stream.calls


async def test_the_end_of_a_handshake_does_not_raise(nursery: trio.Nursery) -> None:
    """b"" ends its reader in peace; who waits for the handshake waits on, so it is ours to cancel."""
    control = Control(nursery)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as inner:
            control.nursery = inner
            inner.start_soon(control.wrap)
            await settle()
            control.stream.say(b"")
            await settle()
            tasks = len(inner.child_tasks)
            scope.cancel()

    assert 1 == tasks
    assert control.connection is None


# While open


async def test_a_ping_is_answered_by_one_write(control: Control) -> None:
    """It answers a ping by one send_all, a pong with the same payload, and asks for bytes at once."""
    control.stream.say(frame(PING, b"payload"))
    await settle()

    assert [Frame(PONG, b"payload")] == control.frames
    assert ["send_all", "receive_some"] == control.stream.calls


@pytest.mark.parametrize("payload", [b"", b"x" * 125])
async def test_a_ping_of_any_size_is_answered(control: Control, payload: bytes) -> None:
    """Empty payloads and those of 125 bytes come back too."""
    control.stream.say(frame(PING, payload))
    await settle()

    assert [Frame(PONG, payload)] == control.frames


async def test_it_says_nothing_by_itself(control: Control) -> None:
    """While nothing arrives it writes nothing and waits in one receive_some."""
    await settle()

    assert ([], []) == (control.stream.calls, control.stream.written)


# The closing handshake


async def test_a_close_is_echoed_by_one_write(control: Control) -> None:
    """It echoes the Close by one send_all, then asks for bytes, so that we can wait for the EOF."""
    control.stream.say(close_frame(1000))
    await settle()

    assert [Frame(CLOSE, b"\x03\xe8")] == control.frames
    assert ["send_all", "receive_some"] == control.stream.calls


async def test_aclose_writes_one_close_and_waits_for_the_answer(control: Control) -> None:
    """`aclose` sends one Close, returns only after the peer's, then closes its stream."""
    control.nursery.start_soon(control.aclose, 3000, "reason")
    await settle()
    assert [Frame(CLOSE, b"\x0b\xb8reason")] == control.frames
    assert not control.closed.is_set()
    control.stream.say(close_frame(3000, "reason"))
    await settle()

    assert control.closed.is_set()
    assert 1 == len(control.stream.written)
    assert "aclose" in control.stream.calls


async def test_it_reads_on_while_it_closes(control: Control) -> None:
    """Between its Close and the peer's it still waits in receive_some, and any Close code is an answer."""
    control.nursery.start_soon(control.aclose)
    await settle()
    control.stream.say(close_frame(1001))
    await settle()

    assert control.closed.is_set()
    assert 1 == len(control.stream.written)


async def test_aclose_after_the_peers_close_writes_nothing(control: Control) -> None:
    """Once the peer's Close was echoed, `aclose` returns without another Close."""
    control.stream.say(close_frame(1000))
    await settle()
    await control.aclose()

    assert 1 == len(control.stream.written)


async def test_aclose_is_idempotent(control: Control) -> None:
    """A second `aclose` writes nothing."""
    control.nursery.start_soon(control.aclose)
    await settle()
    await control.aclose()

    assert 1 == len(control.stream.written)


# The end


@pytest.mark.parametrize("when", ["open", "closing", "closed by the peer"])
async def test_eof_ends_the_reader_without_an_exception(when: str) -> None:
    """b"" ends its reader in peace, and an `aclose` that waits; nothing more is read."""
    async with trio.open_nursery() as nursery:
        control = Control(nursery)
        await control.connect()
        if when == "closing":
            nursery.start_soon(control.aclose)
        elif when == "closed by the peer":
            control.stream.say(close_frame(1000))
        await settle()
        control.stream.calls.clear()
        control.stream.say(b"")
        await settle()

        assert "receive_some" not in control.stream.calls
        assert 0 == len(nursery.child_tasks)
        assert control.closed.is_set() is (when == "closing")


async def test_aclose_after_eof_writes_nothing(control: Control) -> None:
    """After b"" it has given up: a Close that is wanted then is ours to write."""
    control.stream.say(b"")
    await settle()
    await control.aclose()

    assert [] == control.stream.written


async def test_its_tasks_can_be_cancelled() -> None:
    """Cancelling its nursery ends the reader and an `aclose` that waits, without an exception."""
    async with trio.open_nursery() as nursery:
        control = Control(nursery)
        await control.connect()
        nursery.start_soon(control.aclose)
        await settle()
        nursery.cancel_scope.cancel()

    assert not control.closed.is_set()
    assert 1 == len(control.stream.written)


async def test_who_waits_for_a_message_is_told_of_the_end(control: Control) -> None:
    """Nobody of ours waits in its get_message, which raises after the end: no message ever reached it."""
    control.stream.say(b"")
    assert control.connection is not None
    with pytest.raises(ConnectionClosed):
        await control.connection.get_message()

    assert control.connection.closed is not None
