"""The facade for threads: the same API, without async."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, Unpack, cast, get_args, overload

from trio_ohws.errors import BusinessError, EndOfMessages
from trio_ohws.events.emitter import MAX_BYTES
from trio_ohws.events.model import (
    CloseResult,
    EventName,
    Listener,
    Message,
    OpenResult,
    ResponseHeaders,
    WebSocketOpenInfo,
)
from trio_ohws.events.queue import Overflow
from trio_ohws.nursery.endpoints import Address, TlsInfo
from trio_ohws.nursery.state import State
from trio_ohws.options import WebSocketCloseOptions, WebSocketRequestOptions
from trio_ohws.settings import WebSocketSettings
from trio_ohws.sync.calls import Calls, Forward
from trio_ohws.sync.listeners import Listeners, check_callback
from trio_ohws.sync.portal import CallbackThread, SocketThread
from trio_ohws.sync.stream import EventStream, MessageBatches
from trio_ohws.websocket import Statistics, create_websocket as create_async_websocket

__all__ = ["WebSocket", "create_websocket", "open_websocket"]

Data = str | bytes | bytearray | memoryview
RequestOptions = WebSocketRequestOptions | Mapping[str, Any] | None
CloseOptions = WebSocketCloseOptions | Mapping[str, Any] | None


def create_websocket(
    *, callbacks: CallbackThread = "caller", **settings: Unpack[WebSocketSettings]
) -> "WebSocket":
    """Make a blocking socket, to be entered with ``with``.

    Args:
        callbacks: where callbacks run, one at a time and in the order of their events: "caller" (the
            default), in the thread that entered the block, while it is inside a method that waits; "worker",
            in a thread of their own, at once.
        settings: as in `trio_ohws.create_websocket`.

    Returns:
        The socket. `on`, `once`, `off` and `subscribe` work at once, the rest inside ``with``.

    Raises:
        TypeError: a setting is unknown, or of the wrong type.
        ValueError: a setting is out of range.

    Source: the API document, webSocket.createWebSocket; the settings are beyond OHOS.
    """
    if callbacks not in get_args(CallbackThread):
        raise ValueError(f'callbacks must be "caller" or "worker", not {callbacks!r}')
    return WebSocket(settings, callbacks)


@contextmanager
def open_websocket(
    url: str,
    options: RequestOptions = None,
    *,
    callbacks: CallbackThread = "caller",
    **settings: Unpack[WebSocketSettings],
) -> Iterator["WebSocket"]:
    """Make a blocking socket and connect it, for ``with``: `create_websocket` and `connect` in one.

    Args:
        url: as in `WebSocket.connect`.
        options: as in `WebSocket.connect`.
        callbacks: as in `create_websocket`.
        settings: as in `create_websocket`; ``connect_timeout`` is the one for this.

    Yields:
        The open socket.

    Raises:
        BusinessError: as `WebSocket.connect`.

    If interrupted:
        As `WebSocket.connect`, then as the socket's own ``with``.

    Source: beyond OHOS.
    """
    with create_websocket(callbacks=callbacks, **settings) as ws:
        ws.connect(url, options)
        yield ws


class WebSocket:
    """A WebSocket client for threads, alive within its ``with`` block, in a thread of its own.

    Make it by `create_websocket`. Its methods may be called from any thread; they behave as those of
    `trio_ohws.WebSocket`, which also names the errors. Methods that wait take a `timeout` in seconds; when it
    is over they raise ``TimeoutError``, and what they did is cancelled, as if it had never been called. An
    interrupt (Ctrl-C) does the same and goes on as ``KeyboardInterrupt``.

    When the block ends, the socket closes with 1000, and all callbacks that are due are run. When it raises,
    the peer gets Close 1001, for which at most ``goodbye_timeout`` is waited, and only callbacks of events
    that come once are still run. When it is over, so is the socket's thread.

    Callbacks are functions; they may call the socket's methods. With ``callbacks="caller"`` they run while
    the thread that entered the block is inside `connect`, `send`, `flush`, `close`, `receive`, `ping`,
    `wait_closed`, a step of an iteration, `EventStream.receive`, or the end of the block, and not within
    each other. Those that were due before the method had its result are run before it returns; what one
    raises cancels the method, and comes out of it. With ``callbacks="worker"`` that closes the connection
    with 1001, comes out of every method that fails because of it, and at the end of the block.

    While more than 256 callbacks, or 4 MiB of messages, wait to be run, the peer is slowed down.

    Source: the API document, WebSocket.
    """

    def __init__(self, settings: WebSocketSettings, callbacks: CallbackThread) -> None:
        self._ws = create_async_websocket(**settings)
        self._calls = Calls()
        self._thread = SocketThread(self._ws, self._calls, callbacks)
        self._batches = self._ws.batches()
        self._kept: deque[Message] = deque()  # taken from the async socket, and not yet asked for
        self._listeners = Listeners(self._ws, self._calls, self._kept, settings.get("fragment_size"))

    def __repr__(self) -> str:
        return repr(self._ws).replace("trio_ohws.", "trio_ohws.sync.", 1)

    # Lifetime

    def __enter__(self) -> Self:
        """Start the socket's thread."""
        self._thread.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close, and end everything that the socket has running; see the class."""
        self._thread.leave(error)

    # connect

    @overload
    def connect(
        self,
        url: str,
        options: RequestOptions = None,
        callback: None = None,
        *,
        timeout: float | None = None,
    ) -> bool: ...
    @overload
    def connect(self, url: str, options: Listener, callback: None = None) -> None: ...
    @overload
    def connect(self, url: str, options: RequestOptions, callback: Listener) -> None: ...
    @overload
    def connect(self, url: str, options: RequestOptions = None, *, callback: Listener) -> None: ...

    def connect(
        self,
        url: str,
        options: RequestOptions | Listener = None,
        callback: Listener | None = None,
        *,
        timeout: float | None = None,
    ) -> bool | None:
        """Connect to a server.

        Args:
            url: ``ws://`` or ``wss://``, at most 1024 characters.
            options: `WebSocketRequestOptions`, or a mapping with its names or OHOS's.
            callback: called with (err, value) when the attempt has succeeded or failed; then this returns
                None at once. It may stand in the place of `options`.
            timeout: seconds for the attempt; None (the default) for the socket's ``connect_timeout`` alone.

        Returns:
            True, once the callbacks of `open` were run (by a worker: were handed over).

        Raises:
            BusinessError: as `trio_ohws.WebSocket.connect`.
            TimeoutError: the attempt took too long.
            RuntimeError: the socket is not entered, or was left.

        If interrupted:
            No connection remains; the object can connect again.

        Source: the API document, connect; RFC 6455 section 4.1.
        """
        if callback is None and callable(options):
            options, callback = None, cast("Listener", options)
        checked = cast("RequestOptions", options)
        if callback is not None:
            forward = self._forward("connect", callback)
            self._thread.run_now(lambda: self._ws.connect(url, checked, forward))
            return None
        return self._thread.run(partial(self._connect, url, checked), timeout)

    async def _connect(self, url: str, options: RequestOptions) -> bool:
        if self._ws.state in (State.IDLE, State.CLOSED):
            self._kept.clear()  # as the async socket forgets what was not received of the last connection
        return await self._ws.connect(url, options)

    # send

    @overload
    def send(self, data: Data, callback: None = None, *, timeout: float | None = None) -> bool: ...
    @overload
    def send(self, data: Data, callback: Listener) -> None: ...

    def send(
        self, data: Data, callback: Listener | None = None, *, timeout: float | None = None
    ) -> bool | None:
        """Send a message.

        Args:
            data: str is sent as text, anything else as binary.
            callback: called with (err, value) once the message is queued; then this returns None.
            timeout: seconds to wait while ``send_buffer`` bytes are queued; None (the default) for as long as
                it takes.

        Returns:
            True: the message is queued, in order; `flush` tells when it is with the operating system.

        Raises:
            BusinessError: as `trio_ohws.WebSocket.send`.
            TimeoutError: there was no room in time; the message was not queued.
            RuntimeError: the socket is not entered, or was left.

        If interrupted:
            While it waits for room the message is not queued; the connection stays usable.

        Source: the API document, send; RFC 6455 section 5.6.
        """
        if callback is not None:
            forward = self._forward("send", callback)
            self._thread.run_now(lambda: self._ws.send(data, forward))
            return None
        return self._thread.run(partial(self._ws.send, data), timeout)

    def send_nowait(self, data: Data) -> None:
        """Queue a message, if there is room at once; runs no callbacks.

        Args:
            data: as in `send`.

        Raises:
            trio.WouldBlock: ``send_buffer`` bytes are queued, or others wait to send; nothing was queued.
            BusinessError: as `send`.
            RuntimeError: the socket is not entered, or was left.

        Source: beyond OHOS.
        """
        self._thread.run_now(partial(self._ws.send_nowait, data))

    def flush(self, *, timeout: float | None = None) -> None:
        """Wait until everything that is queued now is with the operating system.

        Args:
            timeout: seconds to wait; None (the default) for as long as it takes.

        Raises:
            BusinessError: 2302999, the socket is not open, or the link broke first.
            TimeoutError: it took too long.
            RuntimeError: the socket is not entered, or was left.

        If interrupted:
            What was queued stays queued.

        Source: beyond OHOS.
        """
        self._thread.run(self._ws.flush, timeout)

    # close

    @overload
    def close(
        self, options: CloseOptions = None, callback: None = None, *, timeout: float | None = None
    ) -> bool: ...
    @overload
    def close(self, options: Listener, callback: None = None) -> None: ...
    @overload
    def close(self, options: CloseOptions, callback: Listener) -> None: ...
    @overload
    def close(self, options: CloseOptions = None, *, callback: Listener) -> None: ...

    def close(
        self,
        options: CloseOptions | Listener = None,
        callback: Listener | None = None,
        *,
        timeout: float | None = None,
    ) -> bool | None:
        """Close the connection: what is queued is sent first, the peer's answer awaited.

        Args:
            options: `WebSocketCloseOptions`, or a mapping with its names; code 1000 and no reason if None.
            callback: called with (err, value) when it is closed; then this returns None at once. It may
                stand in the place of `options`.
            timeout: seconds after which the connection is dropped; None (the default) for twice the socket's
                ``close_timeout``.

        Returns:
            True, when the connection has ended.

        Raises:
            BusinessError: as `trio_ohws.WebSocket.close`.
            TimeoutError: it took too long, and the connection was dropped.
            RuntimeError: the socket is not entered, or was left.

        If interrupted:
            The connection is dropped at once.

        Source: the API document, close; RFC 6455 section 7.1.2.
        """
        if callback is None and callable(options):
            options, callback = None, cast("Listener", options)
        checked = cast("CloseOptions", options)
        if callback is not None:
            forward = self._forward("close", callback)
            self._thread.run_now(lambda: self._ws.close(checked, forward))
            return None
        return self._thread.run(partial(self._ws.close, checked), timeout)

    def _forward(self, name: str, callback: Listener) -> Forward:
        """Return what has the callback of a method called."""
        check_callback(callback)
        return Forward(self._calls, f"{name}'s callback", callback)

    # Events

    def on(self, type: EventName, callback: Listener) -> None:
        """Register a callback for an event.

        Several may be registered; they are called in order, and one that is registered twice is called
        twice. The class tells where and when.

        Args:
            type: 'open', 'openInfo', 'message', 'close', 'error', 'dataEnd' or 'headerReceive'.
            callback: a function, called as in `trio_ohws.WebSocket.on`.

        Raises:
            BusinessError: 401, no such event, or the callback is not callable, or async.

        Source: the API document, on('open') and its siblings.
        """
        check_callback(callback)
        self._thread.call(partial(self._listeners.on, type, callback, once=False))

    def once(self, type: EventName, callback: Listener) -> None:
        """Register a callback for the next event only; otherwise as `on`.

        Args:
            type: as in `on`.
            callback: as in `on`.

        Raises:
            BusinessError: as `on`.

        Source: beyond OHOS.
        """
        check_callback(callback)
        self._thread.call(partial(self._listeners.on, type, callback, once=True))

    def off(self, type: EventName, callback: Listener | None = None) -> None:
        """Take a callback off an event, or all of them; calls that are due are forgotten.

        Args:
            type: as in `on`.
            callback: the one whose oldest registration is cancelled; None for all. One that is not
                registered is ignored.

        Raises:
            BusinessError: 401, no such event, or the callback is not callable, or async.

        Source: the API document, off('open') and its siblings.
        """
        if callback is not None:
            check_callback(callback)
        self._thread.call(partial(self._listeners.off, type, callback))

    @overload
    def subscribe(
        self,
        type: Literal["message"],
        *,
        max_items: int = ...,
        max_bytes: int = ...,
        overflow: Overflow = ...,
    ) -> EventStream[Message]: ...
    @overload
    def subscribe(
        self, type: Literal["open"], *, max_items: int = ..., max_bytes: int = ..., overflow: Overflow = ...
    ) -> EventStream[OpenResult]: ...
    @overload
    def subscribe(
        self,
        type: Literal["openInfo"],
        *,
        max_items: int = ...,
        max_bytes: int = ...,
        overflow: Overflow = ...,
    ) -> EventStream[WebSocketOpenInfo]: ...
    @overload
    def subscribe(
        self, type: Literal["close"], *, max_items: int = ..., max_bytes: int = ..., overflow: Overflow = ...
    ) -> EventStream[CloseResult]: ...
    @overload
    def subscribe(
        self, type: Literal["error"], *, max_items: int = ..., max_bytes: int = ..., overflow: Overflow = ...
    ) -> EventStream[BusinessError]: ...
    @overload
    def subscribe(
        self,
        type: Literal["headerReceive"],
        *,
        max_items: int = ...,
        max_bytes: int = ...,
        overflow: Overflow = ...,
    ) -> EventStream[ResponseHeaders]: ...
    @overload
    def subscribe(
        self,
        type: Literal["dataEnd"],
        *,
        max_items: int = ...,
        max_bytes: int = ...,
        overflow: Overflow = ...,
    ) -> EventStream[None]: ...
    @overload
    def subscribe(
        self, type: EventName, *, max_items: int = ..., max_bytes: int = ..., overflow: Overflow = ...
    ) -> EventStream[Any]: ...

    def subscribe(
        self,
        type: EventName,
        *,
        max_items: int = 256,
        max_bytes: int = MAX_BYTES,
        overflow: Overflow = "wait",
    ) -> EventStream[Any]:
        """Subscribe to an event by a stream, from now on.

        Args:
            type: as in `on`.
            max_items: as in `trio_ohws.WebSocket.subscribe`, as are the others.
            max_bytes: how many bytes (of text: characters) may wait.
            overflow: what becomes of an event that comes when it is full.

        Returns:
            A stream of payloads.

        Raises:
            BusinessError: 401, no such event or policy, or a limit that is none.

        Source: beyond OHOS.
        """
        subscribe = partial(
            self._ws.subscribe, type, max_items=max_items, max_bytes=max_bytes, overflow=overflow
        )
        return EventStream(self._thread, self._thread.call(subscribe))

    # Pulling

    def receive(self, *, timeout: float | None = None) -> Message:
        """Return the next message, while no `message` callback is registered.

        Args:
            timeout: seconds to wait; None (the default) for as long as it takes.

        Returns:
            str for text, bytes for binary.

        Raises:
            TimeoutError: there was none in time.
            EndOfMessages: after Close 1000, 1001 or 1005, and after our own; all that arrived was received.
            ConnectionLost: after any other end.
            BusinessError: 2302999, never connected.
            trio.BusyResourceError: another thread waits already.
            RuntimeError: a `message` callback gets the messages; or the socket is not entered, was left, or
                has no ``receive_buffer``.

        If interrupted:
            No message is lost: the next call returns it.

        Source: beyond OHOS.
        """
        while True:
            with suppress(IndexError):
                return self._kept.popleft()
            self._thread.run(self._fetch, timeout)

    async def _fetch(self) -> None:
        """Take all that is ready: from one thread to another is a long way."""
        try:
            # In one step, after which nobody can be interrupted before the messages are safe.
            self._kept.extend(await anext(self._batches))
        except StopAsyncIteration:
            await self._ws.receive()  # raises why

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Message:
        """Return the next message; see `receive`. The iteration ends where that raises `EndOfMessages`."""
        try:
            return self.receive()
        except EndOfMessages:
            raise StopIteration from None

    def batches(self, *, timeout: float | None = None) -> MessageBatches:
        """Iterate over lists of messages: each is all that are ready, at least one.

        Args:
            timeout: seconds that each step may wait; None (the default) for as long as it takes.

        Returns:
            An iterator; each step behaves as `receive`.

        Source: beyond OHOS.
        """
        return MessageBatches(partial(self._receive_batch, timeout))

    def _receive_batch(self, timeout: float | None) -> list[Message]:
        batch = [self.receive(timeout=timeout)]
        with suppress(IndexError):
            while True:
                batch.append(self._kept.popleft())
        return batch

    # The rest

    def ping(self, payload: bytes | None = None, *, timeout: float | None = None) -> float:
        """Measure the round trip to the peer.

        Args:
            payload: at most 125 bytes, unlike that of any ping in flight; random if None.
            timeout: seconds to wait; None (the default) for as long as it takes.

        Returns:
            Seconds from the ping's write to its pong.

        Raises:
            BusinessError: as `trio_ohws.WebSocket.ping`.
            TimeoutError: there was no pong in time.
            RuntimeError: the socket is not entered, or was left.

        If interrupted:
            The connection stays usable.

        Source: RFC 6455 section 5.5.2.
        """
        return self._thread.run(partial(self._ws.ping, payload), timeout)

    def wait_closed(self, *, timeout: float | None = None) -> CloseResult:
        """Wait for the end of the connection, and run callbacks until then.

        Args:
            timeout: seconds to wait; None (the default) for as long as it takes.

        Returns:
            How it ended.

        Raises:
            BusinessError: 2302999, never connected, or the attempt failed.
            TimeoutError: it did not end in time.
            RuntimeError: the socket is not entered, or was left.

        If interrupted:
            The connection goes on.

        Source: beyond OHOS.
        """
        return self._thread.run(self._ws.wait_closed, timeout)

    @property
    def state(self) -> State:
        """Where the socket stands, one of "idle", "connecting", "open", "closing" and "closed"."""
        return self._ws.state

    @property
    def url(self) -> str | None:
        """The URL of the last `connect`, normalised, or None."""
        return self._ws.url

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose for this connection, or None."""
        return self._ws.subprotocol

    @property
    def response_headers(self) -> ResponseHeaders:
        """The headers of the server's answer; empty before it."""
        return self._ws.response_headers

    @property
    def local_address(self) -> Address | None:
        """Host and port of our end of the last connection, or None where the stream has no address."""
        return self._ws.local_address

    @property
    def remote_address(self) -> Address | None:
        """The other end of the last connection, a proxy's where there is one; as `local_address`."""
        return self._ws.remote_address

    @property
    def tls(self) -> TlsInfo | None:
        """What TLS with the server has agreed on for the last connection, or None without TLS."""
        return self._ws.tls

    @property
    def close_result(self) -> CloseResult | None:
        """How the last connection ended, or None."""
        return self._ws.close_result

    @property
    def latency(self) -> float | None:
        """Seconds of the last round trip measured, by `ping` or the keepalive, or None."""
        return self._ws.latency

    def statistics(self) -> Statistics:
        """Return what the socket does at this moment.

        Source: beyond OHOS.
        """
        return self._thread.call(self._ws.statistics)
