"""Who hears what: callbacks in the reader, callbacks with a task of their own, streams, and the inbox.

A message goes to the callbacks, then to the streams, then, while nobody registered a callback for it, to
the socket's own queue, the inbox. `deliver` does that without waiting. When it cannot go on it says so,
and the reader waits in `settle`: for room in a full queue, for the one message that this queue refused
and all others already have; or for the backlog, when a callback came to an inbox that was not empty.
"""

import inspect
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from itertools import chain
from operator import length_hint
from typing import Any, Final

import trio

from trio_ohws.errors import PARAMETER_ERROR, failure
from trio_ohws.events.model import EVENT_NAMES, Listener, Message
from trio_ohws.events.queue import BoundedQueue, Overflow
from trio_ohws.events.stream import EventStream

__all__ = ["ASYNC_ITEMS", "MAX_BYTES", "PUSHING", "Emitter", "is_async", "nothing", "pieces"]

ASYNC_ITEMS: Final = 256  # events that wait for one async callback
MAX_BYTES: Final = 4 << 20  # bytes that wait for one async callback or stream

PUSHING: Final = "a 'message' callback gets the messages: take it off, or use subscribe('message') beside it"

_MESSAGES: Final = ("message", "dataEnd")

Spawn = Callable[[Callable[[], Coroutine[Any, Any, None]]], object]


def _arguments(name: str, value: object) -> tuple[object, ...]:
    """Return what a callback of OHOS's shape is called with: (err, value), (value) or nothing."""
    if name == "dataEnd":
        return ()
    if name in ("error", "headerReceive"):
        return (value,)
    return (None, value)


class _Callback:
    """One registration of one callback; the async kind has a queue, and a task that empties it."""

    __slots__ = ("active", "function", "name", "on_fault", "once", "queue")

    def __init__(self, name: str, function: Listener, once: bool, on_fault: Callable[[], object]) -> None:
        self.name = name
        self.function = function
        self.once = once
        self.on_fault = on_fault
        self.active = True
        self.queue: BoundedQueue[Any] | None = None
        if is_async(function):
            self.queue = BoundedQueue(1 if once else ASYNC_ITEMS, MAX_BYTES)

    async def run(self) -> None:
        """Call the async callback for each event of its queue, until that ends."""
        assert self.queue is not None
        try:
            while True:
                try:
                    value = await self.queue.receive()
                except (trio.EndOfChannel, trio.ClosedResourceError):
                    return
                try:
                    await self.function(*_arguments(self.name, value))
                except trio.Cancelled:
                    raise  # no fault: the body may still receive
                except BaseException:
                    self.on_fault()
                    raise
        finally:
            self.queue.abandon()  # the reader must not wait for a consumer that is gone


