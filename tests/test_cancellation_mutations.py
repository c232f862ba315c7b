"""A build that breaks the cancellation table is caught, and said to be broken at a point, as it has to be.

Each mutation is a mistake that is easily made, put in the place of what is right. Uncancelled they all work.
"""

import re
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from tests.cancel_points import Target, cover
from tests.scenarios import SCENARIOS
from trio_ohws import BusinessError, WebSocket
from trio_ohws._wire.frames import BINARY, TEXT, encode
from trio_ohws.nursery.bare import bare_errors
from trio_ohws.nursery.pings import Pings
from trio_ohws.nursery.session import Session
from trio_ohws.nursery.takeover import as_transport
from trio_ohws.nursery.transport import Transport

Mutation = Callable[[pytest.MonkeyPatch], None]


def send_that_writes(patch: pytest.MonkeyPatch) -> None:
    """It waits for the transport with a frame in its hand."""
    transports: list[Transport] = []

    def keep(stream: trio.abc.Stream) -> Transport:
        transports.append(as_transport(stream))
        return transports[-1]

    async def send(ws: WebSocket, data: str | bytes) -> bool:
        frame = encode(BINARY, data) if isinstance(data, bytes) else encode(TEXT, data.encode())
        await transports[-1].write([frame])
        return True

    patch.setattr("trio_ohws.nursery.session.as_transport", keep)
    patch.setattr(WebSocket, "send", send)


def send_that_waits_afterwards(patch: pytest.MonkeyPatch) -> None:
    """It is cancelled when the message is queued already."""
    right = WebSocket.send

    async def send(ws: WebSocket, data: str) -> bool:
        await right(ws, data)
        await trio.lowlevel.checkpoint()
        return True

    patch.setattr(WebSocket, "send", send)


def flush_that_swallows(patch: pytest.MonkeyPatch) -> None:
    """It takes `Cancelled` for an answer."""
    right = WebSocket.flush

    async def flush(ws: WebSocket) -> None:
        try:
            await right(ws)
        except trio.Cancelled:  # noqa: ASYNC103  # the mistake
            pass

    patch.setattr(WebSocket, "flush", flush)


def receive_that_loses(patch: pytest.MonkeyPatch) -> None:
    """It waits with a message in its hand."""
    right = WebSocket.receive

    async def receive(ws: WebSocket) -> str | bytes:
        message = await right(ws)
        await trio.lowlevel.checkpoint()
        return message

    patch.setattr(WebSocket, "receive", receive)


def ping_that_stays(patch: pytest.MonkeyPatch) -> None:
    """Its waiter is not removed."""

    async def measure(pings: Pings, payload: bytes) -> float:
        if len(pings) and pings.latency is None:
            raise RuntimeError("in flight already")
        ping = pings.send(payload)
        await ping.answered.wait()
        assert ping.latency is not None
        return ping.latency

    patch.setattr(Pings, "measure", measure)


def connect_that_swallows(patch: pytest.MonkeyPatch) -> None:
    """It takes `Cancelled` for an answer, and says that it is connected."""
    right = WebSocket.connect

    async def connect(ws: WebSocket, url: str, options: Any = None) -> bool:
        try:
            return bool(await right(ws, url, options))
        except trio.Cancelled:  # noqa: ASYNC103  # the mistake
            return True  # noqa: ASYNC104

    patch.setattr(WebSocket, "connect", connect)


def connect_that_translates(patch: pytest.MonkeyPatch) -> None:
    """It makes an error of its own of `Cancelled`."""
    right = WebSocket.connect

    async def connect(ws: WebSocket, url: str, options: Any = None) -> bool:
        try:
            return bool(await right(ws, url, options))
        except trio.Cancelled as cancelled:
            raise BusinessError(2302999) from cancelled  # noqa: ASYNC104  # the mistake

    patch.setattr(WebSocket, "connect", connect)


def dial_that_leaks(patch: pytest.MonkeyPatch) -> None:
    """It waits with an open socket in its hand."""

    async def dial(url: Any, options: Any, **settings: Any) -> trio.abc.Stream:
        stream = await trio.open_tcp_stream(url.host, url.port)
        await trio.lowlevel.checkpoint()
        return stream

    patch.setattr("trio_ohws.websocket.dial_server", dial)


def close_that_goes_on(patch: pytest.MonkeyPatch) -> None:
    """Cancelled, it does not drop the connection."""

    async def aborted(session: Session) -> None:
        await trio.lowlevel.cancel_shielded_checkpoint()

    patch.setattr(Session, "aborted", aborted)


def goodbye_without_close(patch: pytest.MonkeyPatch) -> None:
    """It drops the connection."""
    right = Session.close

    def close(session: Session, code: int, reason: str, *, goodbye: bool = False) -> None:
        if goodbye:
            session.abort()
        right(session, code, reason, goodbye=goodbye)

    patch.setattr(Session, "close", close)


def goodbye_without_shield(patch: pytest.MonkeyPatch) -> None:
    """It is cancelled before it can bound the time that the session takes."""

    @asynccontextmanager
    async def body_first(
        farewell: Callable[[], Awaitable[object]], goodbye: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[trio.Nursery]:
        with bare_errors():
            async with trio.open_nursery() as nursery:
                try:
                    yield nursery
                    await farewell()
                finally:
                    await goodbye()  # noqa: ASYNC102  # the mistake

    patch.setattr("trio_ohws.websocket.body_first", body_first)


@pytest.mark.parametrize(
    ("mutation", "name", "target", "clue"),
    [
        (
            send_that_writes,
            "send_over_tcp",
            "caller",
            "ProtocolError|TooSlowError|torn|not what was queued|no sign of life",
        ),
        (send_that_waits_afterwards, "send_in_line", "caller", "not what was queued"),
        (flush_that_swallows, "send_nowait_and_flush", "caller", "Cancelled was swallowed"),
        (receive_that_loses, "receive", "caller", "TooSlowError"),
        (ping_that_stays, "ping", "caller", "in flight already"),
        (connect_that_swallows, "connect_over_memory", "caller", "connect returned, and it is not open"),
        (connect_that_translates, "connect_over_memory", "caller", r"\[2302999\]"),
        (dial_that_leaks, "connect_over_tcp", "caller", "ResourceWarning"),
        (close_that_goes_on, "close", "caller", 'assert ws.state == "closed"'),
        (goodbye_without_close, "receive", "nursery", "no goodbye"),
        (goodbye_without_shield, "leave_a_stalled_peer", "nursery", "a long goodbye"),
    ],
)
def test_a_mutation_is_caught(
    mutation: Mutation, name: str, target: Target, clue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report says at which point, and its cause says what was wrong."""
    mutation(monkeypatch)
    with pytest.raises(AssertionError, match=f"^{name}, {target} cancelled at ") as caught:
        cover(SCENARIOS[name], target)

    report = "".join(traceback.format_exception(caught.value))
    assert re.search(clue, report)
