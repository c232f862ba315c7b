"""The emitter by itself: shapes, pieces, and the paths that a whole socket takes by chance only."""

import functools
import gc
import inspect
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, strategies as st

from tests.scripted_peer import BINARY, frame
from trio_ohws._wire.decoder import Decoder
from trio_ohws._wire.scratch import Scratch
from trio_ohws.errors import BusinessError
from trio_ohws.events.emitter import ASYNC_ITEMS, Emitter
from trio_ohws.events.model import EVENT_NAMES, Listener, Message
from trio_ohws.events.queue import BoundedQueue

FAST = "one sync callback, or the inbox alone"
POURED = "one sync callback, of large messages"
SLOW = "with a dataEnd callback, which takes the general path"


def ignore() -> None:
    """Stand in where nobody cares for an overflow."""


def begun(
    max_items: int = 256, max_bytes: int = 1 << 20, *, fragment_size: int | None = None
) -> tuple[Emitter, BoundedQueue[Message]]:
    """Return an emitter with a connection, and its inbox."""
    emitter = Emitter(fragment_size, ignore)
    inbox: BoundedQueue[Message] = BoundedQueue(max_items, max_bytes)
    emitter.begin(inbox)
    return emitter, inbox


def append_to(told: list[Any]) -> Callable[[None, Any], None]:
    """Return a `message` callback that keeps what it is told."""
    return lambda err, value: told.append(value)


async def read(emitter: Emitter, messages: list[Message]) -> None:
    """Deliver as the reader does."""
    done = emitter.deliver(messages)
    while done < len(messages) or emitter.held:
        await emitter.settle()
        done = emitter.deliver(messages, done)


def numbers(start: int, stop: int) -> list[Message]:
    """Return numbered messages."""
    return [str(number) for number in range(start, stop)]


# What callbacks get


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("open", (None, "payload")),
        ("message", (None, "payload")),
        ("close", (None, "payload")),
        ("error", ("payload",)),
        ("headerReceive", ("payload",)),
        ("dataEnd", ()),
    ],
)
async def test_callbacks_have_the_shapes_of_the_reference(name: str, arguments: tuple[object, ...]) -> None:
    """(err, value) with err None, or one value, or nothing: sync and async alike."""
    calls: list[tuple[object, ...]] = []
    emitter = Emitter(None, ignore)

    async def awaited(*got: object) -> None:
        await trio.lowlevel.checkpoint()
        calls.append(got)

    emitter.on(name, lambda *got: calls.append(got))
    emitter.on(name, awaited)
    async with trio.open_nursery() as nursery:
        emitter.attach(nursery.start_soon)
        emitter.emit(name, "payload")
        emitter.finish()

    assert [arguments, arguments] == calls


class Listeners:
    """Callbacks of all kinds that Python has for async ones."""

    def __init__(self) -> None:
        self.told: list[object] = []

    async def method(self, err: None, value: object) -> None:
        """Listen as a bound method."""
        self.told.append(value)

    async def __call__(self, err: None, value: object) -> None:
        """Listen as an object."""
        self.told.append(value)

    async def of_three(self, told: list[object], err: None, value: object) -> None:
        """Listen as a partial."""
        told.append(value)

    def kinds(self) -> Iterator[Listener]:
        """Yield one of each."""

        async def function(err: None, value: object) -> None:
            await trio.lowlevel.checkpoint()
            self.told.append(value)

        yield function
        yield self.method
        yield self
        yield functools.partial(self.of_three, self.told)


@pytest.mark.parametrize("kind", range(4))
async def test_every_kind_of_async_callback_is_awaited(kind: int) -> None:
    """A function, a bound method, an object whose __call__ is async, and a partial."""
    listeners = Listeners()
    emitter, _ = begun()
    emitter.on("message", list(listeners.kinds())[kind])
    async with trio.open_nursery() as nursery:
        emitter.attach(nursery.start_soon)
        await read(emitter, ["a", "b"])
        emitter.finish()

    assert ["a", "b"] == listeners.told


def test_messages_are_poured_into_one_callback_only() -> None:
    """Each is made when the one before was told; where they would have to wait none is."""
    emitter, _ = begun()
    told: list[Message] = []

    def listener(err: None, value: Message) -> None:
        told.append(value)
        if value == "c":
            emitter.off("message", listener)

    def letters() -> Iterator[Message]:
        for number, letter in enumerate("abcd"):
            assert number == len(told), "one at a time"
            yield letter

    messages = letters()
    emitter.pour(messages)  # nobody listens
    assert [] == told
    emitter.on("message", listener)
    emitter.pour(messages)
    emitter.pour(messages)  # nobody listens any more

    assert ["a", "b", "c"] == told
    assert ["d"] == [*messages]


