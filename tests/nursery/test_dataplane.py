"""The data plane: what a server may say, byte by byte, and what becomes of it."""

import logging
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import pytest
import trio
import trio.testing

from tests.journal import CONNECTED, Journal
from tests.keeper import Keeper
from tests.nursery.loopback import TcpNetwork
from tests.scripted_peer import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    URL,
    Frame,
    Network,
    Peer,
    close_frame,
    frame,
)
from trio_ohws import BusinessError, CloseResult, ConnectionLost, EndOfMessages
from trio_ohws._wire.decoder import Decoder
from trio_ohws._wire.scratch import Scratch
from trio_ohws.errors import UNKNOWN_ERROR
from trio_ohws.events.emitter import Emitter
from trio_ohws.events.queue import TURN
from trio_ohws.nursery.dataplane import DataPlane, Owner
from trio_ohws.nursery.outbox import Outbox
from trio_ohws.nursery.takeover import as_transport

Script = Callable[[Peer], Awaitable[Any]]

MESSAGES = [("message", "one"), ("dataEnd",), ("message", b"two"), ("dataEnd",)]
FRAMES = frame(TEXT, "one") + frame(BINARY, b"two")
GOODBYE = Frame(CLOSE, b"\x03\xe8")


def connection_refused(data: str) -> list[tuple[object, ...]]:
    """What is told when an attempt fails."""
    return [("error", 200, data)]


async def never(peer: Peer) -> None:
    """A server that accepts the TCP connection and says nothing."""
    await trio.sleep_forever()


# The opening handshake


async def say_piecemeal(peer: Peer, size: int, frames: bytes) -> None:
    """Send the answer, and frames right behind it, in pieces of `size` bytes."""
    await peer.read_request()
    data = peer.answer() + frames
    for start in range(0, len(data), size):
        await peer.send(data[start : start + size])
        await trio.testing.wait_all_tasks_blocked()
    await peer.serve_politely()


@pytest.mark.parametrize("size", [1, 3, 1000], ids=["single bytes", "threes", "one packet"])
@pytest.mark.parametrize("network", [Network, TcpNetwork])
async def test_the_answer_may_come_in_any_cut(
    nursery: trio.Nursery, network: type[Network], size: int
) -> None:
    """However the answer and the frames behind it are cut, all is told in order, no message before `open`."""
    async with network(partial(say_piecemeal, size=size, frames=FRAMES), nursery).websocket() as ws:
        journal = Journal(ws)
        assert await ws.connect(URL)
        while len(journal.entries) < 6:
            await trio.testing.wait_all_tasks_blocked()

    assert [*CONNECTED, *MESSAGES, ("close", 1000, "")] == journal.entries


async def test_frames_behind_the_answer_wait_for_open(nursery: trio.Nursery) -> None:
    """A message that came in the packet of the answer is told after `open`, to a listener added there too."""

    async def script(peer: Peer) -> None:
        await peer.accept(then=FRAMES)
        await peer.serve_politely()

    told: list[object] = []
    async with Network(script, nursery).websocket() as ws:

        def on_open(err: None, value: object) -> None:
            told.append("open")
            ws.on("message", lambda err, value: told.append(value))

        ws.on("open", on_open)
        await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()

    assert ["open", "one", b"two"] == told


async def test_a_close_behind_the_answer_comes_after_open(nursery: trio.Nursery) -> None:
    """A server that closes in the packet of its answer was connected, for a moment."""

    async def script(peer: Peer) -> None:
        await peer.accept(then=close_frame(1013, "busy"))
        await peer.receive()
        await peer.stream.aclose()

    async with Network(script, nursery).websocket() as ws:
        journal = Journal(ws)
        assert await ws.connect(URL)
        assert CloseResult(1013, "busy", True, "peer") == await ws.wait_closed()

    assert [*CONNECTED, ("close", 1013, "busy")] == journal.entries