class Emitter:
    """The listeners of one socket, which outlive its connections.

    Args:
        fragment_size: bytes of the pieces that `message` callbacks get, or None for whole messages.
        on_overflow: called when a stream whose policy is "close" overflows.
    """

    __slots__ = (
        "_busy",
        "_callbacks",
        "_discarding",
        "_drain_lock",
        "_drained",
        "_finished",
        "_fragment_size",
        "_inbox",
        "_inbox_only",
        "_on_overflow",
        "_only",
        "_spawn",
        "_streams",
        "held",
    )

    def __init__(self, fragment_size: int | None, on_overflow: Callable[[], object]) -> None:
        self._fragment_size = fragment_size
        self._on_overflow = on_overflow
        self._busy: dict[_Callback, trio.Event] = {}  # the tasks of async callbacks, and their ends
        self._callbacks: dict[str, tuple[_Callback, ...]] = dict.fromkeys(EVENT_NAMES, ())
        self._streams: dict[str, tuple[EventStream[Any], ...]] = dict.fromkeys(EVENT_NAMES, ())
        self._inbox: BoundedQueue[Message] | None = None
        self.held: list[tuple[BoundedQueue[Any], object]] = []  # refused, for want of room
        self._drain_lock = trio.Lock()
        self._drained: list[tuple[BoundedQueue[Any], object]] = []  # as held, of the backlog
        self._discarding = True
        self._finished = False
        self._spawn: Spawn | None = None
        self._only: Callable[[None, Message], object] | None = None
        self._inbox_only = False

    # Registration

    def on(self, name: str, function: Listener, *, once: bool = False) -> None:
        """Add a callback; see `WebSocket.on`."""
        _check_name(name)
        _check_callable(function)
        callback = _Callback(name, function, once, self.stop)
        self._callbacks[name] += (callback,)
        self._plan()
        if self._spawn is not None and not self._finished:
            self._start(self._spawn, callback)
            if name == "message" and self._inbox is not None:
                self._inbox.interrupt(RuntimeError(PUSHING))
                if self._inbox:
                    self._inbox.nudge()
                    self._spawn(self.drain)

    def off(self, name: str, function: Listener | None = None) -> None:
        """Remove the oldest registration of `function`, or all of the event's; see `WebSocket.off`."""
        _check_name(name)
        if function is not None:
            _check_callable(function)
        for callback in self._callbacks[name]:
            if function is None or callback.function == function:
                self._remove(callback)
                if callback.queue is not None:
                    callback.queue.abandon()
                if function is not None:
                    return

    def _remove(self, callback: _Callback) -> None:
        callback.active = False
        name = callback.name
        self._callbacks[name] = tuple(other for other in self._callbacks[name] if other is not callback)
        self._plan()

    def subscribe(self, name: str, max_items: int, max_bytes: int, overflow: Overflow) -> EventStream[Any]:
        """Add a stream; see `WebSocket.subscribe`."""
        _check_name(name)
        stream: EventStream[Any] = EventStream(
            max_items, max_bytes, overflow, self._on_overflow, lambda stream: self._leave(name, stream)
        )
        if self._finished:
            stream.end()
        else:
            self._streams[name] += (stream,)
            self._plan()
        return stream

    def _leave(self, name: str, stream: EventStream[Any]) -> None:
        self._streams[name] = tuple(other for other in self._streams[name] if other is not stream)
        self._plan()

    @property
    def pushing(self) -> bool:
        """Whether messages go to callbacks, so that the inbox gets none."""
        return bool(self._callbacks["message"])

    # The socket's and the session's side

    def attach(self, spawn: Spawn) -> None:
        """The socket is entered: `spawn` starts tasks in its nursery."""
        self._spawn = spawn
        for callback in chain.from_iterable(self._callbacks.values()):
            self._start(spawn, callback)

    def _start(self, spawn: Spawn, callback: _Callback) -> None:
        if callback.queue is not None:
            spawn(partial(self._run, callback))

    async def _run(self, callback: _Callback) -> None:
        done = self._busy[callback] = trio.Event()
        try:
            await callback.run()
        finally:
            del self._busy[callback]
            done.set()

    @property
    def busy(self) -> bool:
        """Whether async callbacks have messages that they are not done with."""
        return any(callback.name in _MESSAGES for callback in self._busy)

    async def finish_messages(self) -> None:
        """The socket is about to close: wait until async callbacks have done the messages that they have.

        They get no more. The connection is still open, so that what they send is sent.
        """
        busy = [(callback, done) for callback, done in self._busy.items() if callback.name in _MESSAGES]
        for callback, _ in busy:
            assert callback.queue is not None
            callback.queue.end()
        for _, done in busy:
            await done.wait()

    def begin(self, inbox: BoundedQueue[Message] | None) -> None:
        """A connection begins: messages are delivered again, to a new inbox."""
        self._inbox = inbox
        self._discarding = False
        self._plan()

    def discard(self) -> None:
        """From now on messages are dropped, and nobody waits to deliver one."""
        self._discarding = True
        self.held.clear()
        self._plan()
        if self._inbox is not None:
            self._inbox.nudge()
        for callback in self._callbacks["message"] + self._callbacks["dataEnd"]:
            if callback.queue is not None:
                callback.queue.nudge()
        for stream in self._streams["message"] + self._streams["dataEnd"]:
            stream.nudge()

    def stop(self) -> None:
        """A callback raised: no message is told any more, the backlog neither."""
        self.discard()
        self._inbox = None
        self._drained.clear()

    def end_messages(self) -> None:
        """The connection is over: the streams of messages end, once they are read empty."""
        for stream in self._streams["message"]:
            stream.end()
            self._leave("message", stream)

    def finish(self) -> None:
        """The socket is being left: streams and async callbacks end with the last of their queue."""
        if self._finished:
            return
        self._finished = True
        for stream in chain.from_iterable(self._streams.values()):
            stream.end()
        for callback in chain.from_iterable(self._callbacks.values()):
            if callback.queue is not None:
                callback.queue.end()

    def forget(self) -> None:
        """The socket has been left: let go of whatever may refer to it, which would be a cycle."""
        self._callbacks = dict.fromkeys(EVENT_NAMES, ())
        self._streams = dict.fromkeys(EVENT_NAMES, ())
        self._spawn = self._only = None
        self._on_overflow = nothing

    # Telling

    def emit(self, name: str, value: object = None) -> None:
        """Tell an event other than a message, which happens once or twice in a connection: it never waits."""
        if not self._callbacks[name] and not self._streams[name]:
            return
        held: list[tuple[BoundedQueue[Any], object]] = []
        self._tell(name, value, held)
        self._tell_streams(name, value, held)
        for queue, item in held:
            queue.put(item)

    def deliver(self, messages: list[Message], start: int = 0) -> int:
        """Hand over `messages` from `start` on, in order; return where the rest begins.

        If there is a rest, or something is `held`, the reader has to `settle` before it goes on.
        """
        if (only := self._only) is not None:
            rest = iter(messages[start:] if start else messages)
            for value in rest:
                if (result := only(None, value)) is not None:
                    _refuse_coroutine(result, only)
                if self._only is not only:
                    break
            else:
                return len(messages)
            start = len(messages) - length_hint(rest)
        elif self._inbox_only and self._inbox is not None:
            return self._inbox.fill(messages, start)
        if self.held or self._has_backlog():
            return start
        for index in range(start, len(messages)):
            if self._discarding:
                break
            self._tell_message(messages[index])
            if self._discarding:  # a callback closed: nobody waits for room for this one
                self.held.clear()
                break
            if self.held or self._has_backlog():
                return index + 1
        return len(messages)

    def pour(self, messages: Iterator[Message]) -> None:
        """Hand over what follows, each message as soon as it is made, if there is one callback and no more.

        Without that callback none is asked for, and no more once it is taken off.
        """
        if (only := self._only) is not None:
            for value in messages:
                result = only(None, value)
                del value  # its memory is the next one's
                if result is not None:
                    _refuse_coroutine(result, only)
                if self._only is not only:
                    break

    async def settle(self) -> None:
        """Wait until `deliver` can go on.

        If cancelled:
            Call it again; nothing was lost or told twice.
        """
        if not self.held and not self._has_backlog() and not self._discarding and self._inbox is not None:
            await self._inbox.wait_room()
        while self.held:
            await _put_where_room(self.held)
        if self._has_backlog():
            await self.drain()
        self._plan()

    async def drain(self) -> None:
        """Hand the inbox over to the callbacks, while there are any: the streams had these messages.

        If cancelled:
            As `settle`.
        """
        async with self._drain_lock:
            while True:
                while self._drained:
                    if self._discarding:  # nobody waits any more
                        for queue, value in self._drained:
                            queue.put(value)
                        self._drained.clear()
                    else:
                        await _put_where_room(self._drained)
                if not self._inbox or not self.pushing:
                    break
                try:
                    self._tell_pieces(self._inbox.pop(), self._drained)
                except BaseException:
                    self.stop()
                    raise
        self._plan()

    def _has_backlog(self) -> bool:
        if self._discarding:
            return False
        return bool(self._drained) or (self.pushing and (bool(self._inbox) or self._drain_lock.locked()))

    def _plan(self) -> None:
        """Find out whether messages have but one place to go, which is the fast case."""
        callbacks = self._callbacks["message"]
        self._only = None
        self._inbox_only = False
        if self._discarding or self.held or self._has_backlog() or self._callbacks["dataEnd"]:
            return
        if self._streams["message"] or self._streams["dataEnd"]:
            return
        if not callbacks:
            self._inbox_only = True
        elif len(callbacks) == 1 and self._fragment_size is None:
            callback = callbacks[0]
            if callback.queue is None and not callback.once:
                self._only = callback.function

    def _tell_message(self, message: Message) -> None:
        if self.pushing:
            self._tell_pieces(message, self.held)
            to_inbox = False
        else:
            to_inbox = True
        self._tell_streams("message", message, self.held)
        if to_inbox and self._inbox is not None and not self._inbox.offer(message):
            self.held.append((self._inbox, message))
        self._tell("dataEnd", None, self.held)
        self._tell_streams("dataEnd", None, self.held)

    def _tell_pieces(self, message: Message, held: list[tuple[BoundedQueue[Any], object]]) -> None:
        if self._fragment_size is None:
            self._tell("message", message, held)
        else:
            for piece in pieces(message, self._fragment_size):
                self._tell("message", piece, held)

    def _tell(self, name: str, value: object, held: list[tuple[BoundedQueue[Any], object]]) -> None:
        for callback in self._callbacks[name]:
            if not callback.active:
                continue
            if callback.once:
                self._remove(callback)
            if callback.queue is None:
                result = callback.function(*_arguments(name, value))
                if result is not None:
                    _refuse_coroutine(result, callback.function)
            else:
                if not callback.queue.offer(value):
                    held.append((callback.queue, value))
                if callback.once:
                    callback.queue.end()

    def _tell_streams(self, name: str, value: object, held: list[tuple[BoundedQueue[Any], object]]) -> None:
        held.extend((stream, value) for stream in self._streams[name] if not stream.offer(value))


