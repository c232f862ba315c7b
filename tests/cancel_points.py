"""Cancel a scenario at each of its steps, in a run of its own for each.

A scenario is a coroutine function of a `Trial`. It opens a socket by `Trial.socket`, and marks the calls
whose cancellation matters by `Trial.call`. What then has to be true is judged here, the same for all: nothing
is left, torn, lost or told twice, `Cancelled` comes out as it went in, and what should work still does.

A step is what Trio runs of a task between two of its waits; the point after it is a checkpoint, at which the
cancellation is delivered. A point is named by the task and the number of its step, not by a number over all
tasks: the order in which Trio runs tasks is random, but what each of them does is not. A scenario in which it
would matter who comes first sees to that itself, lest one name stand for two points.
"""

import functools
import gc
import re
import socket
import sys
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import trio
import trio.testing

from tests.descriptors import open_descriptors
from tests.foreign_peer import ForeignPeer, Manners, Message
from tests.journal import Journal
from trio_ohws import WebSocket, create_websocket
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.settings import Settings
from trio_ohws.url import WebSocketURL

__all__ = ["TARGETS", "URL", "Scenario", "Target", "Trial", "cover"]

Target = Literal["caller", "body", "nursery"]
TARGETS: Final[tuple[Target, ...]] = get_args(Target)
"""What is cancelled: the scope around one call, around the body of the ``async with``, around all of that."""

URL: Final = "ws://example.test/chat"
LAST_WORDS: Final = "last words"
THERE_AND_BACK: Final = "there and back"
CONNECTIONS: Final = re.compile(r"(headerReceive open close )*")
HANG_S: Final = 1000.0
GOODBYE_S: Final = 2.0
IDLE_S: Final = 0.02
"""On real sockets: how long nothing may happen before the clock jumps, in real seconds."""
TRIES: Final = 3
"""Another order of tasks may leave a point out, or show another one."""

Point = tuple[str, int]
"""The name of a task, and the number of its step; or "entering", and how often that was."""

Before = Callable[[trio.abc.Stream], Awaitable[trio.abc.Stream]]


async def _as_it_is(stream: trio.abc.Stream) -> trio.abc.Stream:  # noqa: ASYNC124  # others have to wait
    return stream