async def test_interim_answers_are_skipped(nursery: trio.Nursery) -> None:
    """1xx answers before the final one are read and forgotten."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        await peer.send(interim, peer.answer([("Via", "test")]))
        await peer.serve_politely()

    async with Network(script, nursery).websocket() as ws:
        assert await ws.connect(URL)
        assert {"upgrade", "connection", "sec-websocket-accept", "via"} == set(ws.response_headers)


async def test_the_reason_phrase_is_the_servers(nursery: trio.Nursery) -> None:
    """What `open` carries is what the server said, although trio-websocket sees a head of ours."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(peer.answer(status="101 Come In"))
        await peer.serve_politely()

    async with Network(script, nursery).websocket() as ws:
        journal = Journal(ws)
        await ws.connect(URL)

    assert ("open", 101, "Come In") == journal.entries[1]


async def test_the_chosen_subprotocol(nursery: trio.Nursery) -> None:
    """One of those that were offered may be chosen."""

    async def script(peer: Peer) -> None:
        await peer.accept([("Sec-WebSocket-Protocol", "b")])
        await peer.serve_politely()

    async with Network(script, nursery).websocket() as ws:
        await ws.connect(URL, {"protocol": "a, b"})

        assert "b" == ws.subprotocol


def spoiled(old: str, new: str) -> Callable[[bytes], bytes]:
    """Return what replaces a part of the answer."""
    return lambda answer: answer.replace(old.encode(), new.encode())