async def _put_where_room(held: list[tuple[BoundedQueue[Any], object]]) -> None:
    """Wait until one of the queues has room, and put in what that refused; the others keep waiting.

    If cancelled:
        Nothing was put, and `held` is as it was.
    """
    event = trio.Event()
    asked = [queue.awaits_room(event) for queue, _ in held]
    if all(asked):
        await event.wait()
    waiting = [(queue, value) for queue, value in held if not queue.nudged]
    for queue, value in held:
        if queue.nudged:
            queue.put(value)
    held.clear()
    held.extend(waiting)


def _check_name(name: object) -> None:
    if name not in EVENT_NAMES:
        raise failure(PARAMETER_ERROR, f"{name!r} is not an event; events are {', '.join(EVENT_NAMES)}")


def _check_callable(function: object) -> None:
    if not callable(function):
        raise failure(PARAMETER_ERROR, f"callback must be callable, not {type(function).__name__}")


def nothing() -> None:
    """What is left to do for a socket that was left."""


def is_async(function: Listener) -> bool:
    """Whether a callback is awaited."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  # an object whose __call__ is async
    )


def _refuse_coroutine(result: object, function: object) -> None:
    """Raise TypeError if a sync callback returned a coroutine: nobody would ever run it."""
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError(
            f"the callback {function!r} returned a coroutine, which nobody awaits; "
            "register an 'async def' function, or call the form that takes a callback or send_nowait()"
        )


def pieces(message: Message, size: int) -> Iterator[Message]:
    """Cut a message into pieces of at most `size` bytes, text between characters; an empty one is one."""
    data = message.encode() if isinstance(message, str) else message
    start = 0
    while True:
        end = start + size
        if isinstance(message, str):
            while end < len(data) and data[end] & 0xC0 == 0x80:
                end -= 1
        piece = data[start:end]
        yield piece.decode() if isinstance(message, str) else piece
        start = end
        if start >= len(data):
            return
