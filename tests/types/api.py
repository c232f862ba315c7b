"""What a type checker knows about the API. Nothing in here runs: mypy and pyright read it.

Every line is something that a user writes. Where the wrong use must be refused, an ignore with its code says
so, and the checkers complain about one that is not needed.
"""

from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_never, assert_type

import anyio.abc
import trio

import trio_ohws
import trio_ohws.anyio
import trio_ohws.sync
from trio_ohws import (
    BusinessError,
    ClientCert,
    CloseResult,
    ConnectionInfo,
    ConnectionLost,
    EndOfMessages,
    Established,
    HttpProxy,
    Instrument,
    MessageBatches,
    OpenResult,
    QueueStatistics,
    ResponseHeaders,
    State,
    Statistics,
    TlsInfo,
    UpgradeRefused,
    WebSocket,
    WebSocketCloseOptions,
    WebSocketRequestOptions,
    create_websocket,
    createWebSocket,
    open_websocket,
)
from trio_ohws.reconnect import (
    Backoff,
    Connected,
    Connecting,
    Connection,
    ReconnectingWebSocket,
    Stopped,
    Waiting,
    is_transient,
    open_reconnecting,
)

URL = "wss://example.test/"


# Callbacks, as a porter from ArkTS writes them


def on_answer(err: BusinessError | None, value: bool | None) -> None:
    """A callback of connect, send or close."""


async def on_answer_later(err: BusinessError | None, value: bool | None) -> None:
    """The same, async."""


def on_open(err: BusinessError | None, value: OpenResult) -> None:
    """A callback of 'open'."""
    assert_type(value.status, int)
    assert_type(value.message, str)


def on_message(err: BusinessError | None, value: str | bytes) -> None:
    """A callback of 'message'."""


async def on_message_later(err: None, value: str | bytes) -> None:
    """An async callback of 'message'."""


def on_close(err: None, value: CloseResult) -> None:
    """A callback of 'close'."""
    assert_type(value.code, int)
    assert_type(value.reason, str)
    assert_type(value.clean, bool)
    assert_type(value.cause, BaseException | None)


def on_error(err: BusinessError) -> None:
    """A callback of 'error'."""
    assert_type(err.code, int)
    assert_type(err.message, str)
    assert_type(err.data, str | None)
    assert_type(err.to_dict(), dict[str, int | str])


def on_header_receive(headers: ResponseHeaders) -> None:
    """A callback of 'headerReceive'."""
    assert_type(headers["server"], str | list[str])
    assert_type(headers.get("server"), str | list[str] | None)


def on_data_end() -> None:
    """A callback of 'dataEnd'."""


# Instruments


class Watching(Instrument):
    """What a user derives."""

    def connected(self, connection: ConnectionInfo, established: Established) -> None:
        """Look at what is told."""
        assert_type(connection.id, int)
        assert_type(connection.host, str)
        assert_type(established.seconds, float)
        assert_type(established.remote_address, tuple[str, int] | str | None)
        assert_type(established.extensions, tuple[str, ...])

    def refused(self, connection: ConnectionInfo, error: Exception | None, seconds: float) -> None:
        """Look at the reason."""

    async def parked(self, connection: ConnectionInfo) -> None:  # type: ignore[override]  # it is called
        """Nobody would await this."""


# Making one


def make() -> None:
    """Both names make the same, and settings are checked by name."""
    assert_type(create_websocket(), WebSocket)
    assert_type(createWebSocket(), WebSocket)
    create_websocket(
        max_message_size=1,
        fragment_size=4096,
        receive_buffer=(1, 1),
        send_buffer=1,
        connect_timeout=1,
        close_timeout=0.5,
        goodbye_timeout=0.5,
        ping_interval=None,
        ping_timeout=None,
    )
    create_websocket(receive_buffer=None, fragment_size=None)
    create_websocket(conect_timeout=1)  # type: ignore[call-arg]
    create_websocket(connect_timeout="1")  # type: ignore[arg-type]
    open_websocket(URL, conect_timeout=1)  # type: ignore[call-arg]


async def open_one() -> None:
    """The block gives a socket."""
    async with create_websocket() as ws:
        assert_type(ws, WebSocket)
    async with open_websocket(URL) as ws:
        assert_type(ws, WebSocket)
    async with open_websocket(URL, {"protocol": "chat"}, ping_interval=None) as ws:
        assert_type(ws, WebSocket)


# The overloads