@pytest.mark.parametrize(
    ("spoil", "data", "words"),
    [
        pytest.param(lambda _: b"", "0", "closed the connection before", id="EOF"),
        pytest.param(lambda answer: answer[:-1], "0", "closed the connection before", id="EOF in the head"),
        pytest.param(lambda _: b"SSH-2.0-OpenSSH_9\r\n", "0", "not HTTP", id="another protocol"),
        pytest.param(lambda _: bytes(range(256)), "0", "not HTTP", id="garbage"),
        pytest.param(lambda _: b"HTTP/1.1 1\r\n\r\n", "0", "malformed", id="no status"),
        pytest.param(
            lambda _: b"HTTP/1.1 101 OK\r\nX: " + b"x" * 70000, "0", "over 65536", id="endless head"
        ),
        pytest.param(
            lambda _: b"HTTP/1.1 100 Continue\r\n\r\n" * 3000, "0", "over 65536", id="endless interim answers"
        ),
        pytest.param(lambda _: b"HTTP/1.1 200 OK\r\n\r\n", "200", "200 OK", id="200"),
        pytest.param(lambda _: b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", "301", "301 Moved", id="301"),
        pytest.param(lambda _: b"HTTP/1.1 403\r\n\r\n", "403", "403", id="403"),
        pytest.param(lambda _: b"HTTP/1.0 503 Busy\r\n\r\n", "503", "503 Busy", id="503"),
        pytest.param(spoiled("HTTP/1.1", "HTTP/1.0"), "101", "HTTP/1.0", id="too old"),
        pytest.param(spoiled("Accept: ", "Accept: x"), "101", "Accept", id="bad key"),
        pytest.param(spoiled("Sec-WebSocket-Accept", "Other"), "101", "Accept", id="no key"),
        pytest.param(spoiled("Upgrade: websocket", "Upgrade: h2c"), "101", "Upgrade", id="other upgrade"),
        pytest.param(spoiled("Upgrade: websocket\r\n", ""), "101", "Upgrade", id="no upgrade"),
        pytest.param(spoiled("Connection: Upgrade", "Connection: close"), "101", "Connection", id="close"),
        pytest.param(
            spoiled("\r\n\r\n", "\r\nSec-WebSocket-Protocol: c\r\n\r\n"), "101", "subprotocol", id="unoffered"
        ),
        pytest.param(
            spoiled("\r\n\r\n", "\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n\r\n"),
            "101",
            "subprotocol",
            id="two subprotocols",
        ),
        pytest.param(
            spoiled("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
            "101",
            "extension",
            id="extension",
        ),
        pytest.param(spoiled("Upgrade:", "Upgrade :"), "101", "malformed", id="malformed header"),
    ],
)
async def test_a_bad_answer_is_refused(
    nursery: trio.Nursery, spoil: Callable[[bytes], bytes], data: str, words: str
) -> None:
    """One `error` event tells the status known by then; connect raises, and can be tried again."""
    attempts = 0

    async def script(peer: Peer) -> None:
        nonlocal attempts
        attempts += 1
        await peer.read_request()
        if attempts > 1:
            await peer.send(peer.answer())
            await peer.serve_politely()
            return
        await peer.send(spoil(peer.answer()), FRAMES if data == "101" else b"")
        if data == "0":
            await peer.stream.send_eof()  # type: ignore[attr-defined]
        assert not await peer.receive_all()
        await peer.stream.aclose()

    network = Network(script, nursery)
    async with network.websocket() as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError) as caught:
            await ws.connect(URL, {"protocol": "a,b"})

        assert (UNKNOWN_ERROR, data) == (caught.value.code, caught.value.data)
        assert words in caught.value.message
        assert caught.value.__cause__ is not None
        assert ("closed", None) == (ws.state, ws.close_result)
        assert connection_refused(data) == journal.entries
        assert await ws.connect(URL)
    assert [*connection_refused(data), *CONNECTED, ("close", 1000, "")] == journal.entries


async def test_silence_ends_an_attempt(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    """A server that never answers is given up after connect_timeout, exactly."""
    async with Network(never, nursery).websocket(connect_timeout=7) as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError, match="connect_timeout, 7 s") as caught:
            await ws.connect(URL)

    assert 7 == trio.current_time()
    assert (UNKNOWN_ERROR, "0") == (caught.value.code, caught.value.data)
    assert connection_refused("0") == journal.entries


async def test_a_trickle_does_not_prolong_an_attempt(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """connect_timeout is for the whole handshake, however busy the server looks."""

    async def script(peer: Peer) -> None:
        await peer.read_request()
        for byte in peer.answer()[:-1]:
            await peer.send(bytes((byte,)))
            await trio.sleep(1)

    async with Network(script, nursery).websocket(connect_timeout=10) as ws:
        with pytest.raises(BusinessError, match="connect_timeout"):
            await ws.connect(URL)
    nursery.cancel_scope.cancel()

    assert 10 == trio.current_time()


# Control frames


async def collect(peer: Peer, said: bytes, into: list[Frame]) -> None:
    """Accept, say something, then be polite; keep what the client says."""
    await peer.accept()
    await peer.send(said)
    into += await peer.serve_politely()


@pytest.mark.parametrize("payload", [b"", b"hello", b"x" * 125], ids=len)
async def test_a_ping_is_answered(nursery: trio.Nursery, payload: bytes) -> None:
    """The pong has the payload of the ping."""
    received: list[Frame] = []
    async with Network(partial(collect, said=frame(PING, payload), into=received), nursery).websocket() as ws:
        await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()

    await trio.testing.wait_all_tasks_blocked()
    assert [Frame(PONG, payload), GOODBYE] == received


@pytest.mark.parametrize("network", [Network, TcpNetwork])
async def test_a_pong_leaves_before_the_echo_of_a_later_message(
    nursery: trio.Nursery, network: type[Network]
) -> None:
    """What arrives in one chunk is answered in its order, pongs among echoes."""
    received: list[Frame] = []
    said = frame(TEXT, "1") + frame(PING, b"2") + frame(TEXT, "3") + frame(PING, b"4") + frame(TEXT, "5")
    async with network(partial(collect, said=said, into=received), nursery).websocket() as ws:
        ws.on("message", lambda err, value: ws.send_nowait(value))
        await ws.connect(URL)
        while ws.statistics().messages_sent < 3:
            await trio.testing.wait_all_tasks_blocked()
    await trio.testing.wait_all_tasks_blocked()

    expected = [Frame(TEXT, b"1"), Frame(PONG, b"2"), Frame(TEXT, b"3"), Frame(PONG, b"4"), Frame(TEXT, b"5")]
    assert [*expected, GOODBYE] == received


async def test_control_frames_between_fragments(nursery: trio.Nursery) -> None:
    """A ping within a fragmented message is answered, and the message is whole."""
    received: list[Frame] = []
    said = frame(TEXT, "one ", fin=False) + frame(PING, b"p") + frame(PONG, b"q") + frame(CONT, "message")
    async with Network(partial(collect, said=said, into=received), nursery).websocket() as ws:
        await ws.connect(URL)
        assert "one message" == await ws.receive()

    await trio.testing.wait_all_tasks_blocked()
    assert [Frame(PONG, b"p"), GOODBYE] == received


async def test_an_unsolicited_pong_is_no_event(nursery: trio.Nursery) -> None:
    """A pong to no ping changes nothing."""
    received: list[Frame] = []
    said = frame(PONG, b"unasked") + frame(TEXT, "one")
    async with Network(partial(collect, said=said, into=received), nursery).websocket() as ws:
        await ws.connect(URL)
        assert "one" == await ws.receive()
        assert ws.latency is None

    await trio.testing.wait_all_tasks_blocked()
    assert [GOODBYE] == received


# The peer closes


@pytest.mark.parametrize(
    ("code", "reason", "end"),
    [
        (1000, "bye", EndOfMessages),
        (1001, "", EndOfMessages),
        (None, "", EndOfMessages),
        (1002, "", ConnectionLost),
        (1003, "", ConnectionLost),
        (1008, "ünïcödé", ConnectionLost),
        (1012, "", ConnectionLost),
        (1013, "", ConnectionLost),
        (1014, "bad gateway", ConnectionLost),
        (3000, "", ConnectionLost),
        (4999, "x" * 123, ConnectionLost),
    ],
)
async def test_the_peers_close_is_echoed(
    nursery: trio.Nursery, code: int | None, reason: str, end: type[BusinessError]
) -> None:
    """Our echo says what the peer said, no code included; the event says 1005 then."""
    echoes: list[Frame | None] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        echoes.append(await peer.close(code, reason))

    async with Network(script, nursery).websocket() as ws:
        journal = Journal(ws, but=("message",))
        await ws.connect(URL)
        with pytest.raises(end):
            await ws.receive()

        assert CloseResult(code or 1005, reason, True, "peer") == ws.close_result
    assert [*CONNECTED, ("close", code or 1005, reason)] == journal.entries
    payload = b"" if code is None else struct.pack("!H", code) + reason.encode()
    assert [Frame(CLOSE, payload)] == echoes


async def test_nothing_after_the_peers_close_is_read(nursery: trio.Nursery) -> None:
    """Frames behind a Close are no messages, no violations, and no second Close."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(FRAMES, close_frame(1000), frame(TEXT, "late"), b"\xff\xff", close_frame(1011))
        await peer.receive_all()
        await peer.stream.aclose()

    async with Network(script, nursery).websocket(close_timeout=0) as ws:
        journal = Journal(ws)
        await ws.connect(URL)
        await ws.wait_closed()

    assert [*CONNECTED, *MESSAGES, ("close", 1000, "")] == journal.entries


async def test_the_peers_eof_is_awaited(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """After the closing handshake it is for the server to end the TCP connection first: we wait for that."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(close_frame(1000))
        await trio.sleep(3)
        await peer.stream.aclose()

    async with Network(script, nursery).websocket() as ws:
        await ws.connect(URL)
        await ws.wait_closed()

        assert 3 == trio.current_time()


@pytest.mark.parametrize("by", ["peer", "local"])
async def test_a_peer_that_keeps_tcp_open(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, by: str
) -> None:
    """Its EOF is awaited for close_timeout, no longer, whoever closed; the end is clean all the same."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(close_frame(1000) if by == "peer" else b"")
        await peer.receive()
        await peer.send(close_frame(1000) if by == "local" else b"")
        await never(peer)

    async with Network(script, nursery).websocket(close_timeout=5) as ws:
        await ws.connect(URL)
        if by == "local":
            await ws.close()

        result = await ws.wait_closed()
        assert (5, True, by) == (trio.current_time(), result.clean, result.by)


# We close


@pytest.mark.parametrize("reads", [True, False], ids=["reads", "does not read"])
async def test_a_peer_that_never_answers_our_close(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, reads: bool
) -> None:
    """`close` returns True after close_timeout; the end was not clean, but it is ours."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        if reads:
            await peer.receive_all()
        await never(peer)

    async with Network(script, nursery).websocket(close_timeout=5) as ws:
        journal = Journal(ws)
        await ws.connect(URL)
        assert await ws.close({"code": 3000, "reason": "enough"})

        assert 5 == trio.current_time()
        assert CloseResult(3000, "enough", False, "local") == ws.close_result
    assert [*CONNECTED, ("close", 3000, "enough")] == journal.entries


@pytest.mark.parametrize("network", [Network, TcpNetwork])
async def test_a_flood_after_our_close_is_dropped(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, network: type[Network]
) -> None:
    """A peer that talks on and never answers delays the end by close_timeout at most; nobody is told."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await peer.send(FRAMES * 100, frame(PING, b"?"))
                await trio.sleep(0.01)

    async with network(script, nursery).websocket(close_timeout=2) as ws:
        journal = Journal(ws)
        await ws.connect(URL)
        await trio.sleep(0.1)
        told = len(journal.entries)
        with trio.fail_after(2.001):
            await ws.close()
        assert told == len(journal.entries) - 1
        assert ("close", 1000, "") == journal.entries[-1]


async def answer_after_pings(peer: Peer, said: bytes, into: list[Frame]) -> None:
    """Say something; once the client closes, ping it, and only then answer its Close."""
    await peer.accept()
    await peer.send(said)
    while (one := await peer.receive()) is not None and one.opcode != CLOSE:
        into.append(one)
    assert one is not None
    into.append(one)
    await peer.send(frame(PING, b"1"), frame(PING, b"2"), frame(CLOSE, one.payload))
    into += await peer.receive_all()
    await peer.stream.aclose()


async def test_pings_after_our_close_are_not_answered(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Nothing follows our Close frame; the peer's answer behind its pings is seen."""
    received: list[Frame] = []
    script = partial(answer_after_pings, said=b"", into=received)
    async with Network(script, nursery).websocket() as ws:
        await ws.connect(URL)
        await ws.close()

    await trio.testing.wait_all_tasks_blocked()
    assert [GOODBYE] == received


@pytest.mark.parametrize("turns", range(6))
async def test_no_pong_follows_our_close(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, turns: int
) -> None:
    """A ping that is being answered when we close is answered before the Close frame, or not at all."""
    for _ in range(5):  # who runs first in a turn is for the scheduler's dice
        keeper = Keeper(then=frame(PING), answers=False)
        async with Network(keeper, nursery).websocket() as ws:
            await ws.connect(URL)
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            await ws.close()

        await trio.testing.wait_all_tasks_blocked()
        assert CLOSE == keeper.frames[-1].opcode


async def test_pings_after_a_fault_are_not_answered(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The Close that follows a callback's exception is the last frame too."""
    received: list[Frame] = []

    def fail(err: None, value: object) -> None:
        raise ValueError("mine")

    script = partial(answer_after_pings, said=FRAMES, into=received)
    with pytest.raises(ValueError, match="mine"):
        async with Network(script, nursery).websocket() as ws:
            ws.on("message", fail)
            await ws.connect(URL)
            await trio.sleep_forever()

    await trio.testing.wait_all_tasks_blocked()
    assert [Frame(CLOSE, b"\x03\xe9")] == received


# Violations

VIOLATIONS = [
    pytest.param(b"\xc1\x00", 1002, id="reserved bit"),
    pytest.param(b"\x83\x00", 1002, id="reserved opcode"),
    pytest.param(b"\x81\x80\x00\x00\x00\x00", 1002, id="masked"),
    pytest.param(b"\x81\x7e\x00\x01x", 1002, id="length not minimal"),
    pytest.param(b"\x81\x7f" + b"\xff" * 8, 1002, id="length over 63 bits"),
    pytest.param(frame(CONT, b"x"), 1002, id="continuation of nothing"),
    pytest.param(frame(TEXT, b"x", fin=False) + frame(TEXT, b"x"), 1002, id="message in a message"),
    pytest.param(frame(PING, b"x", fin=False), 1002, id="fragmented ping"),
    pytest.param(b"\x89\x7e\x00\x7e" + b"x" * 126, 1002, id="ping of 126 bytes"),
    pytest.param(frame(TEXT, b"\xff"), 1007, id="no UTF-8"),
    pytest.param(b"\x81\x05\xff", 1007, id="no UTF-8, incomplete"),
    pytest.param(frame(BINARY, b"x" * 1001), 1009, id="too big"),
    pytest.param(b"\x82\x7e\x03\xe9", 1009, id="too big, announced"),
    pytest.param(frame(CLOSE, b"x"), 1002, id="Close of one byte"),
    pytest.param(close_frame(999), 1002, id="Close 999"),
    pytest.param(close_frame(1004), 1002, id="Close 1004"),
    pytest.param(close_frame(1005), 1002, id="Close 1005"),
    pytest.param(close_frame(1006), 1002, id="Close 1006"),
    pytest.param(close_frame(1015), 1002, id="Close 1015"),
    pytest.param(close_frame(5000), 1002, id="Close 5000"),
    pytest.param(frame(CLOSE, b"\x03\xe8\xff"), 1007, id="Close reason no UTF-8"),
]


@pytest.mark.parametrize(("said", "code"), VIOLATIONS)
async def test_a_violation_is_told_to_both_sides(nursery: trio.Nursery, said: bytes, code: int) -> None:
    """What came before it is told; our Close names the code; error 200 and close are told."""
    received: list[Frame] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(FRAMES, said, frame(TEXT, "late"))
        one = await peer.receive()
        assert one is not None
        received.append(one)
        await peer.stream.aclose()

    async with Network(script, nursery).websocket(max_message_size=1000) as ws:
        journal = Journal(ws)
        await ws.connect(URL)
        result = await ws.wait_closed()
        with pytest.raises(ConnectionLost, match="protocol"):
            await ws.send("x")

    (close,) = received
    assert (CLOSE, code, result.reason.encode()) == (
        close.opcode,
        int.from_bytes(close.payload[:2], "big"),
        close.payload[2:],
    )
    assert (code, False, "local") == (result.code, result.clean, result.by)
    expected = [*CONNECTED, *MESSAGES, ("error", 200, "0"), ("close", code, result.reason)]
    assert expected == journal.entries


async def test_a_violation_half_closes_tcp(nursery: trio.Nursery) -> None:
    """Our Close, then EOF reach a peer that still sends, before we are gone: a reset could eat the Close."""
    received: list[Frame] = []
    states: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(b"\xff\xff", FRAMES)
        received.extend(await peer.receive_all())
        states.append(ws.state)
        await peer.send(FRAMES * 1000)
        await peer.stream.aclose()

    async with TcpNetwork(script, nursery).websocket() as ws:
        await ws.connect(URL)
        assert 1002 == (await ws.wait_closed()).code

    (close,) = received
    assert (CLOSE, b"\x03\xea") == (close.opcode, close.payload[:2])
    assert ["closing"] == states


@pytest.mark.parametrize("network", [Network, TcpNetwork])
@pytest.mark.parametrize("flood", [True, False], ids=["flood", "silence"])
async def test_the_drain_after_a_violation_is_bounded(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, network: type[Network], flood: bool
) -> None:
    """A peer that does not end the connection after our Close is left after a second."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(b"\xff\xff")
        with pytest.raises(trio.BrokenResourceError):
            while flood:
                await peer.send(FRAMES)
                await trio.sleep(0.01)
            await never(peer)

    async with network(script, nursery).websocket() as ws:
        await ws.connect(URL)
        await ws.wait_closed()

    assert 1 == pytest.approx(trio.current_time(), abs=0.011)
    nursery.cancel_scope.cancel()


async def test_a_violation_after_our_close_ends_the_wait(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """A peer that answers our Close by nonsense is waited for no longer; the close is ours."""
    received: list[Frame] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        received.extend([one for one in [await peer.receive()] if one])
        await peer.send(b"\xff\xff")
        received.extend(await peer.receive_all())

    async with Network(script, nursery).websocket() as ws:
        journal = Journal(ws)
        await ws.connect(URL)
        await ws.close({"code": 4000})

        assert (0, CloseResult(4000, "", False, "local")) == (trio.current_time(), ws.close_result)
    await trio.testing.wait_all_tasks_blocked()
    assert [Frame(CLOSE, b"\x0f\xa0")] == received
    assert [*CONNECTED, ("close", 4000, "")] == journal.entries


# Slow consumers


async def test_what_waits_for_a_consumer_is_kept_from_other_connections(nursery: trio.Nursery) -> None:
    """Large messages that one read brought stay what they are while the area serves others."""
    messages = [bytes([number]) * 65536 for number in range(6)]
    sent = iter((messages[:3], messages[3:]))

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(b"".join(frame(BINARY, one) for one in next(sent)))
        await peer.serve_politely()

    network = Network(script, nursery)
    async with network.websocket(receive_buffer=(1, 1000)) as slow, network.websocket() as other:
        await slow.connect(URL)
        while not slow.statistics().parked:
            await trio.testing.wait_all_tasks_blocked(0.01)
        await other.connect(URL)

        assert messages[3:] == [await other.receive() for _ in range(3)]
        assert messages[:3] == [await slow.receive() for _ in range(3)]


async def test_a_slow_consumer_slows_the_peer_down_and_is_warned_of(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The reader waits for room, says so once after 30 s, and counts the time; then all is delivered."""

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(*(frame(TEXT, str(number)) for number in range(10)))
        await peer.serve_politely()

    async with Network(script, nursery).websocket(receive_buffer=(2, 1000)) as ws:
        await ws.connect(URL)
        await trio.sleep(29)
        assert [] == caplog.messages
        await trio.sleep(71)
        assert [logging.WARNING] == [record.levelno for record in caplog.records]
        assert "30 s" in caplog.messages[0]
        assert 100 == ws.statistics().parked
        assert "open" == ws.state  # the keepalive does not count this time
        assert [str(number) for number in range(10)] == [await ws.receive() for _ in range(10)]
        assert (0, 100) == (ws.statistics().parked, ws.statistics().parked_total)


@pytest.mark.parametrize("attempt", range(8))
async def test_a_fault_in_the_backlog_is_a_fault(nursery: trio.Nursery, attempt: int) -> None:
    """A callback gets what waited for it, from the parked reader or not, and raises: Close 1001, bare error.

    Who hands the backlog over, the reader or a task, is for the scheduler's dice; hence several attempts.
    """
    received: list[Frame] = []

    async def script(peer: Peer) -> None:
        await peer.accept()
        await peer.send(*(frame(TEXT, str(number)) for number in range(10)))
        received.extend(await peer.serve_politely())

    def fail(err: None, value: object) -> None:
        raise ValueError("mine")

    closed: list[CloseResult] = []
    with pytest.raises(ValueError, match="mine"):
        async with Network(script, nursery).websocket(receive_buffer=(2, 1000)) as ws:
            ws.on("close", lambda err, value: closed.append(value))
            await ws.connect(URL)
            await trio.testing.wait_all_tasks_blocked()
            ws.on("message", fail)
            await trio.sleep_forever()

    await trio.testing.wait_all_tasks_blocked()
    assert [Frame(CLOSE, b"\x03\xe9")] == received
    assert [(1001, True, "local")] == [(value.code, value.clean, value.by) for value in closed]


async def test_a_callback_that_closes_and_raises(nursery: trio.Nursery) -> None:
    """Its own Close is the one that is sent, and its exception still comes out."""
    received: list[Frame] = []
    closed: list[CloseResult] = []

    def close_and_fail(err: None, value: object) -> None:
        ws.close({"code": 3000}, lambda err, value: None)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        async with Network(partial(collect, said=FRAMES, into=received), nursery).websocket() as ws:
            ws.on("message", close_and_fail)
            ws.on("close", lambda err, value: closed.append(value))
            await ws.connect(URL)
            await trio.sleep_forever()

    await trio.testing.wait_all_tasks_blocked()
    assert [Frame(CLOSE, b"\x0b\xb8")] == received
    assert [CloseResult(3000, "", True, "local")] == closed


async def test_without_a_queue_nobody_waits(nursery: trio.Nursery) -> None:
    """With receive_buffer=None what nobody listens to is dropped, and the reader never waits for that."""
    received: list[Frame] = []
    said = FRAMES * 1000 + frame(PING, b"behind")
    script = partial(collect, said=said, into=received)
    async with Network(script, nursery).websocket(receive_buffer=None) as ws:
        await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()
        assert 2000 == ws.statistics().messages_received

    await trio.testing.wait_all_tasks_blocked()
    assert [Frame(PONG, b"behind"), GOODBYE] == received


# Races


@pytest.mark.parametrize("turns", range(8))
async def test_our_close_meets_the_peers_eof(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, turns: int
) -> None:
    """A close that is called about the moment of the peer's EOF does not wait for an answer."""

    async def accept_only(peer: Peer) -> None:
        await peer.accept()

    for _ in range(5):  # who runs first in a turn is for the scheduler's dice
        network = Network(accept_only, nursery)
        async with network.websocket() as ws:
            await ws.connect(URL)
            await trio.testing.wait_all_tasks_blocked()
            stream = network.peers[0].stream
            assert isinstance(stream, trio.StapledStream)
            await stream.send_stream.aclose()
            for _ in range(turns):
                await trio.lowlevel.checkpoint()

    assert 0 == trio.current_time()


async def test_a_flood_of_pongs_leaves_others_their_turn(nursery: trio.Nursery) -> None:
    """Of pongs that arrive in one chunk, at most TURN are read before another task runs."""
    pongs = 50 * TURN
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async def flooding(peer: Peer) -> None:
        await peer.accept()
        assert "now" == ((await peer.receive()) or Frame(0, b"")).payload.decode()
        nursery.start_soon(count_turns)
        await peer.send(frame(PONG) * pongs + frame(TEXT, "after"))
        await peer.serve_politely()

    network = Network(flooding, nursery)
    async with network.websocket() as ws:
        await ws.connect(URL)
        await ws.send("now")

        assert "after" == await ws.receive()
        assert turns >= pongs / TURN
    nursery.cancel_scope.cancel()


# As a stream


async def test_only_the_session_closes_the_transport() -> None:
    """What trio-websocket does to its stream at the end does not touch the connection."""
    ours, theirs = trio.testing.memory_stream_pair()
    transport = as_transport(ours)
    plane = DataPlane(
        transport,
        Outbox(transport, 1000, int),
        Decoder(Scratch(), 1000),
        Emitter(None, int),
        (),
        cast("Owner", None),
    )
    await plane.wait_send_all_might_not_block()
    await plane.aclose()
    await transport.write([b"still open"])

    assert b"still open" == await theirs.receive_some()