class Trial(trio.abc.Instrument):
    """One run of a scenario, and one cancellation.

    Args:
        target: what is cancelled.
        point: when; None for never.

    Attributes:
        seen: the points up to the cancellation, from the moment on at which the target is entered (or, if
            `socket` connects, from that on).
        fired: whether it was cancelled.
    """

    def __init__(self, target: Target, point: Point | None = None) -> None:
        self.target = target
        self.point = point
        self.seen: list[Point] = []
        self.fired = False
        self.manners = Manners()
        self.lockstep = False  # a write to a memory stream waits until the other side has read it all
        self.expected: list[Message] = []  # what the body is to receive, all in all
        self.received: list[Message] = []
        self.peers: list[ForeignPeer] = []
        self._sent: list[list[Message]] = []  # for each peer, what was queued
        self._entered = 0  # how often the target was entered
        self._names: dict[trio.lowlevel.Task, str] = {}
        self._spawned: Counter[str] = Counter()
        self._alive: set[trio.lowlevel.Task] = set()
        self._steps: Counter[trio.lowlevel.Task] = Counter()
        self._scope: trio.CancelScope | None = None  # the target, while it is counted
        self._task: trio.lowlevel.Task | None = None  # who entered it
        self._cancelling = False
        self._woken = False  # the task was woken by the cancellation
        self._cancelled_at = 0.0

    # What a scenario uses

    @asynccontextmanager
    async def socket(
        self,
        url: str | None = None,
        options: dict[str, Any] | None = None,
        *,
        connects: bool = True,
        usable: bool = True,
        pulls: bool = True,
        ends_in_time: bool = True,
        **settings: Any,
    ) -> AsyncIterator[WebSocket]:
        """Open a socket, and judge what is left of it.

        Args:
            url: where it connects; None for a memory stream.
            options: of the connection.
            connects: connect before steps are counted.
            usable: the connection is open after the body, whatever happens in it; else it may end anytime.
            pulls: messages wait for `receive`.
            ends_in_time: the goodbye can be said.
            settings: of the socket.
        """
        ws = create_websocket(**settings) if url else WebSocket(Settings(**settings), dial=self._dial)
        connect = functools.partial(self.connect, ws, url or URL, options)
        journal = Journal(ws, but=("message", "dataEnd"))
        was_open = raised = False
        with self._targeted("nursery", counts=not connects) as scope:
            async with ws:
                if connects:
                    await connect()
                self._count(scope)
                try:
                    with self._targeted("body"):
                        yield ws
                    if self.target != "nursery":
                        await self._is_well(ws, connect, journal, usable=usable, pulls=pulls)
                except BaseException:
                    raised = True
                    raise
                finally:
                    was_open = ws.state == "open"
                    if was_open:
                        with trio.fail_after(HANG_S, shield=True):
                            await self.send(ws, LAST_WORDS)
                        was_open = ws.state == "open"

        assert ws.state in {"idle", "closed"}
        if self.fired and self.target == "nursery":
            assert trio.current_time() - self._cancelled_at <= GOODBYE_S, "a long goodbye"
        for peer in self.peers:
            await peer.gone.wait()
        assert journal.names().count("error") <= sum(peer.refused for peer in self.peers)
        assert CONNECTIONS.fullmatch("".join(f"{name} " for name in journal.names() if name != "error"))
        if was_open and usable and ends_in_time:
            # After the body callbacks finish their messages, before the Close of a plain end is sent.
            while_they_finished = {1001} if self.fired and self.target == "nursery" else set()
            codes = {1001} if raised else {1000, *while_they_finished}
            assert self.peers[-1].close_code in codes, "no goodbye"
        self._judge_what_was_sent(ends_in_time=ends_in_time)
        assert self.received == self.expected[: len(self.received)], "received with a gap"

    @contextmanager
    def call(self, *, waits: bool = False) -> Iterator[None]:
        """Mark a call: as the target "caller" it is cancelled, at once and without a trace in the tasks.

        Args:
            waits: it only waits for what other tasks do, which may start further ones.
        """
        before = self._tasks()
        with self._targeted("caller") as scope:
            yield
        if scope is not None and scope.cancelled_caught:
            assert trio.current_time() == self._cancelled_at
            left = self._tasks() - before
            assert waits or not left, f"tasks are left: {left}"

    def pushed(self, *messages: Message, echoes: bool = True) -> None:
        """Let the peer send messages as soon as it is connected; the body is to receive them."""
        self.manners = Manners(push=messages, echoes=echoes)
        self.expected = list(messages)

    async def connect(self, ws: WebSocket, url: str = URL, options: dict[str, Any] | None = None) -> None:
        """Connect, to a memory stream unless the socket dials otherwise."""
        assert await ws.connect(url, options) is True
        assert ws.state == "open", "connect returned, and it is not open"

    async def send(self, ws: WebSocket, message: Message) -> None:
        """Send a message, which the peer must get, and may echo."""
        assert await ws.send(message) is True
        self.queued(message)

    def queued(self, message: Message) -> None:
        """Note a message that was queued, which the peer must get, and may echo."""
        self._sent[-1].append(message)
        if self.manners.echoes:
            self.expected.append(message)

    async def receive(self, ws: WebSocket) -> None:
        """Receive a message."""
        self.received.append(await ws.receive())

    async def listen(self, before: Before = _as_it_is) -> int:
        """Serve on a port of 127.0.0.1, which is returned.

        Args:
            before: makes of each connection what the peer is to serve.
        """
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        # Small, so that a large write has to wait.
        listeners[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        serve = functools.partial(self._serve, before=before)
        await self.world.start(
            functools.partial(trio.serve_listeners, serve, listeners, handler_nursery=self.world)
        )
        port: int = listeners[0].socket.getsockname()[1]
        return port

    # The run

    def run(self, scenario: "Scenario") -> None:
        """Run it, and judge what is left of it in the process."""
        descriptors = open_descriptors()
        clock = trio.testing.MockClock(autojump_threshold=IDLE_S if scenario.real else 0)
        with _nothing_unraisable():
            trio.run(self._main, scenario, clock=clock)

        assert open_descriptors() <= descriptors

    async def _main(self, scenario: "Scenario") -> None:
        with trio.fail_after(HANG_S):
            async with trio.open_nursery() as self.world:
                trio.lowlevel.add_instrument(self)
                await scenario.function(self)
                trio.lowlevel.remove_instrument(self)
                self.world.cancel_scope.cancel()  # listeners

    async def _dial(self, url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()  # first: a cancelled dial must leave nothing behind
        pair = trio.testing.lockstep_stream_pair if self.lockstep else trio.testing.memory_stream_pair
        ours, theirs = pair()
        self.world.start_soon(self._serve, theirs)
        return ours

    async def _serve(self, stream: trio.abc.Stream, before: Before = _as_it_is) -> None:
        peer = ForeignPeer(stream, refused=len(self.peers) < self.manners.refuses)
        self.peers.append(peer)
        self._sent.append([])
        peer.stream = await before(stream)
        await peer.serve(self.manners)

    # The target

    @contextmanager
    def _targeted(self, target: Target, *, counts: bool = True) -> Iterator[trio.CancelScope | None]:
        if target != self.target:
            yield None
            return
        with trio.CancelScope() as scope:
            if counts:
                self._count(scope)
            try:
                yield scope
            finally:
                self._scope = None
        if scope.cancel_called and self._woken:
            assert scope.cancelled_caught, "Cancelled was swallowed"

    def _count(self, scope: trio.CancelScope | None) -> None:
        if scope is None or self.fired:
            return
        self._scope, self._task = scope, trio.lowlevel.current_task()
        self._entered += 1
        self._reached(("entering", self._entered))

    def _reached(self, point: Point) -> None:
        self.seen.append(point)
        if point == self.point:
            self._fire()

    def _fire(self) -> None:
        assert self._scope is not None
        self.fired = self._cancelling = True
        self._cancelled_at = trio.current_time()
        self._scope.cancel()
        self._cancelling = False
        self._scope = None

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """Name it: one of several of a kind by a number."""
        kind = task.name.rpartition(".<locals>.")[2]
        self._spawned[kind] += 1
        self._names[task] = f"{kind} #{self._spawned[kind]}"
        self._alive.add(task)

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        """Forget it."""
        self._alive.discard(task)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count."""
        self._steps[task] += 1
        if self._scope is not None:
            self._reached((self._names.get(task, task.name), self._steps[task]))

    def task_scheduled(self, task: trio.lowlevel.Task) -> None:
        """Note whom the cancellation wakes: it gets `Cancelled`, and so must the scope."""
        if self._cancelling and task is self._task:
            self._woken = True

    # The judgement

    def _tasks(self) -> set[str]:
        """Return which tasks there are but for the peers'."""
        return {self._names[task] for task in self._alive - self.world.child_tasks}

    async def _is_well(
        self,
        ws: WebSocket,
        connect: Callable[[], Awaitable[None]],
        journal: Journal,
        *,
        usable: bool,
        pulls: bool,
    ) -> None:
        """Whatever was cancelled: all that came can be received, and a message goes there and back."""
        if ws.state == "connecting":  # by callback
            await trio.testing.wait_all_tasks_blocked()
        if ws.state == "closing":
            await ws.wait_closed()
        if ws.state == "open":
            if not usable:
                return
        else:
            assert not usable or "open" not in journal.names()
            for peer in self.peers:
                await peer.gone.wait()
            self.expected.clear()
            self.received.clear()
            await connect()
        if not self.manners.answers or self.manners.closes is not None:
            return
        stream = ws.subscribe("message")
        await self.send(ws, THERE_AND_BACK)
        while pulls and len(self.received) < len(self.expected):
            await self.receive(ws)
        while self.manners.echoes and await stream.receive() != THERE_AND_BACK:
            pass
        await stream.aclose()
        assert await ws.ping(b"alone") >= 0
        await ws.flush()

    def _judge_what_was_sent(self, *, ends_in_time: bool) -> None:
        """Whole frames, and those messages that were queued: all of them if the Close frame came through."""
        for peer, sent in zip(self.peers, self._sent, strict=True):
            assert not (ends_in_time and peer.torn), "the last frame is torn"
            assert peer.late == 0, "something came after the Close frame"
            if peer.close_code is None:
                del sent[len(peer.messages) :]
            assert peer.messages == sent, "not what was queued"


@dataclass(frozen=True)
class Scenario:
    """What a socket is used for.

    Attributes:
        name: of the function.
        function: uses a trial.
        targets: what is cancelled in it.
        real: it uses real sockets, so that the clock has to wait for them.
    """

    name: str
    function: Callable[[Trial], Awaitable[None]]
    targets: tuple[Target, ...] = TARGETS
    real: bool = False


def cover(scenario: Scenario, target: Target) -> int:
    """Run a scenario once uncancelled, then once for each point, cancelled there.

    Returns:
        At how many points it was cancelled.

    Raises:
        AssertionError: something was not as it has to be; the message names the point, the cause says what.
    """
    todo = dict.fromkeys(_attempt(scenario, Trial(target))[0])
    covered = set()
    for _ in range(TRIES):
        for point in [point for point in todo if point not in covered]:
            seen, fired = _attempt(scenario, Trial(target, point))
            todo.update(dict.fromkeys(seen))
            if fired:
                covered.add(point)
    gc.collect()  # what trials have left, which freezing before the next one kept
    return len(covered)


def _attempt(scenario: Scenario, trial: Trial) -> tuple[list[Point], bool]:
    """Run a trial; what is returned of it is the points that it passed, and whether it was cancelled."""
    try:
        trial.run(scenario)
    except Exception as error:
        when = "uncancelled" if trial.point is None else "cancelled at {}, {}".format(*trial.point)
        raise AssertionError(f"{scenario.name}, {trial.target} {when}") from error
    return trial.seen, trial.fired


@contextmanager
def _nothing_unraisable() -> Iterator[None]:
    """Fail if something was left to the garbage collector that should not have been."""
    left: list[str] = []
    hook = sys.unraisablehook
    gc.freeze()  # so that collecting costs no more than what is new
    sys.unraisablehook = lambda unraisable: left.append(repr(unraisable.exc_value))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
            gc.collect()
    finally:
        sys.unraisablehook = hook
        gc.unfreeze()

    assert not left, f"unraisable: {left}"
