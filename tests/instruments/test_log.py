"""What is logged of connections: words, fields and levels."""

import logging
from typing import Any

import pytest
import trio
import trio.testing

from tests.keeper import Keeper
from tests.scripted_peer import PING, TEXT, URL, Network, Peer, frame, polite
from trio_ohws import BusinessError
from trio_ohws.instruments import LoggingInstrument

Clock = trio.testing.MockClock

PLAIN = vars(logging.makeLogRecord({})).keys() | {"message", "asctime", "taskName"}
ALWAYS = {"event", "connection_id", "url_scheme", "server_address", "server_port"}


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record has beyond others, but for what all of ours have."""
    own = {name: value for name, value in vars(record).items() if name not in PLAIN}
    assert own.keys() >= ALWAYS
    assert ("ws", "example.test", 80) == (own["url_scheme"], own["server_address"], own["server_port"])
    assert record.getMessage().startswith(f"connection {own['connection_id']}: ")
    return {name: value for name, value in own.items() if name not in ALWAYS}


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    """Return level, event and text of all records, without the connection's number."""
    return [
        (record.levelname, vars(record)["event"], record.getMessage().partition(": ")[2])
        for record in caplog.records
    ]


async def refusing(peer: Peer) -> None:
    """A server that does not upgrade."""
    await peer.read_request()
    await peer.stream.send_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
    await peer.stream.aclose()


async def slow_to_answer(peer: Peer) -> None:
    """A server that takes its time to say no."""
    await peer.read_request()
    await trio.sleep_forever()


async def test_a_quiet_life_is_two_records(
    nursery: trio.Nursery, autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """At INFO there is a beginning and an end, with the same id."""
    caplog.set_level(logging.INFO)
    async with Network(polite, nursery).websocket(instruments=(LoggingInstrument(),)) as ws:
        await ws.connect(URL)
        await ws.send("x")
        await trio.sleep(5)
        await ws.close({"code": 4000, "reason": "enough"})

    assert [
        ("INFO", "connected", "connected to ws://example.test:80 in 0.000 s"),
        ("INFO", "closed", "closed by local with 4000 'enough' after 5.000 s"),
    ] == told(caplog)
    opened, closed = caplog.records
    assert {
        "seconds": 0,
        "local_address": None,
        "remote_address": None,
        "tls_version": None,
        "subprotocol": None,
        "extensions": (),
    } == fields(opened)
    assert {"code": 4000, "reason": "enough", "clean": True, "by": "local", "seconds": 5} == fields(closed)
    assert vars(opened)["connection_id"] == vars(closed)["connection_id"]
    assert {"trio_ohws.connections"} == {record.name for record in caplog.records}


async def test_debug_tells_all(
    nursery: trio.Nursery, autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG there is a record of each batch, control frame, round trip and wait."""
    caplog.set_level(logging.DEBUG, "trio_ohws.connections")
    keeper = Keeper(then=frame(PING) + frame(TEXT, "1") + frame(TEXT, "2"))
    settings = {"instruments": (LoggingInstrument(),), "receive_buffer": (1, 1000)}
    async with Network(keeper, nursery).websocket(**settings) as ws:
        await ws.connect(URL)
        await trio.sleep(2)
        await ws.receive()
        await ws.ping()
        await ws.send("x")

    assert {
        ("DEBUG", "connecting", "connecting to ws://example.test:80"),
        ("DEBUG", "control_received", "received ping"),
        ("DEBUG", "control_sent", "sent pong"),
        ("DEBUG", "parked", "waiting for a consumer"),
        ("DEBUG", "unparked", "waited 2.000000 s for a consumer"),
        ("DEBUG", "round_trip", "round trip 0.000000 s"),
        ("DEBUG", "received", "received 2 messages, 8 bytes"),
        ("DEBUG", "sent", "sent 0 messages, 6 bytes"),
    } <= set(told(caplog))
    by_event = {vars(record)["event"]: fields(record) for record in caplog.records}
    assert {"seconds": 2} == by_event["unparked"]
    assert {"messages", "size"} == by_event["received"].keys() == by_event["sent"].keys()
    assert {"frame": "close"} == by_event["control_sent"]


async def test_a_refusal_is_a_warning(nursery: trio.Nursery, caplog: pytest.LogCaptureFixture) -> None:
    """It says why, and of which kind that is."""
    async with Network(refusing, nursery).websocket(instruments=(LoggingInstrument(),)) as ws:
        with pytest.raises(BusinessError):
            await ws.connect(URL)

    ((level, event, words),) = told(caplog)
    assert ("WARNING", "refused") == (level, event)
    assert words.startswith("no connection to ws://example.test:80 after 0.")
    assert words.endswith("server answered 503 Service Unavailable")
    assert "503" == fields(caplog.records[0])["error_type"]


async def test_giving_up_is_no_warning(
    nursery: trio.Nursery, autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The program wanted it so."""
    caplog.set_level(logging.INFO)
    async with Network(slow_to_answer, nursery).websocket(instruments=(LoggingInstrument(),)) as ws:
        with trio.move_on_after(3):
            await ws.connect(URL)
        nursery.cancel_scope.cancel()

    expected = ("INFO", "refused", "gave up connecting to ws://example.test:80 after 3.000 s")
    assert [expected] == told(caplog)
    assert {"seconds": 3} == fields(caplog.records[0])


async def test_a_broken_link_is_a_warning(
    nursery: trio.Nursery, autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """It says what broke it."""
    server = Keeper(answers=False)
    settings = {"instruments": (LoggingInstrument(),), "ping_interval": 10, "ping_timeout": 5}
    async with Network(server, nursery).websocket(**settings) as ws:
        await ws.connect(URL)
        await ws.wait_closed()

    words = "closed by link with 1006 'The link is down' after 15.000 s: TimeoutError"
    assert [("WARNING", "closed", words)] == told(caplog)
    assert "TimeoutError" == fields(caplog.records[0])["error_type"]


async def test_what_a_peer_writes_breaks_no_line(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    """The reason of a Close may be anything; in the text it is escaped, in its field it is as it came."""

    async def rude(peer: Peer) -> None:
        await peer.accept()
        await peer.close(1011, "\x1b[2J\nforged")

    async with Network(rude, nursery).websocket(instruments=(LoggingInstrument(),)) as ws:
        await ws.connect(URL)
        await ws.wait_closed()

    ((level, _, words),) = told(caplog)
    assert "WARNING" == level
    assert r"closed by peer with 1011 '\x1b[2J\nforged' after" in words
    assert words.isprintable()
    assert "\x1b[2J\nforged" == fields(caplog.records[0])["reason"]


async def test_a_logger_of_ones_own(nursery: trio.Nursery, caplog: pytest.LogCaptureFixture) -> None:
    """A program with several sockets may tell them apart by it."""
    caplog.set_level(logging.INFO)
    logger = logging.getLogger("prices")
    async with Network(polite, nursery).websocket(instruments=(LoggingInstrument(logger),)) as ws:
        await ws.connect(URL)

    assert ["prices", "prices"] == [record.name for record in caplog.records]