async def connect(ws: WebSocket, options: WebSocketRequestOptions, mapping: Mapping[str, object]) -> None:
    """Without a callback a coroutine of bool, with one None."""
    promise: Coroutine[Any, Any, bool] = ws.connect(URL)
    assert_type(await promise, bool)
    assert_type(await ws.connect(URL, None), bool)
    assert_type(await ws.connect(URL, options), bool)
    assert_type(await ws.connect(URL, mapping), bool)
    assert_type(await ws.connect(URL, {"header": {"a": "b"}}), bool)
    ws.connect(URL, on_answer)
    ws.connect(URL, on_answer_later)
    ws.connect(URL, lambda err, value: None)
    ws.connect(URL, options, on_answer)
    ws.connect(URL, None, on_answer)
    ws.connect(URL, callback=on_answer)
    ws.connect(URL, options, callback=on_answer)
    ws.connect(URL, {"header": {"a": "b"}}, lambda err, value: ws.send("x", on_answer))
    await ws.connect(5)  # type: ignore[call-overload]
    await ws.connect(URL, 5)  # type: ignore[call-overload]
    await ws.connect(URL, WebSocketCloseOptions())  # type: ignore[call-overload]


async def send(ws: WebSocket, view: memoryview, text: str | bytes) -> None:
    """All kinds of data, with and without a callback."""
    promise: Coroutine[Any, Any, bool] = ws.send("text")
    assert_type(await promise, bool)
    assert_type(await ws.send(b"bytes"), bool)
    assert_type(await ws.send(bytearray()), bool)
    assert_type(await ws.send(view), bool)
    assert_type(await ws.send(text), bool)
    ws.send("text", on_answer)
    ws.send("text", on_answer_later)
    ws.send("text", callback=on_answer)
    ws.send_nowait("text")
    ws.send_nowait(view)
    await ws.flush()
    await ws.send(5)  # type: ignore[call-overload]
    ws.send_nowait(None)  # type: ignore[arg-type]


async def close(ws: WebSocket, options: WebSocketCloseOptions) -> None:
    """Without a callback a coroutine of bool, with one None."""
    promise: Coroutine[Any, Any, bool] = ws.close()
    assert_type(await promise, bool)
    assert_type(await ws.close(None), bool)
    assert_type(await ws.close(options), bool)
    assert_type(await ws.close({"code": 1000, "reason": "done"}), bool)
    ws.close(on_answer)
    ws.close(lambda err, value: None)
    ws.close(options, on_answer)
    ws.close({"code": 1000}, on_answer_later)
    ws.close(None, on_answer)
    ws.close(callback=on_answer)
    await ws.aclose()
    await ws.close(1000)  # type: ignore[call-overload]


# Events


def listen(ws: WebSocket) -> None:
    """Each event takes its callback, sync or async; the names are checked."""
    ws.on("open", on_open)
    ws.on("message", on_message)
    ws.on("message", on_message_later)
    ws.on("close", on_close)
    ws.on("error", on_error)
    ws.on("dataEnd", on_data_end)
    ws.on("headerReceive", on_header_receive)
    ws.on("message", lambda err, value: ws.send(value, on_answer))
    ws.once("open", on_open)
    ws.off("open", on_open)
    ws.off("open")
    ws.on("opened", on_open)  # type: ignore[arg-type]
    ws.once("message", None)  # type: ignore[arg-type]
    ws.off("mesage")  # type: ignore[arg-type]


async def subscribe(ws: WebSocket) -> None:
    """A stream is a channel of what the event carries."""
    async with ws.subscribe("message", max_items=10, overflow="latest") as messages:
        assert_type(await messages.receive(), str | bytes)
        assert_type(messages.receive_nowait(), str | bytes)
        assert_type(messages.statistics(), QueueStatistics)
        async for message in messages:
            assert_type(message, str | bytes)
    assert_type(await ws.subscribe("open").receive(), OpenResult)
    assert_type(await ws.subscribe("close").receive(), CloseResult)
    assert_type(await ws.subscribe("error").receive(), BusinessError)
    assert_type(await ws.subscribe("headerReceive").receive(), ResponseHeaders)
    ends: trio.abc.ReceiveChannel[None] = ws.subscribe("dataEnd")
    await ends.aclose()
    ws.subscribe("message", overflow="drop")  # type: ignore[call-overload]
    ws.subscribe("mesage")  # type: ignore[call-overload]


# Pulling


async def pull(ws: WebSocket) -> None:
    """Messages are text or bytes, one by one or many."""
    assert_type(await ws.receive(), str | bytes)
    assert_type(await anext(ws), str | bytes)
    async for message in ws:
        assert_type(message, str | bytes)
        if isinstance(message, str):
            assert_type(message, str)
        else:
            assert_type(message, bytes)
    assert_type(ws.batches(), MessageBatches)
    async for batch in ws.batches():
        assert_type(batch, list[str | bytes])


