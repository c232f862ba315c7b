"""What instruments are told of a connection, whatever becomes of it."""

import logging
import re
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

import trio_ohws
from tests.checkpoints import Canceller, at_every_step, cancelled_after
from tests.keeper import Keeper
from tests.logbook import Logbook
from tests.nursery.loopback import TcpNetwork
from tests.scripted_peer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    URL,
    Network,
    Peer,
    close_frame,
    echo,
    frame,
    polite,
)
from tests.tap import TappedNetwork
from trio_ohws import BusinessError, CloseResult, Established, Instrument
from trio_ohws.settings import Settings

Clock = trio.testing.MockClock
Script = Callable[[Peer], Awaitable[object]]

GRAMMAR = re.compile(
    r"(connecting (refused|connected "
    r"((received|sent|control_received|control_sent|round_trip) )*closed) )*"
)
"""What may be told of connections that are never slow, in which order."""


async def refusing(peer: Peer) -> None:
    """A server that does not upgrade."""
    await peer.read_request()
    await peer.stream.send_all(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    await peer.stream.aclose()


async def hangs_up(peer: Peer) -> None:
    """A server that accepts, and is gone."""
    await peer.accept()
    await peer.stream.aclose()


async def breaks_rules(peer: Peer) -> None:
    """A server that accepts, and sends a frame that nobody defined."""
    await peer.accept(then=frame(TEXT, "last") + b"\x8b\x00")
    await peer.receive_all()
    await peer.stream.aclose()


async def hospitable(peer: Peer) -> None:
    """A polite server that does not mind if the client goes away."""
    try:
        await polite(peer)
    except (AssertionError, trio.BrokenResourceError):
        return


async def test_a_life_is_told_in_order(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """From the attempt to the end, with what each step was like, and how long it took."""

    async def serve(peer: Peer) -> None:
        await peer.read_request()
        await trio.sleep(2)
        await peer.stream.send_all(peer.answer([("Sec-WebSocket-Protocol", "chat")]))
        await trio.sleep(1)
        await peer.send(frame(TEXT, "one") + frame(BINARY, b"two") + frame(PING, b"?"))
        await trio.sleep(2)
        await peer.send(close_frame(1000, "bye"))
        frames = [await peer.receive() for _ in range(3)]
        await peer.stream.aclose()

        assert [TEXT, PONG, CLOSE] == [one and one.opcode for one in frames]

    logbook = Logbook()
    async with Network(serve, nursery).websocket(instruments=(logbook,)) as ws:
        await ws.connect(URL, {"protocol": "chat"})
        ws.send_nowait("hello")
        await ws.wait_closed()

    result = CloseResult(1000, "bye", clean=True, by="peer")
    expected = [
        ("connecting",),
        ("connected", Established(2, subprotocol="chat")),
        ("control_received", "ping"),
        ("control_sent", "pong"),
        ("received", 2, 5 + 5 + 3),
        ("control_received", "close"),
        ("control_sent", "close"),
        ("received", 0, 2 + 2 + 3),
        ("closed", result, 3),
    ]
    # The writer and the reader are two tasks, and Trio runs either first.
    assert expected == [entry for entry in logbook.entries if entry[0] != "sent"]
    assert [("sent", 1, 6 + 5), ("sent", 0, 6 + 1), ("sent", 0, 6 + 5)] == [
        entry for entry in logbook.entries if entry[0] == "sent"
    ]
    assert [("ws", "example.test", 80)] == [(one.scheme, one.host, one.port) for one in logbook.connections]


async def test_what_was_agreed_on_is_told(nursery: trio.Nursery) -> None:
    """Extensions come with their parameters, addresses from the socket."""
    agreed = "permessage-deflate; server_no_context_takeover"
    logbook = Logbook()
    network = TcpNetwork(Keeper(headers=[("Sec-WebSocket-Extensions", agreed)]), nursery)
    async with network.websocket(instruments=(logbook,), compression="deflate") as ws:
        await ws.connect(URL)
        _, established = logbook.entries[-1]

    assert isinstance(established, Established)
    assert (agreed,) == established.extensions
    assert ws.local_address == established.local_address
    assert ws.remote_address == established.remote_address
    assert established.remote_address is not None
    assert established.tls_version is None


@pytest.mark.parametrize("network", [Network, TcpNetwork], ids=["memory", "tcp"])
async def test_the_sums_are_those_of_the_statistics(nursery: trio.Nursery, network: type[Network]) -> None:
    """All messages and all bytes after the handshake are in exactly one batch."""
    logbook = Logbook()
    async with network(echo, nursery).websocket(instruments=(logbook,)) as ws:
        await ws.connect(URL)
        await ws.flush()
        handshake = ws.statistics().bytes_sent
        for size in (1, 20, 300, 70_000, 5):
            ws.send_nowait(bytes(size))
        for _ in range(5):
            await ws.receive()
        await ws.ping()
        await ws.close()
        statistics = ws.statistics()

    assert (statistics.messages_received, statistics.bytes_received) == logbook.totals("received")
    assert (statistics.messages_sent, statistics.bytes_sent - handshake) == logbook.totals("sent")
    assert (5, 5) == (statistics.messages_received, statistics.messages_sent)


async def test_a_burst_is_one_batch(nursery: trio.Nursery) -> None:
    """What came at once is told of at once: a hundred messages are one call."""
    logbook = Logbook()
    burst = frame(TEXT, "x") * 100
    async with Network(Keeper(then=burst), nursery).websocket(instruments=(logbook,)) as ws:
        await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()

        assert [("received", 100, 300)] == logbook.entries[2:]


async def test_round_trips_are_told(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """Those that the program asks for, and those of the keepalive."""

    async def slow(peer: Peer) -> None:
        await peer.accept()
        for seconds in (0.5, 0.25):
            ping = await peer.receive()
            assert ping is not None
            await trio.sleep(seconds)
            await peer.send(frame(PONG, ping.payload))
        await peer.serve_politely()

    logbook = Logbook()
    async with Network(slow, nursery).websocket(instruments=(logbook,), ping_interval=10) as ws:
        await ws.connect(URL)
        await ws.ping()
        await trio.sleep(11)

    told = [entry for entry in logbook.entries if entry[-1] in ("ping", "pong") or entry[0] == "round_trip"]
    assert [
        ("control_sent", "ping"),
        ("control_received", "pong"),
        ("round_trip", 0.5),
        ("control_sent", "ping"),
        ("control_received", "pong"),
        ("round_trip", 0.25),
    ] == told


async def test_a_slow_consumer_is_told(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """When the reader has to wait, and how long it had to; its batch is told of after that."""
    logbook = Logbook()
    keeper = Keeper(then=frame(TEXT, "1") + frame(TEXT, "2"))
    async with Network(keeper, nursery).websocket(instruments=(logbook,), receive_buffer=(1, 1000)) as ws:
        await ws.connect(URL)
        await trio.sleep(5)

        assert ["connecting", "connected", "parked"] == logbook.names()
        assert "1" == await ws.receive()
        await trio.testing.wait_all_tasks_blocked()
        assert [("unparked", 5), ("received", 2, 6)] == logbook.entries[3:]


async def test_a_batch_in_hand_is_told_before_the_end(nursery: trio.Nursery) -> None:
    """A reader that waits for its consumer to the last has received all the same."""
    logbook = Logbook()
    keeper = Keeper(then=frame(TEXT, "1") + frame(TEXT, "2"), answers=False)
    async with Network(keeper, nursery).websocket(
        instruments=(logbook,), receive_buffer=(1, 1000), goodbye_timeout=0
    ) as ws:
        await ws.connect(URL)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.deadline = trio.current_time()
        await trio.lowlevel.checkpoint()

    assert (2, 6) == logbook.totals("received")
    assert "closed" == logbook.names()[-1]


async def test_a_refusal_is_told_with_what_connect_raises(nursery: trio.Nursery) -> None:
    """The instrument gets the very error."""
    logbook = Logbook()
    async with Network(refusing, nursery).websocket(instruments=(logbook,)) as ws:
        with pytest.raises(BusinessError) as caught:
            await ws.connect(URL)

    assert ["connecting", "refused"] == logbook.names()
    assert caught.value is logbook.entries[1][1]


async def test_what_was_not_attempted_is_not_told(nursery: trio.Nursery) -> None:
    """Wrong arguments, and what the policy forbids, are no attempts."""
    logbook = Logbook()
    async with Network(polite, nursery).websocket(instruments=(logbook,)) as ws:
        with pytest.raises(BusinessError):
            await ws.connect("http://example.test/")

    assert [] == logbook.entries


@pytest.mark.parametrize("end", ["cancelled", "closed"])
async def test_an_attempt_that_is_given_up_has_no_error(
    nursery: trio.Nursery, autojump_clock: Clock, end: str
) -> None:
    """Neither if its scope is cancelled, nor if the socket is closed meanwhile."""

    async def silent(peer: Peer) -> None:
        await peer.read_request()
        await trio.sleep_forever()

    logbook = Logbook()
    async with Network(silent, nursery).websocket(instruments=(logbook,)) as ws:
        if end == "cancelled":
            with trio.move_on_after(7):
                await ws.connect(URL)
        else:
            ws.connect(URL, lambda err, value: None)
            await trio.sleep(7)
            await ws.aclose()
        nursery.cancel_scope.cancel()

    assert [("connecting",), ("refused", None, 7)] == logbook.entries


async def test_a_dial_that_raises_anything_is_a_refusal() -> None:
    """An error that no one expects ends the attempt, and is told."""
    error = RuntimeError("a bug")

    async def dial(url: object, options: object) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise error

    logbook = Logbook()
    async with trio_ohws.WebSocket(Settings(instruments=(logbook,)), dial=dial) as ws:
        with pytest.raises(RuntimeError):
            await ws.connect(URL)

    assert [("connecting",), ("refused", error)] == [entry[:2] for entry in logbook.entries]


@pytest.mark.parametrize(
    "server", [polite, echo, hangs_up, breaks_rules, refusing], ids=lambda it: it.__name__
)
async def test_every_connection_ends_once(
    nursery: trio.Nursery, autojump_clock: Clock, server: Script
) -> None:
    """However it ends, what is told has its grammar, and `closed` has the socket's own result."""
    logbook = Logbook()
    async with Network(server, nursery).websocket(instruments=(logbook,)) as ws:
        for _ in range(2):
            try:
                await ws.connect(URL)
                await ws.send("x")
                await ws.close()
            except BusinessError:
                await trio.sleep(10)

            if ws.close_result is not None:
                assert ("closed", ws.close_result) == logbook.entries[-1][:2]

    told = "".join(f"{name} " for name in logbook.names())
    assert GRAMMAR.fullmatch(told), told
    assert [0, 1] == [one.id - logbook.connections[0].id for one in logbook.connections]


async def test_a_connection_that_a_bug_ends_is_told_to_its_end(nursery: trio.Nursery) -> None:
    """A stream that raises what no stream should ends the socket's block, and the link for the instrument."""
    error = RuntimeError("a bug")
    logbook = Logbook()
    network = TappedNetwork(hospitable, nursery)
    with pytest.raises(RuntimeError, match="a bug"):
        async with network.websocket(instruments=(logbook,)) as ws:
            await ws.connect(URL)
            network.taps[0].write_error = error
            await ws.send("x")
            await trio.sleep_forever()

    name, result, _ = logbook.entries[-1]
    assert ("closed", CloseResult(1006, "The link is down", by="link")) == (name, result)
    assert isinstance(result, CloseResult)
    assert error is result.cause


async def test_a_violation_is_told_as_our_close(nursery: trio.Nursery, autojump_clock: Clock) -> None:
    """With the code that the peer gets; what it sends while we wait for its end is not counted."""
    logbook = Logbook()
    async with Network(breaks_rules, nursery).websocket(instruments=(logbook,)) as ws:
        await ws.connect(URL)
        result = await ws.wait_closed()

    assert (1002, "local") == (result.code, result.by)
    assert ("closed", result) == logbook.entries[-1][:2]
    assert (1, 2 + 4 + 2) == logbook.totals("received")
    assert [("control_sent", "close")] == [one for one in logbook.entries if one[-1] == "close"]


async def test_every_cancelled_attempt_is_told_to_its_end(autojump_clock: Clock) -> None:
    """Wherever `connect` is cancelled, there is one end to each beginning."""

    async def attempt(step: int) -> Canceller:
        logbook = Logbook()
        async with trio.open_nursery() as nursery:
            async with Network(hospitable, nursery).websocket(instruments=(logbook,)) as ws:
                with cancelled_after(step) as canceller:
                    await ws.connect(URL)
            nursery.cancel_scope.cancel()

        told = "".join(f"{name} " for name in logbook.names())
        assert GRAMMAR.fullmatch(told), told
        assert canceller.caught == ("connected" not in logbook.names())
        return canceller

    await at_every_step(attempt, at_least=10)


class Clumsy(Instrument):
    """Raises in one method.

    Args:
        where: the method's name.
        error: what it raises.
    """

    def __init__(self, where: str, error: BaseException) -> None:
        self.calls = 0
        self._error = error
        setattr(self, where, self._fail)

    def _fail(self, *_: object) -> None:
        self.calls += 1
        raise self._error


async def rich(peer: Peer) -> None:
    """A server that makes a client do all that an instrument can be told of."""
    await peer.accept(then=frame(PING) + frame(TEXT, "1") + frame(TEXT, "2"))
    await peer.serve_politely()


METHODS = [name for name in vars(Instrument) if not name.startswith("_") and name != "refused"]


@pytest.mark.parametrize("where", METHODS)
async def test_one_that_raises_is_switched_off(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    """The connection does not notice; one record says what happened; the others go on."""
    clumsy, logbook = Clumsy(where, ValueError("of the instrument")), Logbook()
    async with Network(rich, nursery).websocket(
        instruments=(clumsy, logbook), receive_buffer=(1, 1000)
    ) as ws:
        for _ in range(2):
            await ws.connect(URL)
            await trio.testing.wait_all_tasks_blocked()
            assert "1" == await ws.receive()
            assert "2" == await ws.receive()
            await ws.ping()
            await ws.send("x")
            assert await ws.close()

    assert 1 == clumsy.calls
    assert ["Clumsy raised, and is told nothing more"] == caplog.messages
    assert logging.ERROR == caplog.records[0].levelno
    assert "of the instrument" in caplog.text
    assert 2 == logbook.names().count("closed")
    assert set(METHODS) == set(logbook.names())


async def test_a_refusal_that_an_instrument_fails_at_is_raised_all_the_same(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    """`connect` raises its own error, not the instrument's."""
    clumsy = Clumsy("refused", ValueError("of the instrument"))
    async with Network(refusing, nursery).websocket(instruments=(clumsy,)) as ws:
        with pytest.raises(BusinessError, match="403"):
            await ws.connect(URL)

    assert 1 == len(caplog.records)


@pytest.mark.parametrize("where", ["connecting", "connected", "received", "closed"])
async def test_ctrl_c_within_an_instrument_is_not_lost(nursery: trio.Nursery, where: str) -> None:
    """It comes out of the socket's block, and what waits for the connection does not hang."""
    with pytest.raises(KeyboardInterrupt):
        async with Network(rich, nursery).websocket(instruments=(Clumsy(where, KeyboardInterrupt()),)) as ws:
            await ws.connect(URL)
            await ws.receive()
            await ws.close()
            await trio.sleep_forever()


def test_the_probe_can_tell_all_that_an_instrument_hears() -> None:
    """The logbook of these tests overrides every method."""
    methods: dict[str, Callable[..., object]] = {
        name: getattr(Instrument, name) for name in vars(Instrument) if not name.startswith("_")
    }

    assert set(methods) == {name for name in methods if getattr(Logbook, name) is not methods[name]}
