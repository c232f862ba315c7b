"""One socket, and one connection after the other.

The theory. A `WebSocket` can connect again once a connection has ended, and its listeners stay. So this is
one, with a task in its nursery, `_supervise`, that connects, waits for the end, judges that, waits, and
begins again. All others find one of three situations: *ready*, and a call goes straight to the connection;
*over*, and it raises why; or neither, and it waits for `_changed`, or does what the outbox policy says.

Nobody but the supervisor connects, and for all others a connection has ended when the supervisor says so:
until then a call that finds its connection gone waits. What arrived and was not read is put aside before the
next attempt begins (`LastingEmitter`), and what was not written comes back (`Unsent`), in one step each.
"""

import copy
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, Self, TypeVar, Unpack

import trio

from trio_ohws.errors import (
    CONNECTION_EXISTS,
    UNKNOWN_ERROR,
    AlreadyClosed,
    BusinessError,
    ConnectionLost,
    EndOfMessages,
    failure,
)
from trio_ohws.events.emitter import MAX_BYTES, PUSHING
from trio_ohws.events.model import CloseResult, Message
from trio_ohws.events.queue import TURN, BoundedQueue
from trio_ohws.events.stream import EventStream
from trio_ohws.nursery.bare import bare_errors
from trio_ohws.nursery.outbox import Outbox as ConnectionOutbox
from trio_ohws.nursery.session import Session
from trio_ohws.nursery.state import State
from trio_ohws.options import WebSocketCloseOptions, close_options
from trio_ohws.reconnect.backoff import Backoff
from trio_ohws.reconnect.connection import Connection, Ways
from trio_ohws.reconnect.outage import Outage
from trio_ohws.reconnect.plan import Outbox, Plan, resolved
from trio_ohws.reconnect.status import Connected, Connecting, Status, Stopped, Waiting
from trio_ohws.reconnect.unread import LastingEmitter
from trio_ohws.reconnect.unsent import Unsent
from trio_ohws.reconnect.verdict import is_transient
from trio_ohws.settings import Settings, WebSocketSettings
from trio_ohws.websocket import Data, Dial, RequestOptions, WebSocket, frame_of

__all__ = ["ReconnectingWebSocket", "open_reconnecting"]

T = TypeVar("T")

STATUSES: Final = 256  # that wait for a reader of `statuses`; then the oldest are lost

logger: Final = logging.getLogger("trio_ohws")


@asynccontextmanager
async def open_reconnecting(
    url: str | Callable[[int], str | Awaitable[str]],
    options: RequestOptions | Callable[[int], RequestOptions | Awaitable[RequestOptions]] = None,
    *,
    backoff: Backoff = Backoff(),  # noqa: B008  # frozen
    stable_after: float = 30,
    should_retry: Callable[[Exception], bool] = is_transient,
    on_connected: Callable[[Connection], Awaitable[object] | object] | None = None,
    outbox: Outbox = "keep",
    give_up_after: float | None = None,
    max_attempts: int | None = None,
    **settings: Unpack[WebSocketSettings],
) -> AsyncIterator["ReconnectingWebSocket"]:
    """Make a socket that connects, and connects again whenever its connection is lost, for ``async with``.

    The block begins at once, so that listeners are registered in time; `wait_connected` waits for the first
    connection. Use the socket as any other. When it stops for good, its methods raise why.

    Args:
        url: as in `WebSocket.connect`; or a function, sync or async, of the number of the attempt since the
            last stable connection, from 1 on.
        options: as in `WebSocket.connect`; or such a function, for a token that has to be fresh.
        backoff: how long to wait between attempts. Default: a random part of 1 s, 2 s, 4 s ... 60 s.
        stable_after: seconds for which a connection has to last for attempts and waits to begin anew.
            Default 30.
        should_retry: is given why there is no connection, and returns whether to try again; then an answer's
            Retry-After is obeyed, up to an hour. Default: `is_transient`.
        on_connected: called with each new `Connection`, and awaited if it is async, before anything that was
            kept is sent, and before `receive` and iteration go on: to log in, to subscribe anew. Callbacks
            and streams of messages hear at once what arrives. It is cancelled if its connection ends; what
            else it raises comes out of the block.
        outbox: what becomes of a message while there is no connection. "keep" (the default) keeps it, up to
            ``send_buffer`` bytes of them, and also what a connection had not written when it ended; "drop"
            drops it, and `send` returns False; "fail" raises `ConnectionLost`.
        give_up_after: seconds without a stable connection after which it is enough. Default None: never.
        max_attempts: attempts without a stable connection after which it is enough, at least 1. Default None.
        settings: as in `create_websocket`; ``connect_timeout`` is that of one attempt.

    Yields:
        The socket.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range.
        Exception: what a function of yours raised, if `should_retry` does not take it for transient.

    If cancelled:
        As the socket's own ``async with``; an attempt or a wait ends at once.

    Source: beyond OHOS.
    """
    plan = Plan(
        url=url,
        options=options,
        backoff=backoff,
        stable_after=stable_after,
        should_retry=should_retry,
        on_connected=on_connected,
        outbox=outbox,
        give_up_after=give_up_after,
        max_attempts=max_attempts,
    )
    async with ReconnectingWebSocket(plan, Settings(**settings)) as ws:
        yield ws


