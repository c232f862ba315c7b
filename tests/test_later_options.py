"""The options and the event that the API got after level 12, as a connection sees them."""

from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from tests.journal import Journal
from trio_ohws import BusinessError, CloseResult, TlsProtocol, WebSocketOpenInfo, create_websocket
from trio_ohws.testing import MemoryNetwork, MemoryPeer, frame
from trio_ohws.testing.frames import PING, TEXT

URL = "ws://example.test/chat"
SILENCE_S = 1000


async def mute(peer: MemoryPeer) -> None:
    """A server that accepts, and says nothing any more."""
    peer.answers_pings = peer.answers_close = False
    await peer.accept()


async def pings(options: dict[str, Any], network: MemoryNetwork, **settings: Any) -> tuple[int, float | None]:
    """How many pings a mute peer got, and after how many seconds the link counted as broken, if ever."""
    network.serve(mute)
    async with create_websocket(goodbye_timeout=0, close_timeout=0, **settings) as ws:
        await ws.connect(URL, options)
        began = trio.current_time()
        broken_after = None
        with trio.move_on_after(SILENCE_S):
            await ws.wait_closed()
            broken_after = trio.current_time() - began
    return len([one for one in network.peers[0].frames if one.opcode == PING]), broken_after


@pytest.mark.parametrize(
    ("options", "settings", "expected"),
    [
        ({}, {}, (1, 60)),
        ({"pingInterval": 5}, {}, (1, 35)),
        ({"ping_interval": 5, "pong_timeout": 5}, {}, (1, 10)),
        ({"pingInterval": 5, "pongTimeout": 2}, {}, (1, 7)),
        ({"pongTimeout": 2}, {}, (1, 32)),
        ({"pongTimeout": 5}, {"ping_interval": 5}, (1, 10)),
        ({"pingInterval": 0}, {}, (0, None)),
        ({"pingInterval": 0, "pongTimeout": 0}, {}, (0, None)),
        ({"pingInterval": 600, "pongTimeout": 0}, {}, (1, None)),
        ({"pongTimeout": 0}, {"ping_interval": 600}, (1, None)),
        ({"pingInterval": 600}, {"ping_timeout": None}, (1, None)),
        ({"pingInterval": 10}, {"ping_interval": None, "ping_timeout": 3}, (1, 13)),
    ],
    ids=str,
)
async def test_the_keepalive_of_a_connection(
    options: dict[str, Any],
    settings: dict[str, Any],
    expected: tuple[int, float | None],
    websocket_network: MemoryNetwork,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """What a connection's options say goes before the socket's settings; 0 is off, or no pong is required."""
    assert expected == pytest.approx(await pings(options, websocket_network, **settings))


async def test_the_next_connection_has_the_sockets_keepalive_again(
    websocket_network: MemoryNetwork, autojump_clock: trio.testing.MockClock
) -> None:
    """Options are those of one connection."""
    websocket_network.serve(mute)
    ended: list[float] = []
    async with create_websocket() as ws:
        for options in ({"pingInterval": 5, "pongTimeout": 5}, None):
            began = trio.current_time()
            await ws.connect(URL, options)
            await ws.wait_closed()
            ended.append(trio.current_time() - began)

    assert [10, 60] == pytest.approx(ended)


@pytest.mark.parametrize(
    ("interval", "seconds", "words"),
    [
        (30, 31, "'pong_timeout' ('pongTimeout') 31 s is above the socket's ping_interval, 30 s"),
        (0.5, 1, "'pong_timeout' ('pongTimeout') 1 s is above the socket's ping_interval, 0.5 s"),
        (None, 1, "'pong_timeout' ('pongTimeout') 1 s is above the socket's ping_interval, none"),
    ],
)
async def test_a_pong_timeout_above_the_sockets_interval(
    interval: float | None, seconds: int, words: str, websocket_network: MemoryNetwork
) -> None:
    """The documented limit holds whoever says the interval: 401, and nothing is dialled."""
    async with create_websocket(ping_interval=interval) as ws:
        journal = Journal(ws)
        with pytest.raises(BusinessError) as caught:
            await ws.connect(URL, {"pongTimeout": seconds})

        assert 401 == caught.value.code
        assert words in caught.value.message
        assert ([], []) == (journal.entries, websocket_network.peers)


@pytest.mark.parametrize(
    ("url", "options", "origin"),
    [
        ("ws://example.test:8080/", {}, "http://example.test"),
        ("ws://example.test:8080/", {"supportOriginPort": False}, "http://example.test"),
        ("ws://example.test:8080/", {"supportOriginPort": True}, "http://example.test:8080"),
        ("wss://example.test:8443/", {"support_origin_port": True}, "https://example.test:8443"),
        ("ws://[::1]:8080/", {"supportOriginPort": True}, "http://[::1]:8080"),
        ("ws://example.test:80/", {"supportOriginPort": True}, "http://example.test"),
        ("wss://example.test/", {"supportOriginPort": True}, "https://example.test"),
        (
            "ws://example.test:8080/",
            {"supportOriginPort": True, "header": {"Origin": "https://app.test"}},
            "https://app.test",
        ),
    ],
)
async def test_the_port_in_origin(
    url: str, options: dict[str, Any], origin: str, websocket_network: MemoryNetwork
) -> None:
    """Only who asks for it tells a port that is not the default; an Origin of one's own stays as it is."""
    websocket_network.serve(MemoryPeer.accept)
    async with create_websocket() as ws:
        await ws.connect(url, options)

    request = websocket_network.peers[0].request
    assert request is not None
    assert origin == request.headers["origin"]


@pytest.mark.parametrize("chosen", ["chat", None])
async def test_open_info_follows_open(chosen: str | None, websocket_network: MemoryNetwork) -> None:
    """Right after `open` comes openInfo, with the subprotocol if there is one, before any message."""
    websocket_network.serve(partial(MemoryPeer.accept, subprotocol=chosen, then=frame(TEXT, "x")))
    told: list[object] = []
    async with create_websocket() as ws:
        ws.on("message", lambda err, value: told.append(value))
        ws.on("openInfo", lambda err, value: told.append((err, value)))
        ws.on("open", lambda err, value: told.append((err, value.status)))
        stream = ws.subscribe("openInfo")
        await ws.connect(URL, {"protocol": "chat"})
        await trio.testing.wait_all_tasks_blocked()

        assert WebSocketOpenInfo(101, "Switching Protocols", chosen) == stream.receive_nowait()
    info = WebSocketOpenInfo(101, "Switching Protocols", chosen)
    assert [(None, 101), (None, info), "x"] == told
    assert (101, "Switching Protocols", chosen) == (info.status, info.message, info.protocol)


async def test_open_info_is_not_told_after_a_fault(websocket_network: MemoryNetwork) -> None:
    """What a callback of `open` raises ends the telling: openInfo is not told, `close` is."""
    told: list[str] = []

    def fail(err: None, value: object) -> None:
        raise LookupError("open")

    websocket_network.serve(MemoryPeer.accept)
    with pytest.raises(LookupError, match="open"):
        async with create_websocket() as ws:
            ws.on("open", fail)
            ws.on("openInfo", lambda err, value: told.append("openInfo"))
            ws.on("close", lambda err, value: told.append("close"))
            await ws.connect(URL)
            await ws.wait_closed()

    assert ["close"] == told
    assert isinstance(ws.close_result, CloseResult)


def test_tls_protocol_has_the_reference_s_numbers() -> None:
    """A port from ArkTS may pass the number as well."""
    assert [0, 1, 2, 3] == [int(protocol) for protocol in TlsProtocol]
    assert ["TLS_V_1_0", "TLS_V_1_1", "TLS_V_1_2", "TLS_V_1_3"] == [one.name for one in TlsProtocol]