async def converse(channel: trio.abc.Channel[str | bytes]) -> None:
    """Code for any channel."""
    await channel.send("x")


async def pass_on(ws: WebSocket) -> None:
    """A socket is a channel of messages, and each of its parts."""
    await converse(ws)
    sending: trio.abc.SendChannel[str | bytes] = ws
    receiving: trio.abc.ReceiveChannel[str | bytes] = ws
    resource: trio.abc.AsyncResource = ws
    await sending.send(await receiving.receive())
    await resource.aclose()
    wrong: trio.abc.Channel[int] = ws  # type: ignore[assignment]
    await wrong.aclose()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ws.aclose)
        nursery.start_soon(ws.flush)


# The rest


async def look(ws: WebSocket) -> None:
    """Properties and measurements."""
    assert_type(await ws.ping(), float)
    assert_type(await ws.ping(b"payload"), float)
    assert_type(await ws.wait_closed(), CloseResult)
    assert_type(ws.state, State)
    assert_type(ws.url, str | None)
    assert_type(ws.subprotocol, str | None)
    assert_type(ws.response_headers, ResponseHeaders)
    assert_type(ws.close_result, CloseResult | None)
    assert_type(ws.latency, float | None)
    assert_type(ws.local_address, tuple[str, int] | str | None)
    assert_type(ws.remote_address, tuple[str, int] | str | None)
    assert_type(ws.tls, TlsInfo | None)
    assert_type(ws.statistics(), Statistics)
    assert_type(ws.statistics().receive_queue, QueueStatistics | None)
    ws.url = URL  # type: ignore[misc]
    await ws.ping("text")  # type: ignore[arg-type]
    if ws.state == "open":
        ws.send_nowait("x")


async def reconnect() -> None:
    """A socket that outlives its connections, with every kind of function that it takes."""

    async def options(attempt: int) -> dict[str, Any]:  # noqa: ASYNC124
        return {"header": {"Authorization": str(attempt)}}

    async def on_connected(connection: Connection) -> None:
        assert_type(await connection.receive(), str | bytes)
        assert_type(await connection.send("x"), bool)
        assert_type(await connection.ping(), float)
        assert_type(connection.attempt, int)

    def should_retry(error: Exception) -> bool:
        if isinstance(error, UpgradeRefused):
            assert_type(error.status, int)
            assert_type(error.headers, Mapping[str, str | list[str]])
        if isinstance(error, ConnectionLost):
            assert_type(error.close_code, int | None)
        return is_transient(error)

    async with open_reconnecting(
        lambda attempt: f"{URL}?{attempt}",
        options,
        backoff=Backoff(first=0.5),
        should_retry=should_retry,
        on_connected=on_connected,
        outbox="drop",
        give_up_after=60,
        compression="deflate",
        instruments=(Watching(),),
    ) as ws:
        assert_type(ws, ReconnectingWebSocket)
        plain: WebSocket = ws
        channel: trio.abc.Channel[str | bytes] = plain
        assert_type(await ws.send("x"), bool)
        async for message in ws:
            assert_type(message, str | bytes)
        async with ws.statuses() as statuses:
            async for status in statuses:
                match status:
                    case Waiting():
                        assert_type(status.delay, float)
                    case Connecting() | Connected():
                        assert_type(status.attempt, int)
                    case Stopped():
                        assert_type(status.error, Exception | None)
                    case _:
                        assert_never(status)
        await channel.aclose()
    async with open_reconnecting(URL, {"protocol": "a"}, outbox="hold"):  # type: ignore[arg-type]
        pass
    async with open_reconnecting(URL, nosuchsetting=1):  # type: ignore[call-arg]
        pass


def build() -> None:
    """Options, with the types that the fields take."""
    headers: Mapping[str, str | Sequence[str]] = {"a": "b", "many": ["c", "d"]}
    options = WebSocketRequestOptions(
        header=headers,
        ca_path=Path("ca.pem"),
        client_cert=ClientCert("cert.pem", Path("key.pem"), "password"),
        proxy=HttpProxy("proxy.test", 3128, "user", "password", ["*.test"]),
        protocol="a, b",
    )
    assert_type(options.protocol, str | None)
    WebSocketRequestOptions(proxy="no-proxy")
    WebSocketRequestOptions(proxy="system")
    WebSocketCloseOptions(code=4000, reason="r")
    WebSocketCloseOptions(reason=5)  # type: ignore[arg-type]
    options.protocol = "c"  # type: ignore[misc]