class ReconnectingWebSocket(WebSocket):
    """A `WebSocket` that connects by itself, and again; `open_reconnecting` makes it.

    It differs from a `WebSocket` in this:

    - `connect` is 2302003: there is nothing to connect.
    - `receive`, iteration and `batches` go on with the next connection, once all that the last one brought
      was read. They end, or raise, when the socket stops for good.
    - `subscribe` ("message", too) and `on` last as long as the socket.
    - `send` and `send_nowait` follow the outbox policy while there is no connection. So does the form with a
      callback, which is told 2302999 where ``send_buffer`` bytes are kept.
    - `flush` waits for the next connection where messages are kept.
    - `close` and `aclose` stop it for good. So does the end of the block, which waits for no connection:
      `flush` what must be sent.
    - `wait_closed` returns, or raises, when it has stopped for good.
    - `state`, `url`, `close_result`, `latency`, `statistics` and the like are about the last connection.

    Source: beyond OHOS.
    """

    def __init__(self, plan: Plan, settings: Settings, *, dial: Dial | None = None) -> None:
        super().__init__(settings, dial=dial)
        self._plan = plan
        self._emitter: LastingEmitter = LastingEmitter(
            settings.fragment_size, self._overflowed, settings.receive_buffer, self._change
        )
        self._unsent = Unsent(settings.send_buffer)
        self._line = trio.Lock()  # who waits to send; the lock is fair
        self._ready = False  # calls go to the connection
        self._over = False  # the supervisor is no more
        self._dialling = False
        self._receiving = False  # somebody waits for a message while there is no connection
        self._changed = trio.Event()  # replaced whenever one of them changes
        self._stopped = trio.Event()
        self._patience = trio.CancelScope()  # the supervisor's
        self._closing: WebSocketCloseOptions | None = None
        self._reason: BusinessError | None = None  # why it stopped, where no connection's end says so
        self._status: Status = Connecting(1)
        self._watchers: tuple[EventStream[Status], ...] = ()

    # Lifetime

    async def __aenter__(self) -> Self:
        """Open the socket's nursery, and begin to connect."""
        await super().__aenter__()
        self._spawn(self._supervise)
        return self

    async def _farewell(self) -> None:
        self._patience.cancel()
        await self._stopped.wait()
        await super()._farewell()

    async def _goodbye(self) -> None:
        self._patience.cancel()  # or it would connect again after our own goodbye
        await super()._goodbye()

    # The supervisor

    async def _supervise(self) -> None:
        error: Exception | None = None
        try:
            with self._patience:
                error = await self._keep_connected()
            if self._closing is not None and (session := self._session) is not None:
                await session.join()
        except Exception:
            # Now, not when this task has ended: the body must not be told before that there is no connection.
            self._entered().cancel_scope.cancel()
            raise
        finally:
            self._over = True
            self._emitter.lasting = False
            if self._session is None or self._session.ended.is_set():
                self._emitter.end_messages()
            self._stopped.set()
            self._show(Stopped(error))
            for stream in self._watchers:
                stream.end()

    async def _keep_connected(self) -> Exception:
        """Connect, again and again; return why that is over."""
        plan = self._plan
        outage = Outage(
            plan.backoff, plan.stable_after, plan.give_up_after, plan.max_attempts, trio.current_time()
        )
        error: Exception | None = None
        while True:
            await trio.lowlevel.checkpoint()
            outage.attempts += 1
            self._show(Connecting(outage.attempts))
            session: Session | None = None
            try:
                with trio.move_on_at(outage.deadline):
                    session = await self._attempt(outage.attempts)
            except Exception as reason:  # noqa: BLE001  # should_retry is asked about it
                error = reason
            else:
                if session is None:
                    self._reason = outage.given_up(error)
                    return self._reason
                error = await self._live(session, outage)
            if not plan.should_retry(error):
                if not isinstance(error, BusinessError):
                    raise error
                if session is None:  # else its end says it in better words for each call
                    self._reason = error
                return error
            try:
                delay = outage.delay(error, trio.current_time())
            except ConnectionLost as enough:
                self._reason = enough
                return enough
            self._show(Waiting(delay, error))
            await trio.sleep(delay)

    async def _attempt(self, number: int) -> Session:
        url = await resolved(self._plan.url, number)
        options = await resolved(self._plan.options, number)
        self._dialling = True
        try:
            session, dial = self._prepare(url, options)
        finally:
            self._dialling = False
        await self._establish(session, dial)
        return session

    def _prepare(
        self, url: object, options: object
    ) -> tuple[Session, Callable[[], Awaitable[trio.abc.Stream]]]:
        if not self._dialling:
            raise failure(CONNECTION_EXISTS, "this socket connects by itself")
        return super()._prepare(url, options)

    async def _live(self, session: Session, outage: Outage) -> BusinessError:
        """Use a connection until its end; return that."""
        began = trio.current_time()
        await self._greet(session, outage.attempts)
        if session.state is State.OPEN:
            assert session.outbox is not None
            self._unsent.replay(session.outbox)
            self._ready = True
            self._show(Connected(outage.attempts))
        await session.join()
        outage.lost(began, trio.current_time())
        await self._put_aside()
        return session.end_of_messages()

    async def _greet(self, session: Session, attempt: int) -> None:
        """Run `on_connected` to its end, or to that of the connection."""
        if self._plan.on_connected is None:
            return
        ways: Ways | None = Ways(super()._send, super().flush, super()._inbox)

        def current_ways() -> Ways:
            if ways is None:
                raise RuntimeError("the connection is on_connected's, which has returned: use the socket")
            return ways

        async def watch() -> None:
            await session.join()
            nursery.cancel_scope.cancel()

        with bare_errors():
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                nursery.start_soon(watch)
                try:
                    await resolved(self._plan.on_connected, Connection(self, attempt, current_ways))
                except BusinessError:
                    if session.state is State.OPEN:
                        raise
                finally:
                    ways = None
                nursery.cancel_scope.cancel()

    async def _put_aside(self) -> None:
        """Save what a connection has left; if that is too much, wait until somebody reads."""
        self._ready = False
        self._unsent.take_back()
        self._emitter.keep_unread()
        self._change()
        room = trio.Event()
        if self._emitter.unread.awaits_room(room):
            logger.warning("no connection is made until somebody receives what the last ones brought")
            await room.wait()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _show(self, status: Status) -> None:
        if status != self._status:
            self._status = status
            for stream in self._watchers:
                stream.offer(status)
        self._change()

    # What it is doing

    @property
    def status(self) -> Status:
        """What the socket is doing, a `Connecting`, `Connected`, `Waiting` or `Stopped`."""
        return self._status

    def statuses(self) -> EventStream[Status]:
        """Follow what the socket is doing, from now on.

        Returns:
            A stream, to be used as one of `subscribe`: first the present status, then each new one, in order.
            It ends after `Stopped`. A reader that is 256 behind loses the oldest.
        """
        stream: EventStream[Status] = EventStream(STATUSES, MAX_BYTES, "drop_oldest", bool, self._unwatch)
        stream.offer(self._status)
        if self._over:
            stream.end()
        else:
            self._watchers += (stream,)
        return stream

    def _unwatch(self, stream: EventStream[Status]) -> None:
        self._watchers = tuple(other for other in self._watchers if other is not stream)

    async def wait_connected(self) -> None:
        """Wait until there is a connection, `on_connected` is through with it, and what was kept is sent.

        Raises:
            BusinessError: the socket has stopped for good.

        If cancelled:
            The socket goes on.
        """
        self._entered()
        await trio.lowlevel.checkpoint()
        while not self._ready:
            if self._over:
                self._open_outbox()
                raise AlreadyClosed("the socket is being left: its 'async with' block has ended")
            await _woken(self._changed)

    async def wait_closed(self) -> CloseResult:
        """Wait until the socket has stopped for good.

        Returns:
            How its last connection ended, if that was final, or we closed it.

        Raises:
            BusinessError: why it gave up: an attempt that is not to be repeated, or too many of them.
            RuntimeError: the socket is not entered.

        If cancelled:
            The socket goes on.
        """
        self._entered()
        await self._stopped.wait()
        if isinstance(self._reason, AlreadyClosed):
            assert self._closing is not None
            return CloseResult(self._closing.code, self._closing.reason)
        if self._reason is not None:
            raise _again(self._reason)
        return await super().wait_closed()

    # Receiving

    def __anext__(self) -> Coroutine[Any, Any, Message]:
        """Return the next message; see `WebSocket.receive`. The iteration ends with `EndOfMessages`."""
        return self._inbox().__anext__()

    def _inbox(self) -> "_LastingInbox":
        self._entered()
        return _LastingInbox(self._take)

    async def _take(
        self, take: Callable[[BoundedQueue[Message]], T], wait: Callable[[Any], Awaitable[T]]
    ) -> T:
        """Take what is next, of whichever connection."""
        unread = self._emitter.unread
        while True:
            changed = self._changed
            if self._emitter.pushing:
                raise RuntimeError(PUSHING)
            if unread:
                self._steps += 1
                if self._steps % TURN:
                    await trio.lowlevel.checkpoint_if_cancelled()
                    return take(unread)
                await trio.lowlevel.checkpoint()
                continue
            if self._over:
                await trio.lowlevel.checkpoint_if_cancelled()
                if self._reason is not None:
                    raise _end(self._reason)
            if self._ready or self._over:
                try:
                    return await wait(super()._inbox())
                except (EndOfMessages, ConnectionLost, AlreadyClosed):
                    if self._over:
                        raise
            if self._receiving:
                raise trio.BusyResourceError("another task is already waiting for the next one")
            self._receiving = True
            try:
                await _woken(changed)
            finally:
                self._receiving = False

    # Sending

    async def _sent(self, data: Data) -> bool:
        """Send by the connection; False if it is gone, and another one may come."""
        try:
            await super()._send(data)
        except (ConnectionLost, AlreadyClosed):
            if self._has_stopped():
                raise
            return False
        self._remember(data)
        return True

    def _queued(self, queue: Callable[[Data], object], data: Data) -> bool:
        """Do the same by one of the connection's ways that do not wait."""
        try:
            queue(data)
        except (ConnectionLost, AlreadyClosed):
            if self._has_stopped():
                raise
            return False
        self._remember(data)
        return True

    async def _send(self, data: Data) -> bool:
        if self._ready and not self._line.locked() and await self._sent(data):
            return True
        frame = _kept(data)
        self._policy.check_permission()
        async with self._line:
            while True:
                changed = self._changed
                if (self._ready or self._has_stopped()) and await self._sent(data):
                    return True
                try:
                    return self._keep(frame)
                except trio.WouldBlock:
                    await _woken(changed)

    def send_nowait(self, data: Data) -> None:
        """Queue a message, if there is room at once; or do what the outbox policy says.

        Args:
            data: as in `WebSocket.send`.

        Raises:
            trio.WouldBlock: ``send_buffer`` bytes are queued or kept, or others wait to send.
            BusinessError: as `WebSocket.send`.
            RuntimeError: the socket is not entered.

        Source: beyond OHOS.
        """
        if self._line.locked():
            frame_of(data)
            raise trio.WouldBlock
        if (self._ready or self._has_stopped()) and self._queued(super().send_nowait, data):
            return
        self._entered()
        self._keep(_kept(data))

    def _put(self, data: Data) -> bool:
        if (self._ready or self._has_stopped()) and self._queued(super()._put, data):
            return True
        self._entered()
        try:
            return self._keep(_kept(data))
        except trio.WouldBlock:
            raise ConnectionLost(
                "there is no connection, and send_buffer bytes are kept for the next"
            ) from None

    def _keep(self, frame: tuple[int, bytes]) -> bool:
        """Do with a message what the policy says while there is no connection; False if it was dropped."""
        self._policy.check_permission()
        if self._plan.outbox == "drop":
            return False
        if self._plan.outbox == "fail":
            raise ConnectionLost("there is no connection at this moment")
        if self._unsent.full:
            raise trio.WouldBlock
        self._unsent.keep(frame)
        return True

    def _remember(self, data: Data) -> None:
        """The connection has just taken a message, but may not live to write it."""
        assert self._session is not None
        outbox = self._session.outbox
        assert outbox is not None
        if self._plan.outbox == "keep" and (outbox.queued or outbox.failure is not None):
            self._unsent.taken(_kept(data), outbox)

    def _has_given_up(self) -> bool:
        return isinstance(self._status, Stopped) and self._status.error is not None

    def _has_stopped(self) -> bool:
        return self._over or self._closing is not None

    async def flush(self) -> None:
        """Wait until everything that is queued or kept now is with the operating system.

        Raises:
            BusinessError: 2302999, the socket stopped first; or, unless messages are kept, there is no
                connection, or it broke first.
            RuntimeError: the socket is not entered.

        If cancelled:
            What was queued or kept stays so.

        Source: beyond OHOS.
        """
        while True:
            changed = self._changed
            if self._ready or self._has_stopped() or self._plan.outbox != "keep":
                try:
                    await super().flush()
                    return
                except (ConnectionLost, AlreadyClosed):
                    if self._has_stopped() or self._plan.outbox != "keep":
                        raise
            elif not self._unsent:
                self._entered()
                await trio.lowlevel.checkpoint()
                return
            await _woken(changed)

    def _open_outbox(self) -> ConnectionOutbox:
        if self._reason is not None:
            raise _again(self._reason)
        return super()._open_outbox()

    # Closing

    def _begin_to_close(self, options: object) -> "_Whole":
        self._entered()
        checked = close_options(options)
        self._policy.check_permission()
        session = self._session
        if self._closing is not None or self._left or self._has_given_up():
            raise failure(UNKNOWN_ERROR, f"the socket is {'closed' if self._over else 'closing'} already")
        if not self._over:
            self._stop(checked)
        elif session is not None and session.state is State.OPEN:  # in a body that is being cancelled
            session.close(checked.code, checked.reason)
        return _Whole(self._stopped, session)

    def _stop(self, options: WebSocketCloseOptions) -> None:
        self._closing = options
        session = self._session
        if session is not None and session.state is State.OPEN:
            session.close(options.code, options.reason)
        elif session is None or session.state is not State.CLOSING:
            self._reason = AlreadyClosed(f"the socket was closed with {options.code}", options.code)
        self._patience.cancel()
        self._change()

    async def aclose(self) -> None:
        """Close with 1000 and stop for good, or join the closing that is under way.

        If cancelled:
            The connection is dropped at once, and its resources are released.

        Source: beyond OHOS; `trio.abc.AsyncResource`.
        """
        if self._over:
            await super().aclose()
            return
        if self._closing is None:
            self._entered()
            self._stop(WebSocketCloseOptions())
        await self._see_closed(_Whole(self._stopped, self._session))