def test_a_poured_message_leaves_its_memory_to_the_next() -> None:
    """Only one is alive at a time, the one that the callback has."""
    size = 1 << 20
    decoder = Decoder(Scratch(), size)
    decoder.feed(frame(BINARY, bytes(size)) * 4)
    told: list[int] = []
    emitter, _ = begun()
    emitter.on("message", lambda err, value: told.append(len(value)))
    emitter.deliver(decoder.decode())
    tracemalloc.start()
    try:
        emitter.pour(decoder.large_frames())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [size] * 4 == told
    assert peak < size + 10_000


@pytest.mark.parametrize("path", [FAST, SLOW, POURED])
def test_a_coroutine_from_a_sync_callback_is_refused_and_closed(path: str) -> None:
    """The error names the callback and says what to write; the coroutine will not warn later."""
    emitter, _ = begun()
    coroutines = []

    async def work(value: object) -> None:
        await trio.lowlevel.checkpoint()

    def listener(err: None, value: object) -> Any:
        coroutines.append(work(value))
        return coroutines[-1]

    emitter.on("message", listener)
    if path == SLOW:
        emitter.on("dataEnd", ignore)
    with pytest.raises(TypeError, match=r"listener.* returned a coroutine.*'async def'.*send_nowait"):
        if path == POURED:
            emitter.pour(iter(["a", "b"]))
        else:
            emitter.deliver(["a", "b"])

    assert [inspect.CORO_CLOSED] == [inspect.getcoroutinestate(one) for one in coroutines]
    coroutines.clear()
    gc.collect()


@pytest.mark.parametrize("path", [FAST, SLOW])
def test_what_else_a_sync_callback_returns_is_of_no_interest(path: str) -> None:
    """True, a number, an object: all the same."""
    emitter, _ = begun()
    told: list[Any] = []

    def listener(err: None, value: object) -> object:
        told.append(value)
        return value

    emitter.on("message", listener)
    if path == SLOW:
        emitter.on("dataEnd", ignore)

    assert 2 == emitter.deliver(["a", b""])
    assert ["a", b""] == told


@pytest.mark.parametrize("name", ["", "Open", "dataend", None, 5, ["open"]])
def test_an_unknown_event_is_401(name: Any) -> None:
    """The message names it, and those that there are."""
    emitter = Emitter(None, ignore)
    for call in (
        lambda: emitter.on(name, print),
        lambda: emitter.off(name),
        lambda: emitter.subscribe(name, 1, 1, "wait"),
    ):
        with pytest.raises(BusinessError, match="is not an event; events are open, openInfo,") as caught:
            call()

        assert 401 == caught.value.code
        assert repr(name) in caught.value.message


def test_what_cannot_be_called_is_401() -> None:
    """`on` and `off` both say what they got; `off` of a callback that is not registered is nothing."""
    emitter = Emitter(None, ignore)
    calls: list[tuple[Callable[[str, Any], None], Any]] = [(emitter.on, "x"), (emitter.off, 5)]
    for call, wrong in calls:
        with pytest.raises(BusinessError, match=r"callback must be callable, not (?:str|int)$") as caught:
            call("open", wrong)

        assert 401 == caught.value.code
    emitter.off("open", print)
    emitter.off("open")


# Pieces


def pieces_of(message: Message, size: int) -> list[Message]:
    """Return what a `message` callback is told of one message, and check that dataEnd comes once, last."""
    emitter, _ = begun(fragment_size=size)
    told: list[Any] = []
    emitter.on("message", append_to(told))
    emitter.on("dataEnd", lambda: told.append(None))
    emitter.deliver([message])

    assert [None] == told[-1:]
    assert 1 == told.count(None)
    return told[:-1]


@pytest.mark.parametrize(
    ("message", "pieces"),
    [
        ("", [""]),
        (b"", [b""]),
        ("abc", ["abc"]),
        ("abcd", ["abcd"]),
        ("abcde", ["abcd", "e"]),
        (b"abcdefghi", [b"abcd", b"efgh", b"i"]),
        (b"\x80" * 5, [b"\x80" * 4, b"\x80"]),
        ("aäöü", ["aä", "öü"]),
        ("ääää", ["ää", "ää"]),
        ("€€", ["€", "€"]),
        ("a€€", ["a€", "€"]),
        ("😀😀", ["😀", "😀"]),
        ("a😀b", ["a", "😀", "b"]),
        ("e\u0301" * 2, ["e\u0301e", "\u0301"]),
    ],
)
def test_pieces_of_four_bytes(message: Message, pieces: list[Message]) -> None:
    """Binary is cut by bytes, text before the character that would not fit; an empty message is a piece."""
    assert pieces == pieces_of(message, 4)


