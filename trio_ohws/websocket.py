"""The facade: OpenHarmony's `webSocket` API, in Trio's grammar."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Final, Literal, NoReturn, Protocol, Self, Unpack, cast, overload

import trio

from trio_ohws._dial.dial import dial as dial_server
from trio_ohws._dial.tls import check_files, explain
from trio_ohws._wire.deflate import CompressionStatistics
from trio_ohws._wire.frames import BINARY, TEXT
from trio_ohws.errors import (
    CONNECTION_EXISTS,
    PARAMETER_ERROR,
    UNKNOWN_ERROR,
    AlreadyClosed,
    BusinessError,
    EndOfMessages,
    failure,
)
from trio_ohws.events.emitter import MAX_BYTES, PUSHING, Emitter
from trio_ohws.events.model import (
    CloseResult,
    EventName,
    Listener,
    Message,
    OpenResult,
    ResponseHeaders,
    WebSocketOpenInfo,
)
from trio_ohws.events.queue import OVERFLOWS, TURN, BoundedQueue, Overflow, QueueStatistics
from trio_ohws.events.replies import Replies, reply
from trio_ohws.events.stream import EventStream
from trio_ohws.nursery.endpoints import Address, TlsInfo
from trio_ohws.nursery.lifetime import body_first
from trio_ohws.nursery.outbox import Outbox
from trio_ohws.nursery.probe import Panel
from trio_ohws.nursery.session import Session, UpgradeRequest
from trio_ohws.nursery.state import State
from trio_ohws.options import (
    WebSocketCloseOptions,
    WebSocketRequestOptions,
    close_options,
    refuse_beside_ssl_context,
    request_headers,
    request_options,
    subprotocols,
)
from trio_ohws.policy import UNRESTRICTED
from trio_ohws.settings import Settings, WebSocketSettings, settings_of_connection
from trio_ohws.url import WebSocketURL, parse_url

__all__ = [
    "CloseOptions",
    "Data",
    "Dial",
    "RequestOptions",
    "Statistics",
    "WebSocket",
    "create_websocket",
    "frame_of",
    "open_websocket",
]

Data = str | bytes | bytearray | memoryview
RequestOptions = WebSocketRequestOptions | Mapping[str, Any] | None
CloseOptions = WebSocketCloseOptions | Mapping[str, Any] | None
Dial = Callable[[WebSocketURL, WebSocketRequestOptions], Awaitable[trio.abc.Stream]]

_NOT_ENTERED: Final = (
    "the socket is not entered: write 'async with create_websocket() as ws:' and use it inside "
    "(only on, once, off and subscribe work before)"
)
_LEFT: Final = "the socket was left: its 'async with' block has ended; create a new one"
_DEFAULTS: Final = Settings()
_STEP: Final = 65536  # bytes of a message that count as one more: the kernel may take them while nobody waits


class _Conversation(Protocol):
    """What `close` waits for."""

    async def join(self) -> CloseResult | None:
        """Wait for the end."""

    async def aborted(self) -> None:
        """Drop it, and wait until everything is released."""


class _Inbox(Protocol):
    """Where messages wait."""

    async def receive(self) -> Message:
        """Return the next one, waiting for it if need be."""

    async def receive_batch(self) -> list[Message]:
        """Return all that are ready, waiting for one if need be."""

    def __anext__(self) -> Coroutine[Any, Any, Message]:
        """As `receive`, but the end is that of an iteration."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """A moment in the life of a socket; counters begin anew with each connection.

    Attributes:
        state: where it stands.
        messages_received: messages decoded, those that were dropped after our Close included.
        bytes_received: bytes read after the handshake.
        messages_sent: messages queued.
        bytes_sent: bytes written, the handshake included.
        send_queue: bytes queued and not yet with the operating system.
        receive_queue: the socket's own queue; None with ``receive_buffer=None``.
        parked: seconds for which the reader has been waiting for a slow consumer, 0 if it is not.
        parked_total: seconds that it has waited so, all in all.
        latency: seconds of the last round trip measured, or None.
        compression: what permessage-deflate did; None where it was not agreed on.
    """

    state: State
    messages_received: int
    bytes_received: int
    messages_sent: int
    bytes_sent: int
    send_queue: int
    receive_queue: QueueStatistics | None
    parked: float
    parked_total: float
    latency: float | None
    compression: CompressionStatistics | None


def create_websocket(**settings: Unpack[WebSocketSettings]) -> "WebSocket":
    """Make a socket, to be entered with ``async with``.

    Args:
        policy: what the socket is allowed to reach; None (the default) for everything.
        ssl_context: an ``ssl.SSLContext`` of your own for ``wss://``, used as it is: what it verifies, shows
            and offers is yours to decide. It is not for a proxy that speaks TLS itself. None (the default)
            for one that verifies, and about which the options of `connect` say more.
        max_message_size: bytes of payload that a message may have, at least 1; the peer gets Close 1009 for
            a larger one. Default 16 MiB.
        fragment_size: bytes of the pieces in which `message` callbacks get a message, at least 4; the API
            document's "4K" rule is 4096. Default None: whole messages.
        receive_buffer: a pair: messages, and bytes (of text: characters), that wait for `receive` and
            iteration while no `message` callback is registered; above it the peer is slowed down. None
            discards what nobody listens to, as OHOS does. Default (256, 4 MiB).
        send_buffer: bytes queued from which on `send` waits, at least 1. Default 256 KiB.
        connect_timeout: seconds for the whole of `connect`. Default 60.
        close_timeout: seconds for a Close frame to be written, and again for the peer's answer and EOF.
            Default 10.
        goodbye_timeout: seconds for the goodbye when the body is cancelled or raises. Default 2.
        ping_interval: seconds without inbound traffic after which a ping is sent; None for none. Default 30.
        ping_timeout: seconds without a sign of life after a ping, after which the link counts as broken;
            None for never. Default 30.
        compression: "deflate" offers permessage-deflate (RFC 7692) to the server, which may decline. Messages
            of at least 64 bytes are then compressed. ``max_message_size`` counts what a message inflates to.
            Not for secrets beside text that others choose: the docs say why. Default None: no compression.
        instruments: a tuple of `Instrument`, each of which is told what the socket's connections do.

    Returns:
        The socket. `on`, `once`, `off` and `subscribe` work at once, the rest inside ``async with``.

    Raises:
        TypeError: a setting is unknown, or of the wrong type.
        ValueError: a setting is out of range.

    Source: the API document, webSocket.createWebSocket; the settings are beyond OHOS.
    """
    return WebSocket(Settings(**settings) if settings else None)


@asynccontextmanager
async def open_websocket(
    url: str, options: RequestOptions = None, **settings: Unpack[WebSocketSettings]
) -> AsyncIterator["WebSocket"]:
    """Make a socket and connect it, for ``async with``: `create_websocket` and `connect` in one.

    Args:
        url: as in `WebSocket.connect`.
        options: as in `WebSocket.connect`.
        settings: as in `create_websocket`.

    Yields:
        The open socket.

    Raises:
        BusinessError: as `WebSocket.connect`.

    If cancelled:
        As `WebSocket.connect`, then as the socket's own ``async with``.

    Source: beyond OHOS.
    """
    async with create_websocket(**settings) as ws:
        await ws.connect(url, options)
        yield ws


class WebSocket(trio.abc.Channel[Message]):
    """A WebSocket client, alive within its ``async with`` block.

    Make it by `create_websocket`. It is also a ``trio.abc.Channel[str | bytes]``.

    When the block ends, async `message` callbacks finish what they have queued, for which they have
    ``close_timeout`` seconds before the socket closes with 1000; then the others do. When it
    raises or is cancelled, the peer gets Close 1001, under a shield of at most ``goodbye_timeout``; in its
    ``finally`` clauses the block can still send. What the block or a callback raised comes out bare;
    several errors come out as a group.

    Source: the API document, WebSocket.
    """

    def __init__(self, settings: Settings | None = None, *, dial: Dial | None = None) -> None:
        self._settings = settings or _DEFAULTS
        self._policy = self._settings.policy or UNRESTRICTED
        self._dial = dial or partial(dial_server, policy=self._policy, ssl_context=self._settings.ssl_context)
        self._emitter = Emitter(self._settings.fragment_size, self._overflowed)
        self._panel = Panel(self._settings.instruments, self._raise) if self._settings.instruments else None
        self._context: AbstractAsyncContextManager[trio.Nursery] | None = None
        self._nursery: trio.Nursery | None = None
        self._leaving = False
        self._left = False
        self._replies = Replies()
        self._session: Session | None = None
        self._url: WebSocketURL | None = None
        self._steps = 0  # of send, since the last turn: see TURN
        self._pulled: BoundedQueue[Message] | None = None  # what _inbox found, while it would find the same

    def __repr__(self) -> str:
        # Without path and query, where tokens travel.
        server = f" {self._url}".removesuffix(self._url.target) if self._url else ""
        return f"<trio_ohws.{type(self).__name__} {self.state}{server}>"

    # Lifetime

    async def __aenter__(self) -> Self:
        """Open the socket's nursery."""
        if self._context is not None:
            raise RuntimeError("a socket can be entered only once; create a new one")
        self._context = body_first(self._farewell, self._goodbye)
        self._nursery = await self._context.__aenter__()
        self._emitter.attach(self._spawn)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close, and end everything that the socket has running; see the class."""
        assert self._context is not None
        try:
            await self._context.__aexit__(kind, error, traceback)  # noqa: ASYNC102  # it shields and bounds what needs it
        finally:
            self._left = True
            self._emitter.finish()  # streams may be read elsewhere, and no event will come any more
            self._emitter.forget()
            if self._panel is not None:
                self._panel.forget()

    async def _farewell(self) -> None:
        """The block has ended by itself: there is time."""
        self._leaving = True
        session = self._session
        if session is not None and not session.ended.is_set():
            if session.state is State.CONNECTING:
                await session.aborted()
            elif session.state is State.OPEN:
                if self._emitter.busy:
                    with trio.move_on_after(self._settings.close_timeout):
                        await self._emitter.finish_messages()
                if session.state is State.OPEN:
                    session.close(1000, "")
            await session.join()
        self._emitter.finish()

    async def _goodbye(self) -> None:
        """The block has ended, for whatever reason: bounded by goodbye_timeout."""
        self._leaving = True
        session = self._session
        if session is not None and not session.ended.is_set():
            if session.state is State.OPEN:
                session.close(1001, "", goodbye=True)
            if session.state is not State.CONNECTING:
                with trio.move_on_after(self._settings.goodbye_timeout):
                    await session.join()
                    return
            await session.aborted()

    def _spawn(self, function: Callable[..., Coroutine[Any, Any, object]], *arguments: Any) -> None:
        nursery = self._entered()
        if self._left:
            raise RuntimeError(_LEFT)
        nursery.start_soon(function, *arguments)

    def _raise(self, fault: BaseException) -> None:
        async def callback_raised() -> NoReturn:  # noqa: ASYNC124  # a task has to be async
            raise fault

        self._spawn(callback_raised)
        # Now, and not when that task runs: the body must not be told before that its socket is closed.
        self._entered().cancel_scope.cancel()

    def _entered(self) -> trio.Nursery:
        if self._nursery is None:
            raise RuntimeError(_NOT_ENTERED)
        return self._nursery

    def _overflowed(self) -> None:
        """A stream whose policy is "close" overflowed."""
        if self._session is not None and self._session.state is State.OPEN:
            self._session.close(1008, "a subscriber is too slow")

    # connect

    @overload
    def connect(
        self, url: str, options: RequestOptions = None, callback: None = None
    ) -> Coroutine[Any, Any, bool]: ...
    @overload
    def connect(self, url: str, options: Listener, callback: None = None) -> None: ...
    @overload
    def connect(self, url: str, options: RequestOptions, callback: Listener) -> None: ...
    @overload
    def connect(self, url: str, options: RequestOptions = None, *, callback: Listener) -> None: ...

    def connect(
        self, url: str, options: RequestOptions | Listener = None, callback: Listener | None = None
    ) -> Coroutine[Any, Any, bool] | None:
        """Connect to a server.

        Args:
            url: ``ws://`` or ``wss://``, at most 1024 characters.
            options: `WebSocketRequestOptions`, or a mapping with its names or OHOS's.
            callback: called with (err, value) when the attempt has succeeded or failed; then this returns
                None at once. It may stand in the place of `options`.

        Returns:
            Without a callback a coroutine of True: nothing happens, and nothing is raised, until it is
            awaited. It returns after `open` was told.

        Raises:
            BusinessError: 401, an argument is wrong; 2302001, the URL is not a WebSocket's; 2302002, a
                certificate file does not exist; 2302003, this socket is connecting, open or closing; 201, the
                policy or the operating system does not permit it; 2302998, the policy does not allow this
                host, or its address; 2302999, anything else, with the HTTP status (or "0") as `data`.
            RuntimeError: the socket is not entered, or was left.

        If cancelled:
            No socket, task or half-open connection remains; the object can connect again.

        Source: the API document, connect; RFC 6455 section 4.1.
        """
        if callback is None and callable(options):
            options, callback = None, cast("Listener", options)
        if callback is None:
            return self._connect(url, options)
        self._check_callback(callback)
        try:
            session, target = self._prepare(url, options)
        except BusinessError as error:
            self._replies.put(self._spawn, callback, error, None)
        else:
            self._spawn(self._answer, callback, partial(self._establish, session, target))
        return None

    async def _connect(self, url: str, options: object) -> bool:
        await trio.lowlevel.checkpoint_if_cancelled()
        return await self._establish(*self._prepare(url, options))

    def _prepare(
        self, url: object, options: object
    ) -> tuple[Session, Callable[[], Awaitable[trio.abc.Stream]]]:
        """Check everything, in the documented order, and take the socket: from here on it is connecting."""
        self._entered()
        if self._left:
            raise RuntimeError(_LEFT)
        if self._leaving:  # a `close` listener that always reconnects must not spoil a plain exit
            raise AlreadyClosed("the socket is being left: its 'async with' block has ended")
        checked = request_options(options)
        headers = request_headers(checked)
        protocols = subprotocols(checked)
        if self._settings.ssl_context is not None:
            refuse_beside_ssl_context(checked)
        settings = settings_of_connection(self._settings, checked)
        if isinstance(url, str):  # anything else is 401, which comes before 201
            self._policy.check_permission()
        target = parse_url(url)
        self._policy.check_host(target.host)
        check_files(checked)
        if self._session is not None and self._session.state is not State.CLOSED:
            raise failure(CONNECTION_EXISTS, f"this socket is {self._session.state}")
        origin = target.origin_with_port if checked.support_origin_port else target.origin
        request = UpgradeRequest(
            headers.host or target.host_header,
            target.target,
            protocols,
            ((b"Origin", (headers.origin or origin).encode("latin-1")), *headers.extra),
        )
        scheme: Literal["ws", "wss"] = "wss" if target.secure else "ws"
        self._session = Session(
            request,
            settings,
            self._emitter,
            self._raise,
            explain if target.secure else None,
            None if self._panel is None else self._panel.probe(scheme, target.host, target.port),
        )
        self._pulled = None
        self._url = target
        return self._session, partial(self._dial, target, checked)

    async def _establish(self, session: Session, dial: Callable[[], Awaitable[trio.abc.Stream]]) -> bool:
        await session.connect(self._entered(), dial)
        return True

    # send

    @overload  # type: ignore[override]  # Channel.send returns None; True, OHOS's answer, does no harm there
    def send(self, data: Data, callback: None = None) -> Coroutine[Any, Any, bool]: ...
    @overload
    def send(self, data: Data, callback: Listener) -> None: ...

    def send(self, data: Data, callback: Listener | None = None) -> Coroutine[Any, Any, bool] | None:
        """Send a message.

        Args:
            data: str is sent as text, anything else as binary.
            callback: called with (err, value) once the message is queued; then this returns None at once.
                The message is queued before that, without waiting, so that calls keep their order.

        Returns:
            Without a callback a coroutine of True, which waits while ``send_buffer`` bytes are queued.
            True means queued, in order; `flush` tells when it is with the operating system.

        Raises:
            BusinessError: 401, `data` is of another type, or text with lone surrogates; 201, the policy
                does not permit it; 2302999, the socket is not open (`AlreadyClosed` if we closed it,
                `ConnectionLost` if the peer or the link did).
            RuntimeError: the socket is not entered.

        If cancelled:
            The message was not queued; the connection stays usable. Cancellation is checked at each call,
            the scheduler has its turn whenever a call waits, and at every 64th at least.

        Source: the API document, send; RFC 6455 section 5.6.
        """
        if callback is None:
            return self._send(data)
        self._check_callback(callback)
        try:
            value = self._put(data)
        except BusinessError as error:
            self._replies.put(self._spawn, callback, error, None)
        else:
            self._replies.put(self._spawn, callback, None, value)
        return None

    def _put(self, data: Data) -> bool:
        """Queue a message, whatever the limit."""
        frame = frame_of(data)
        return self._outbox_to_send().offer(*frame, always=True)

    async def _send(self, data: Data) -> bool:
        self._steps += 1
        if self._steps < TURN:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            self._steps = 0
            await trio.lowlevel.checkpoint()
        opcode, payload = frame_of(data)
        self._steps += len(payload) // _STEP
        session = self._session
        if session is None or session.outbox is None or not session.outbox.offer(opcode, payload):
            await self._outbox_to_send().turn()
            self._open_outbox().offer(opcode, payload, in_turn=True)
        return True

    def send_nowait(self, data: Data) -> None:
        """Queue a message, if there is room at once.

        Args:
            data: as in `send`.

        Raises:
            trio.WouldBlock: ``send_buffer`` bytes are queued, or others wait to send; nothing was queued.
            BusinessError: as `send`.
            RuntimeError: the socket is not entered.

        Source: beyond OHOS.
        """
        opcode, payload = frame_of(data)
        session = self._session
        if session is None or session.outbox is None or not session.outbox.offer(opcode, payload):
            self._outbox_to_send()
            raise trio.WouldBlock

    def _outbox_to_send(self) -> Outbox:
        """Return where to queue a message: `_open_outbox`, for which sending needs the permission."""
        self._entered()
        self._policy.check_permission()
        return self._open_outbox()

    def _open_outbox(self) -> Outbox:
        """Return where to queue, or raise why that cannot be."""
        session = self._session
        if session is None or session.state is not State.OPEN:
            self._entered()
            raise _never_connected() if session is None else session.gone()
        outbox = session.outbox
        assert outbox is not None
        if outbox.failure is not None:
            raise outbox.lost()
        return outbox

    async def flush(self) -> None:
        """Wait until everything that is queued now is with the operating system.

        Raises:
            BusinessError: 2302999, the socket is not open, or the link broke first.
            RuntimeError: the socket is not entered.

        If cancelled:
            What was queued stays queued.

        Source: beyond OHOS.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        await self._open_outbox().flush()

    # close

    @overload
    def close(self, options: CloseOptions = None, callback: None = None) -> Coroutine[Any, Any, bool]: ...
    @overload
    def close(self, options: Listener, callback: None = None) -> None: ...
    @overload
    def close(self, options: CloseOptions, callback: Listener) -> None: ...
    @overload
    def close(self, options: CloseOptions = None, *, callback: Listener) -> None: ...

    def close(
        self, options: CloseOptions | Listener = None, callback: Listener | None = None
    ) -> Coroutine[Any, Any, bool] | None:
        """Close the connection: what is queued is sent first, the peer's answer awaited.

        While the socket is connecting, the attempt is given up.

        Args:
            options: `WebSocketCloseOptions`, or a mapping with its names; code 1000 and no reason if None.
            callback: called with (err, value) when it is closed; then this returns None at once. It may
                stand in the place of `options`.

        Returns:
            Without a callback a coroutine of True: nothing happens, and nothing is raised, until it is
            awaited. It returns when the connection has ended, after at most twice ``close_timeout``.

        Raises:
            BusinessError: 401, code or reason may not be sent; 201, the policy does not permit it; 2302999,
                the socket is not connected, or is closing already.
            RuntimeError: the socket is not entered.

        If cancelled:
            The connection is dropped at once, and its resources are released.

        Source: the API document, close; RFC 6455 section 7.1.2.
        """
        if callback is None and callable(options):
            options, callback = None, cast("Listener", options)
        if callback is None:
            return self._close(options)
        self._check_callback(callback)
        try:
            session = self._begin_to_close(options)
        except BusinessError as error:
            self._replies.put(self._spawn, callback, error, None)
        else:
            # Not `_see_closed`: when this task is cancelled the program has not given up its close.
            self._spawn(self._answer, callback, partial(self._joined, session))
        return None

    async def _close(self, options: object) -> bool:
        # No look for cancellation before: to close in a cancelled scope is to drop the connection.
        return await self._see_closed(self._begin_to_close(options))

    def _begin_to_close(self, options: object) -> _Conversation:
        self._entered()
        checked = close_options(options)
        self._policy.check_permission()
        session = self._session
        if session is None:
            raise _never_connected()
        if session.state is State.CONNECTING:
            session.abort()
        elif session.state is State.OPEN:
            session.close(checked.code, checked.reason)
        else:
            raise failure(UNKNOWN_ERROR, f"the socket is {session.state} already")
        return session

    async def _see_closed(self, session: _Conversation) -> bool:
        try:
            return await self._joined(session)
        except trio.Cancelled:
            await session.aborted()  # noqa: ASYNC102  # shielded, and waits for nobody
            raise

    async def _joined(self, session: _Conversation) -> bool:
        await session.join()
        return True

    async def aclose(self) -> None:
        """Close with 1000, or join the closing that is under way; never raises because it is closed.

        If cancelled:
            The connection is dropped at once, and its resources are released.

        Source: beyond OHOS; `trio.abc.AsyncResource`.
        """
        session = self._session
        if session is None or session.ended.is_set():
            await trio.lowlevel.checkpoint()
            return
        if session.state is State.CONNECTING:
            session.abort()
        elif session.state is State.OPEN:
            session.close(1000, "")
        await self._see_closed(session)

    # Events

    def on(self, type: EventName, callback: Listener) -> None:
        """Register a callback for an event.

        Several may be registered; they are called in order, and one that is registered twice is called
        twice. A function is called by the reader, inline. An ``async def`` runs in a task of its own, one
        event after the other, with back-pressure on the peer. What either raises closes the connection
        with 1001 and comes out of the ``async with`` block.

        Args:
            type: 'open', 'openInfo', 'message', 'close', 'error', 'dataEnd' or 'headerReceive'.
            callback: called with (err, value) for open, openInfo, message and close, err being None; with
                (err) for error; with (headers) for headerReceive; with nothing for dataEnd.

        Raises:
            BusinessError: 401, no such event, or the callback is not callable.

        Source: the API document, on('open') and its siblings.
        """
        self._pulled = None
        self._emitter.on(type, callback)

    def once(self, type: EventName, callback: Listener) -> None:
        """Register a callback for the next event only; otherwise as `on`.

        Args:
            type: as in `on`.
            callback: as in `on`.

        Raises:
            BusinessError: 401, no such event, or the callback is not callable.

        Source: beyond OHOS.
        """
        self._pulled = None
        self._emitter.on(type, callback, once=True)

    def off(self, type: EventName, callback: Listener | None = None) -> None:
        """Take a callback off an event, or all of them.

        Args:
            type: as in `on`.
            callback: the one whose oldest registration is cancelled; None for all. One that is not
                registered is ignored.

        Raises:
            BusinessError: 401, no such event, or the callback is not callable.

        Source: the API document, off('open') and its siblings.
        """
        self._emitter.off(type, callback)

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

        Messages wait for `receive` and iteration all the same, while no `message` callback is registered. A
        program that reads nothing but streams sets ``receive_buffer`` to None, or the peer is slowed down
        when those 256 places are taken.

        Args:
            type: as in `on`.
            max_items: how many events may wait, at least 1.
            max_bytes: how many bytes (of text: characters) may wait, at least 1. Default 4 MiB.
            overflow: what becomes of one that comes when it is full: "wait" slows the peer down,
                "drop_oldest" and "drop_newest" lose one, "latest" keeps only the last one, "close" closes
                the connection with 1008.

        Returns:
            A stream of payloads: messages, `OpenResult`, `WebSocketOpenInfo`, `CloseResult`, `BusinessError`,
            `ResponseHeaders`, or None for dataEnd.

        Raises:
            BusinessError: 401, no such event or policy, or a limit that is none.

        Source: beyond OHOS.
        """
        if overflow not in OVERFLOWS:
            raise failure(PARAMETER_ERROR, f"overflow is one of {', '.join(OVERFLOWS)}, not {overflow!r}")
        for name, limit in (("max_items", max_items), ("max_bytes", max_bytes)):
            if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
                raise failure(PARAMETER_ERROR, f"{name} must be an int of at least 1, not {limit!r}")
        return self._emitter.subscribe(type, max_items, max_bytes, overflow)

    # Pulling

    async def receive(self) -> Message:
        """Return the next message, while no `message` callback is registered.

        Returns:
            str for text, bytes for binary.

        Raises:
            EndOfMessages: after Close 1000, 1001 or 1005, and after our own; all that arrived was received.
            ConnectionLost: after any other end.
            BusinessError: 2302999, never connected.
            trio.BusyResourceError: another task waits already.
            RuntimeError: a `message` callback gets the messages; or the socket is not entered, or has no
                ``receive_buffer``.

        If cancelled:
            No message is lost: the next call returns it. Cancellation is checked at each call, the
            scheduler has its turn whenever a call waits, and at every 64th.

        Source: beyond OHOS; `trio.abc.ReceiveChannel`.
        """
        return await self._inbox().receive()

    def __anext__(self) -> Coroutine[Any, Any, Message]:
        """Return the next message; see `receive`. The iteration ends where that raises `EndOfMessages`."""
        inbox = self._pulled
        return (self._inbox() if inbox is None else inbox).__anext__()

    def batches(self) -> "MessageBatches":
        """Iterate over lists of messages: each is all that are ready, at least one.

        Returns:
            An async iterator; each step behaves as `receive`. A list may have more messages than may wait by
            `receive_buffer`: a step that waits already gets all that are read next.

        Source: beyond OHOS.
        """
        return MessageBatches(self._inbox)

    def _inbox(self) -> _Inbox:
        """Return where messages wait, or raise why they do not."""
        session = self._session
        if session is None:
            self._entered()
            raise _never_connected()
        if self._emitter.pushing:
            raise RuntimeError(PUSHING)
        if session.inbox is None:
            raise RuntimeError(
                "receive_buffer=None discards what nobody listens to: there is nothing to receive"
            )
        self._pulled = session.inbox
        return session.inbox

    # The rest

    async def ping(self, payload: bytes | None = None) -> float:
        """Measure the round trip to the peer.

        A reader that waits for a slow consumer sees no pong until that reads on.

        Args:
            payload: at most 125 bytes, unlike that of any ping in flight; random if None.

        Returns:
            Seconds from the ping's write to its pong.

        Raises:
            BusinessError: 401, the payload is no bytes, too long or in flight; 2302999, the socket is not
                open, or ended first.
            RuntimeError: the socket is not entered.

        If cancelled:
            The waiter is removed; the connection stays usable.

        Source: RFC 6455 section 5.5.2.
        """
        if payload is not None and not isinstance(payload, bytes | bytearray | memoryview):
            raise failure(PARAMETER_ERROR, f"payload must be bytes, not {type(payload).__name__}")
        await trio.lowlevel.checkpoint_if_cancelled()
        self._open_outbox()
        assert self._session is not None
        return await self._session.plane.pings.measure(None if payload is None else bytes(payload))

    async def wait_closed(self) -> CloseResult:
        """Wait for the end of the connection.

        Returns:
            How it ended.

        Raises:
            BusinessError: 2302999, never connected, or the attempt failed.
            RuntimeError: the socket is not entered.

        If cancelled:
            The connection goes on.

        Source: beyond OHOS.
        """
        session = self._session
        if session is None:
            self._entered()
            raise _never_connected()
        result = await session.join()
        if result is None:
            raise session.end_of_messages()
        return result

    @property
    def state(self) -> State:
        """Where the socket stands, one of "idle", "connecting", "open", "closing" and "closed"."""
        return State.IDLE if self._session is None else self._session.state

    @property
    def url(self) -> str | None:
        """The URL of the last `connect`, normalised, or None."""
        return None if self._url is None else str(self._url)

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose for this connection, or None."""
        session = self._session
        return None if session is None or not session.headers else session.plane.subprotocol

    @property
    def response_headers(self) -> ResponseHeaders:
        """The headers of the server's answer; empty before it."""
        return ResponseHeaders() if self._session is None else self._session.headers

    @property
    def local_address(self) -> Address | None:
        """Host and port of our end of the last connection, or None where the stream has no address."""
        return None if self._session is None else self._session.endpoints.local

    @property
    def remote_address(self) -> Address | None:
        """The other end of the last connection, a proxy's where there is one; as `local_address`."""
        return None if self._session is None else self._session.endpoints.remote

    @property
    def tls(self) -> TlsInfo | None:
        """What TLS with the server has agreed on for the last connection, or None without TLS."""
        if self._session is None or self._url is None or not self._url.secure:  # a proxy may speak TLS
            return None
        return self._session.endpoints.tls

    @property
    def close_result(self) -> CloseResult | None:
        """How the last connection ended, or None."""
        return None if self._session is None else self._session.result

    @property
    def latency(self) -> float | None:
        """Seconds of the last round trip measured, by `ping` or the keepalive, or None."""
        session = self._session
        return None if session is None or not session.headers else session.plane.pings.latency

    def statistics(self) -> Statistics:
        """Return what the socket does at this moment.

        Source: beyond OHOS.
        """
        session = self._session
        if session is None or not session.headers:
            return Statistics(self.state, 0, 0, 0, 0, 0, None, 0.0, 0.0, None, None)
        plane, outbox = session.plane, session.outbox
        assert outbox is not None
        parked = 0.0
        if plane.parked_since is not None:
            parked = trio.current_time() - plane.parked_since
        return Statistics(
            state=session.state,
            messages_received=plane.messages,
            bytes_received=plane.bytes,
            messages_sent=outbox.messages,
            bytes_sent=outbox.written,
            send_queue=outbox.queued,
            receive_queue=None if session.inbox is None else session.inbox.statistics(),
            parked=parked,
            parked_total=plane.parked_total + parked,
            latency=plane.pings.latency,
            compression=None if plane.deflate is None else plane.deflate.statistics(),
        )

    def _check_callback(self, callback: object) -> None:
        if not callable(callback):
            raise failure(PARAMETER_ERROR, f"callback must be callable, not {type(callback).__name__}")

    async def _answer(self, callback: Listener, attempt: Callable[[], Awaitable[bool]]) -> None:
        """Run a method's work, and tell its callback the result."""
        try:
            value = await attempt()
        except BusinessError as error:
            await reply(callback, error, None)
        else:
            await reply(callback, None, value)