async def _woken(changed: trio.Event) -> None:
    """Wait for a change. If it was the end of everything, then Cancelled is what tells the body."""
    await changed.wait()
    await trio.lowlevel.checkpoint_if_cancelled()


class _Whole:
    """All connections of a socket, for who waits for their end."""

    def __init__(self, stopped: trio.Event, session: Session | None) -> None:
        self._stopped = stopped
        self._session = session

    async def join(self) -> CloseResult | None:
        await self._stopped.wait()
        return None if self._session is None else await self._session.join()

    async def aborted(self) -> None:
        # Not until the supervisor has stopped: it may be within it that this is called.
        if self._session is not None:
            await self._session.aborted()


class _LastingInbox:
    """Where messages wait, of whichever connection."""

    def __init__(self, take: Callable[..., Awaitable[Any]]) -> None:
        self._take = take

    async def receive(self) -> Message:
        message: Message = await self._take(BoundedQueue.pop, BoundedQueue.receive)
        return message

    async def __anext__(self) -> Message:
        try:
            return await self.receive()
        except EndOfMessages:
            raise StopAsyncIteration from None

    async def receive_batch(self) -> list[Message]:
        batch: list[Message] = await self._take(BoundedQueue.take_all, BoundedQueue.receive_batch)
        return batch


def _kept(data: Data) -> tuple[int, bytes]:
    """Return the frame of a message, which the program may not change any more."""
    opcode, payload = frame_of(data)
    return opcode, bytes(payload)


def _again(error: BusinessError) -> BusinessError:
    """Return a fresh error that says the same: each time that it is raised it has its own traceback."""
    twin = copy.copy(error)
    twin.__cause__ = error.__cause__
    return twin


def _end(reason: BusinessError) -> BusinessError:
    """Return what who receives is told of `reason`: that we closed is no error there."""
    if isinstance(reason, AlreadyClosed):
        return EndOfMessages(reason.args[0], reason.close_code)
    return _again(reason)