@given(st.one_of(st.text(), st.binary()), st.integers(4, 20))
def test_pieces_make_up_the_message(message: Message, size: int) -> None:
    """Put together they are the message; each fits, and none could have taken the next character in."""
    pieces = pieces_of(message, size)
    lengths = [len(piece.encode() if isinstance(piece, str) else piece) for piece in pieces]

    assert message == type(message)().join(pieces)  # type: ignore[arg-type]
    assert all(0 < length <= size for length in lengths) or not message
    for length, following in zip(lengths, pieces[1:], strict=False):
        first = following[:1]
        assert length + len(first.encode() if isinstance(first, str) else first) > size


# Tasks and ends


def test_callbacks_that_were_registered_before_get_their_task() -> None:
    """`on` works before there is a nursery; `off` before that leaves no task behind."""
    emitter, _ = begun()
    started: list[object] = []

    async def listener(err: None, value: object) -> None: ...

    emitter.on("message", listener)
    emitter.on("open", print)
    emitter.on("close", listener)
    emitter.off("close")
    emitter.attach(lambda function: started.append(function))

    assert 1 == len(started)


def test_a_callback_that_comes_too_late_gets_no_task() -> None:
    """After the end there is no nursery to start one in, and no event to wait for."""
    emitter, inbox = begun()
    emitter.deliver(["a"])
    started: list[object] = []
    emitter.attach(lambda function: started.append(function))
    emitter.finish()

    async def listener(err: None, value: object) -> None: ...

    emitter.on("message", listener)

    assert [] == started
    assert 1 == len(inbox)


@pytest.mark.parametrize("name", EVENT_NAMES)
def test_a_stream_of_a_socket_that_was_left_has_ended(name: str) -> None:
    """`finish` ends the streams that there are, and those that come later."""
    emitter, _ = begun()
    early = emitter.subscribe(name, 1, 1, "wait")
    emitter.finish()

    for stream in (early, emitter.subscribe(name, 1, 1, "wait")):
        with pytest.raises(trio.EndOfChannel):
            stream.receive_nowait()


def test_events_other_than_messages_wait_for_nobody() -> None:
    """A full stream takes them over its limit, in order, rather than lose one."""
    emitter, _ = begun()
    stream = emitter.subscribe("close", 1, 1, "wait")
    for number in range(3):
        emitter.emit("close", number)

    assert [0, 1, 2] == [stream.receive_nowait() for _ in range(3)]
    assert not emitter.held


async def test_a_second_cancelled_wait_is_a_wait_for_nothing() -> None:
    """Whoever settles again, after all was discarded meanwhile, comes back at once."""
    for path in (FAST, SLOW):
        emitter, _ = begun(2)
        if path == SLOW:
            emitter.on("dataEnd", ignore)
        emitter.deliver(numbers(0, 5))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(emitter.settle)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        emitter.discard()
        with trio.fail_after(1):
            await emitter.settle()