class MessageBatches(AsyncIterator[list[Message]]):
    """The iterator that `WebSocket.batches` returns."""

    __slots__ = ("_inbox",)

    def __init__(self, inbox: Callable[[], _Inbox]) -> None:
        self._inbox = inbox

    async def __anext__(self) -> list[Message]:
        """Return all messages that are ready, waiting for one if need be; see `WebSocket.receive`."""
        try:
            return await self._inbox().receive_batch()
        except EndOfMessages:
            raise StopAsyncIteration from None


def _never_connected() -> BusinessError:
    return failure(UNKNOWN_ERROR, "the socket was never connected")


def frame_of(data: Data) -> tuple[int, bytes | memoryview]:
    """Return the opcode and the payload that carry `data`."""
    if isinstance(data, str):
        try:
            return TEXT, data.encode()
        except UnicodeEncodeError:
            error = failure(PARAMETER_ERROR, "data has lone surrogates, which UTF-8 cannot carry")
        raise error  # out here, because what was caught holds the data, and would be the context of this
    if isinstance(data, bytes):
        return BINARY, data
    if not isinstance(data, bytearray | memoryview):
        raise failure(PARAMETER_ERROR, f"data must be str or bytes, not {type(data).__name__}")
    view = memoryview(data)
    # An empty view cannot be cast.
    return BINARY, view.cast("B") if view.c_contiguous and view.nbytes else view.tobytes()
