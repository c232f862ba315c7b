"""What a server says cannot write a line of its own into a log, nor speak to a terminal."""

import logging
import struct
import traceback
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from tests.chain import chain
from tests.scripted_peer import CLOSE, PING, TEXT, URL, Network, Peer, frame
from trio_ohws import BusinessError
from trio_ohws.cli.demo import demo

# A line break, a terminal's "clear the screen" in both forms, a bell, NUL, and what turns text round.
HOSTILE = "\r\nroot: \x1b[2J\x9b2J\x07\x00\u202e\u2028\u2066x"
LATIN = b"\x9b2J\x85\x80\xad"


async def answer(peer: Peer, status: bytes) -> None:
    """Answer with hostile words in the reason phrase and the headers."""
    await peer.read_request()
    head = peer.answer(status="STATUS").replace(b"STATUS", status + LATIN)
    await peer.send(head[:-2] + b"X-Evil!: " + LATIN + b"\r\nSet-Cookie: " + LATIN + b"\r\n\r\n")


async def refuse(peer: Peer) -> None:
    """A server that refuses."""
    await answer(peer, b"403 ")


async def malformed(peer: Peer) -> None:
    """A server whose reason phrase is none."""
    await peer.read_request()
    await peer.send(b"HTTP/1.1 403 " + HOSTILE.encode() + b"\r\n\r\n")


async def close(peer: Peer) -> None:
    """A server that talks, pings, and closes, with hostile words in all of it."""
    await answer(peer, b"101 ")
    await peer.send(frame(TEXT, HOSTILE), frame(PING, HOSTILE), frame(TEXT, "bye"))
    await peer.send(frame(CLOSE, struct.pack("!H", 4000) + HOSTILE.encode()))
    await peer.serve_politely()


async def violate(peer: Peer) -> None:
    """A server that breaks the protocol by a Close whose reason is no text."""
    await answer(peer, b"101 ")
    await peer.send(frame(CLOSE, struct.pack("!H", 4000) + b"\x1b[2J\xff"))
    await peer.serve_politely()


SERVERS = [refuse, malformed, close, violate]


@pytest.mark.parametrize("script", SERVERS)
async def test_hostile_words_do_no_harm(
    script: Callable[[Peer], Awaitable[object]],
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every message, repr and log record is one line of characters to read, whatever the server says."""
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    errors: list[BusinessError] = []
    async with Network(script, nursery).websocket() as ws:
        ws.on("headerReceive", lambda headers: shown.append(f"{headers}"))
        ws.on("open", lambda err, value: shown.append(f"{value}"))
        ws.on("openInfo", lambda err, value: shown.append(f"{value}"))
        ws.on("error", errors.append)
        ws.on("close", lambda err, value: shown.append(f"{value}"))
        for attempt in (lambda: ws.connect(URL), lambda: ws.wait_closed(), lambda: ws.send("x")):
            try:
                await attempt()
            except BusinessError as error:
                errors.append(error)
        shown.append(f"{ws!r} {ws.statistics()!r} {ws.close_result!r} {ws.response_headers!r}")
    for told in errors:
        shown.append(f"{told.to_dict()}")
        shown.extend(f"{one}" for one in chain(told))
        shown.extend(f"{one!r}" for one in chain(told))
        shown.extend("".join(traceback.format_exception(told)).split("\n"))
    shown.extend(caplog.messages)

    assert errors
    assert [] == [text for text in shown if not text.isprintable()]


@pytest.mark.parametrize("script", SERVERS)
async def test_hostile_words_at_the_command_line(
    script: Callable[[Peer], Awaitable[object]], nursery: trio.Nursery, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo prints whatever a server sends as characters to read."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    await nursery.start(trio.serve_listeners, lambda stream: script(Peer(stream)), listeners)
    await demo(f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/", 5)
    output, trouble = capsys.readouterr()

    assert output or trouble
    assert [] == [line for line in (output + trouble).split("\n") if not line.isprintable()]