async def test_after_a_fault_the_backlog_is_not_told() -> None:
    """One task drains, another waits to do so: after the first raised, the second tells nothing."""
    emitter, inbox = begun()
    emitter.deliver(numbers(0, 3))
    told: list[object] = []

    def fail(err: None, value: object) -> None:
        told.append(value)
        raise ValueError

    emitter.on("message", fail)
    with pytest.RaisesGroup(ValueError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(emitter.drain)
            nursery.start_soon(emitter.drain)

    assert ["0"] == told
    assert ["1", "2"] == await inbox.receive_batch()


async def test_after_a_fault_nobody_gets_what_waits_for_room() -> None:
    """The drain that waits for a slow callback forgets its message when another callback raised."""
    emitter, _ = begun(1000)
    emitter.deliver(numbers(0, ASYNC_ITEMS + 9))
    told: list[object] = []

    async def slow(err: None, value: object) -> None: ...

    emitter.on("message", append_to(told))
    emitter.on("message", slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(emitter.drain)
        await trio.testing.wait_all_tasks_blocked()
        emitter.stop()

    assert numbers(0, ASYNC_ITEMS + 1) == told


async def test_a_drain_that_is_cancelled_goes_on_where_it_was() -> None:
    """The message in hand is neither lost nor told twice; until it is in, no newer one is told."""
    emitter, inbox = begun(1000)
    backlog = numbers(0, ASYNC_ITEMS + 9)
    emitter.deliver(backlog)
    told: list[object] = []
    slowly: list[object] = []

    async def slow(err: None, value: object) -> None:
        await trio.lowlevel.checkpoint()
        slowly.append(value)

    emitter.on("message", append_to(told))
    emitter.on("message", slow)
    for _ in range(3):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(emitter.settle)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

        assert backlog[: ASYNC_ITEMS + 1] == told
        assert 0 == emitter.deliver(["new"])
    async with trio.open_nursery() as nursery:
        emitter.attach(nursery.start_soon)
        await read(emitter, ["new"])
        emitter.finish()

    assert [*backlog, "new"] == told
    assert [*backlog, "new"] == slowly
    assert 0 == len(inbox)


async def test_a_slow_callback_that_is_taken_off_holds_up_nobody() -> None:
    """The drain goes on with the others when the callback that it waited for is gone."""
    emitter, _ = begun(1000)
    backlog = numbers(0, ASYNC_ITEMS + 9)
    emitter.deliver(backlog)
    told: list[object] = []

    async def slow(err: None, value: object) -> None: ...

    emitter.on("message", append_to(told))
    emitter.on("message", slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(emitter.drain)
        await trio.testing.wait_all_tasks_blocked()
        emitter.off("message", slow)

    assert backlog == told


@pytest.mark.parametrize("path", [FAST, SLOW])
async def test_the_mode_may_change_back_before_the_reader_has_noticed(path: str) -> None:
    """On and off again in one step: the reader keeps to the inbox's limit, and all is in order."""
    emitter, inbox = begun(2)
    if path == SLOW:
        emitter.on("dataEnd", ignore)
    received: list[Message] = []

    async def reader() -> None:
        await read(emitter, numbers(0, 3))
        await read(emitter, numbers(3, 99))

    async with trio.open_nursery() as nursery:
        emitter.attach(nursery.start_soon)
        nursery.start_soon(reader)
        await trio.testing.wait_all_tasks_blocked()
        emitter.on("message", print)
        emitter.off("message")
        emitter.off("dataEnd")
        await trio.testing.wait_all_tasks_blocked()

        assert len(inbox) <= 3  # one in hand, which was refused before
        while len(received) < 99:
            received.append(await inbox.receive())

    assert numbers(0, 99) == received


# Any order of events


@pytest.mark.parametrize("path", [FAST, SLOW])
@given(data=st.data())
async def test_every_message_is_told_once_and_in_order(path: str, data: st.DataObject) -> None:
    """However listeners come and go, each message is pulled or pushed exactly once, oldest first."""
    count = data.draw(st.integers(1, 60))
    limit = data.draw(st.integers(1, 8))
    chunk = data.draw(st.integers(1, 9))
    actions = data.draw(
        st.lists(st.sampled_from(["on", "on async", "once", "off", "pull", "wait", "stall"]), max_size=40)
    )
    emitter, inbox = begun(limit)
    if path == SLOW:
        emitter.on("dataEnd", ignore)
    stream = emitter.subscribe("message", 5, 1 << 20, "wait") if path == SLOW else None
    told: list[Message] = []
    streamed: list[Message] = []

    def listener(err: None, value: Message) -> None:
        told.append(value)

    async def slow_listener(err: None, value: Message) -> None:
        await trio.lowlevel.checkpoint()
        told.append(value)

    async def reader() -> None:
        for start in range(0, count, chunk):
            await read(emitter, numbers(start, min(count, start + chunk)))
            await trio.lowlevel.checkpoint()
        inbox.end()
        emitter.end_messages()

    async def follow() -> None:
        assert stream is not None
        streamed.extend([message async for message in stream])

    async with trio.open_nursery() as nursery:
        emitter.attach(nursery.start_soon)
        nursery.start_soon(reader)
        if stream is not None:
            nursery.start_soon(follow)
        for action in actions:
            if action in ("on", "once"):
                if not emitter.pushing:
                    emitter.on("message", listener, once=action == "once")
            elif action == "on async":
                if not emitter.pushing:
                    emitter.on("message", slow_listener)
            elif action == "off":
                await trio.testing.wait_all_tasks_blocked()  # an async one forgets what it has queued
                emitter.off("message")
            elif action == "pull":
                # While a drain is on its way to a callback that was taken off, nobody else may pull.
                if not emitter.pushing and len(inbox):
                    told.append(inbox.receive_nowait())
            elif action == "wait":
                await trio.lowlevel.checkpoint()
            else:
                await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
        emitter.off("message")
        while True:
            try:
                told.append(await inbox.receive())
            except trio.EndOfChannel:
                break
        emitter.finish()

    assert numbers(0, count) == told
    assert stream is None or numbers(0, count) == streamed