async def catch(ws: WebSocket) -> None:
    """One `except` of Trio's, or of ours."""
    try:
        await ws.send("x")
    except trio.BrokenResourceError as error:
        assert_type(error, trio.BrokenResourceError)
    except trio.ClosedResourceError:
        pass
    except BusinessError as error:
        assert_type(error.code, int)
    trios: list[Exception] = []
    broken: trio.BrokenResourceError = ConnectionLost("x")
    end: trio.EndOfChannel = EndOfMessages("x")
    ours: BusinessError = trio_ohws.AlreadyClosed("x")
    trios += [broken, end, ours]


# Blocking use


def block(options: WebSocketRequestOptions) -> None:
    """What is a coroutine elsewhere is its value here."""
    with trio_ohws.sync.create_websocket(callbacks="worker", ping_interval=None) as ws:
        assert_type(ws, trio_ohws.sync.WebSocket)
    with trio_ohws.sync.createWebSocket():
        pass
    trio_ohws.sync.create_websocket(callbacks="thread")  # type: ignore[arg-type]
    trio_ohws.sync.create_websocket(conect_timeout=1)  # type: ignore[call-arg]
    with trio_ohws.sync.open_websocket(URL, options, callbacks="caller", max_message_size=1) as ws:
        assert_type(ws, trio_ohws.sync.WebSocket)
        assert_type(ws.connect(URL), bool)
        assert_type(ws.connect(URL, {"protocol": "chat"}, timeout=5), bool)
        ws.connect(URL, on_answer)
        ws.connect(URL, options, on_answer)
        ws.connect(URL, callback=on_answer)
        ws.connect(URL, on_answer, timeout=5)  # type: ignore[call-overload]
        assert_type(ws.send("text"), bool)
        assert_type(ws.send(b"bytes", timeout=0.5), bool)
        ws.send("text", lambda err, value: None)
        ws.send("text", timeout="5")  # type: ignore[call-overload]
        ws.send_nowait(memoryview(b""))
        ws.flush(timeout=None)
        assert_type(ws.ping(b"payload", timeout=1), float)
        assert_type(ws.close({"code": 1000}, timeout=1), bool)
        ws.close(on_answer)
        ws.close({"code": 1000}, on_answer)
        assert_type(ws.wait_closed(timeout=1), CloseResult)


def block_on_messages(ws: trio_ohws.sync.WebSocket) -> None:
    """Messages are text or bytes, one by one or many; streams carry what their events do."""
    assert_type(ws.receive(timeout=5), str | bytes)
    for message in ws:
        assert_type(message, str | bytes)
    assert_type(ws.batches(), trio_ohws.sync.MessageBatches)
    for batch in ws.batches(timeout=5):
        assert_type(batch, list[str | bytes])
    ws.on("close", on_close)
    ws.once("dataEnd", on_data_end)
    ws.off("message")
    ws.on("mesage", on_message)  # type: ignore[arg-type]
    with ws.subscribe("message", overflow="latest") as messages:
        assert_type(messages, trio_ohws.sync.EventStream[str | bytes])
        assert_type(messages.receive(timeout=5), str | bytes)
        assert_type(messages.receive_nowait(), str | bytes)
    assert_type(ws.subscribe("close").receive(), CloseResult)
    for error in ws.subscribe("error"):
        assert_type(error, BusinessError)
    ws.subscribe("message", overflow="drop")  # type: ignore[call-overload]
    assert_type(ws.state, State)
    assert_type(ws.close_result, CloseResult | None)
    assert_type(ws.tls, TlsInfo | None)
    assert_type(ws.statistics(), Statistics)


# AnyIO


async def take_any_stream(stream: anyio.abc.ObjectStream[str | bytes]) -> None:
    """Code for any stream of AnyIO's."""
    await stream.send("text")


async def stream(carrier: anyio.abc.ByteStream) -> None:
    """A socket is one, with typed attributes."""
    async with trio_ohws.anyio.open_websocket(URL, ping_interval=None) as opened:
        assert_type(opened, trio_ohws.anyio.WebSocketStream)
        assert_type(await opened.receive(), str | bytes)
        assert_type(opened.extra(anyio.abc.SocketAttribute.remote_port), int)
        assert_type(opened.websocket, WebSocket)
        async for message in opened:
            assert_type(message, str | bytes)
        await take_any_stream(opened)
        await opened.send(5)  # type: ignore[arg-type]
    async with trio_ohws.anyio.open_websocket_over(carrier, URL, {"protocol": "chat"}) as opened:
        await take_any_stream(opened)
    async with trio_ohws.create_websocket() as ws:
        await take_any_stream(trio_ohws.anyio.WebSocketStream(ws))
