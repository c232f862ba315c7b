"""Everything that leaves a connection: frames in order, each whole or not at all.

The theory. `put` never waits, and takes whole frames only; one task, the writer, owns the transport. So a
cancelled `send` has either queued its frame or not, and nothing on the wire is ever torn. Handing each
frame to the writer would cost a task switch, writing each at once a system call (2.9 µs); so the first
frame of a burst is written at once, and what follows is gathered until the writer or the reader had its
turn (0.6 µs a frame). Frames queued by callbacks are written at the end of the reader's pass.
"""

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Final

import trio

from trio_ohws._wire.deflate import MIN_SIZE, Deflate
from trio_ohws._wire.frames import COPY_LIMIT, RSV1, encode, encode_parts
from trio_ohws.errors import BusinessError, ConnectionLost
from trio_ohws.nursery.transport import LINK_ERRORS, Transport

__all__ = ["Outbox"]

_WRITE_SIZE: Final = 262144  # bytes of small frames that are joined into one write
# Less than this of a larger frame is copied: it would keep all of the frame, and the next one, which is
# admitted beside so little of it, would find no warm memory free to be masked into, or none at all.
_SMALL_REST: Final = 262144


class _Place:
    """A place in the line of tasks that wait to send."""

    __slots__ = ("event",)

    def __init__(self) -> None:
        self.event = trio.Event()


class Outbox:
    """The frames that are not yet with the operating system.

    Args:
        transport: where they go.
        limit: bytes queued from which on no data frame is admitted.
        on_dead: called once, when a write failed.
        start_writer: starts `run` as a task, when there is something that it has to write; None if somebody
            has started it. Many connections never need it: what can be written at once is.
    """

    __slots__ = (
        "_asleep",
        "_burst",
        "_deflate",
        "_end",
        "_failure",
        "_holding",
        "_in_hand",
        "_line",
        "_marks",
        "_on_dead",
        "_owed",
        "_plain_limit",
        "_queue",
        "_room",
        "_start_writer",
        "_transport",
        "_writer",
        "limit",
        "messages",
        "queued",
        "refusing",
        "unbidden",
        "written",
    )

    def __init__(
        self,
        transport: Transport,
        limit: int,
        on_dead: Callable[[], object],
        start_writer: Callable[[], object] | None = None,
    ) -> None:
        self._transport = transport
        self.limit: int = limit
        self._on_dead = on_dead
        self.queued: int = 0  # bytes, those in the writer's hand included
        self.written: int = 0  # bytes since the beginning
        self.messages: int = 0  # data frames since the beginning
        self._deflate: Deflate | None = None
        self._plain_limit = COPY_LIMIT  # bytes of payload up to which a frame is made without further ado
        self._queue: list[bytes | memoryview] = []
        self._burst = False  # gather; true whenever something is queued or in the writer's hand
        self._holding = False  # the reader is in a pass, and will write at its end
        self._in_hand = False
        self._start_writer = start_writer
        self._asleep = start_writer is not None  # the writer has nothing to do, or was not started yet
        self._writer: trio.lowlevel.Task | None = None
        self._failure: BaseException | None = None
        self._end: Callable[[], BusinessError] | None = None  # why, if no write was the first to fail
        self.refusing: bool = True  # data frames are not, or not yet, or no longer admitted
        self._line: list[_Place] = []
        self._room: trio.Event | None = None  # what the reader waits for
        self._marks: list[tuple[int, Callable[[], object]]] = []
        self.unbidden: int = 0  # of the bytes queued, those of answers and of callback forms
        self._owed: list[tuple[int, int]] = []  # for each of those frames: its end, its size

    @property
    def position(self) -> int:
        """Bytes that were ever put: `mark` it to learn when all of them are written."""
        return self.written + self.queued

    @property
    def failure(self) -> BaseException | None:
        """What killed the outbox, or None."""
        return self._failure

    def lost(self) -> BusinessError:
        """Return a fresh error that says why nothing can be sent any more."""
        if self._end is not None:
            return self._end()
        error = ConnectionLost("the link broke while writing")
        error.__cause__ = self._failure
        return error

    # Putting

    def offer(
        self, opcode: int, payload: bytes | memoryview, *, in_turn: bool = False, always: bool = False
    ) -> bool:
        """Queue a message as one frame, if that is admitted now; False if not, and nothing was queued.

        Args:
            opcode: TEXT or BINARY.
            payload: not masked yet.
            in_turn: it is, because `turn` has just returned.
            always: whatever the limit, and whoever waits.
        """
        if always:
            before = self.position
        elif not in_turn and (self.refusing or self.queued >= self.limit or self._line):
            return False
        self.messages += 1
        if len(payload) > self._plain_limit:
            self._put_message(opcode, payload)
        else:
            self._put(encode(opcode, payload))
        if always:
            self._owe(self.position - before)
        return True

    def compress(self, deflate: Deflate) -> None:
        """Compress messages from now on, where that pays."""
        self._deflate = deflate
        self._plain_limit = MIN_SIZE - 1

    def _put_message(self, opcode: int, payload: bytes | bytearray | memoryview) -> None:
        """Queue a message that is to be compressed, or too large to be copied once more.

        Compressing and queueing are one step. Should anything interrupt it, MemoryError for one, then what
        the peer has not got is in our window: so from then on nothing is compressed, which is always allowed.
        """
        deflate, self._deflate = self._deflate, None
        if deflate is not None:
            payload = deflate.compress(payload)
            opcode |= RSV1
        if len(payload) > COPY_LIMIT:
            self.put_parts(encode_parts(opcode, payload))
        else:
            self._put(encode(opcode, payload))
        self._deflate = deflate

    def put(self, frame: bytes, *, ours: bool = False) -> None:
        """Queue a whole control frame, whatever the limit; drop it if the outbox is dead.

        Args:
            frame: the bytes.
            ours: it answers nothing, so that no patience of the reader's could have held it back.
        """
        self._put(frame)
        if not ours:
            self._owe(len(frame))

    def _owe(self, size: int) -> None:
        """Count what was queued just now, and held back by no limit, until it is written."""
        if self.queued:
            self.unbidden += size
            self._owed.append((self.position, size))

    def _put(self, frame: bytes) -> None:
        if self._burst:
            if self._failure is None:
                self._queue.append(frame)
                self.queued += len(frame)
                if self._asleep and not self._holding:
                    self._wake()
            return
        self._burst = True
        self._write_now(frame)

    def put_parts(self, parts: Sequence[bytes]) -> None:
        """Queue a large frame in several parts, one after the other.

        It is written at once even within a burst: there is nothing to be gained by gathering it.
        """
        if self._failure is not None:
            return
        self._burst = True
        if not (self._queue or self._in_hand or self._holding):
            self._write_now(*parts)
            return
        self._queue.extend(parts)
        self.queued += sum(map(len, parts))
        if self._asleep and not self._holding:
            self._wake()

    def _write_now(self, *parts: bytes | memoryview) -> None:
        """Write at once, while nothing is queued; a rest goes to the head of the queue."""
        try:
            sent = self._transport.write_now(*parts)
        except LINK_ERRORS as error:
            self._broke(error)
            return
        self.written += sent
        for part in parts:
            if sent < len(part):
                rest = memoryview(part)[sent:] if sent else part
                if len(rest) < _SMALL_REST < len(part):
                    rest = bytes(rest)
                self._queue.append(rest)
                self.queued += len(rest)
            sent = max(0, sent - len(part))
        if self._queue:
            self._burst = True
            if self._asleep:
                self._wake()
        if self._marks or self._owed or self._line or self._room is not None:
            self._progress()

    def hold(self) -> None:
        """The reader begins a pass: gather what its callbacks send, without waking the writer."""
        self._holding = self._burst = True

    def release(self) -> None:
        """The reader's pass, and with it a burst, is over: write what was gathered."""
        self._holding = False
        if self._in_hand or self._failure is not None:
            return
        if self.queued > _WRITE_SIZE:
            if self._asleep:
                self._wake()
            return
        self._burst = False
        if queue := self._queue:
            data = queue[0] if len(queue) == 1 else b"".join(queue)
            queue.clear()
            self.queued = 0
            self._write_now(data)

    # Waiting

    async def turn(self) -> None:
        """Wait, first in first out, until a data frame is admitted; then send it before anything else runs.

        Raises:
            ConnectionLost: the outbox died first.

        Returns:
            Early, after `refuse`: the caller finds the connection closing.

        If cancelled:
            The place in the line is given up.
        """
        place = _Place()
        self._line.append(place)
        try:
            while not self._may_pass(place):
                place.event = trio.Event()
                await place.event.wait()
        finally:
            self._line.remove(place)
            self._progress()
        if self._failure is not None:
            raise self.lost()

    def _may_pass(self, place: _Place) -> bool:
        if self.refusing:
            return True
        return self._line[0] is place and self.queued < self.limit

    def admit(self) -> None:
        """The connection is open: data frames are admitted."""
        self.refusing = self._failure is not None

    def refuse(self, why: Callable[[], BusinessError] | None = None) -> None:
        """No data frame will be admitted any more: send those home who wait, and let the reader go on.

        Args:
            why: what those who wait for bytes to be written get if that fails from now on: the link is known
                to be broken already, and what the next write says of it is not the cause.
        """
        self.refusing = True
        self._end = why
        self._progress()

    async def wait_room(self) -> None:
        """The reader's: wait while more than the limit is queued of what it alone can hold back.

        Not for what senders queued, whom the limit holds back: a peer that writes before it reads on would
        wait for this reader, the reader for the writer, and the writer for the peer.
        """
        if self.unbidden >= self.limit and not self.refusing:
            self._room = trio.Event()
            await self._room.wait()

    def mark(self, position: int, callback: Callable[[], object]) -> None:
        """Have `callback` called when all bytes before `position` are written, or the outbox is dead."""
        if position <= self.written or self._failure is not None:
            callback()
        else:
            self._marks.append((position, callback))

    async def flush(self) -> None:
        """Wait until all that is queued now is with the operating system.

        Raises:
            BusinessError: ConnectionLost, the outbox died first; or what `end` was given.

        If cancelled:
            What was queued stays queued.
        """
        position = self.position
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._failure is not None:
            raise self.lost()  # what was queued then is dropped, and does not count as queued now
        if self.written < position:
            event = trio.Event()
            entry = (position, event.set)
            self._marks.append(entry)
            try:
                await event.wait()
            finally:
                if entry in self._marks:
                    self._marks.remove(entry)
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
        if self.written < position:
            raise self.lost()

    # The writer

    async def run(self) -> None:
        """Write what is queued, for ever: the one task that waits for the transport."""
        while self._failure is None:
            while not self._queue:
                self._burst = False
                self._asleep = True
                self._writer = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(self._abort)
            buffers, size = self._take()
            self._in_hand = True
            try:
                await self._transport.write(buffers)
            except LINK_ERRORS as error:
                self._broke(error)
            else:
                self.queued -= size
                self.written += size
                self._progress()
            finally:
                self._in_hand = False
            del buffers  # or an idle connection would hold its last message
            if self._queue:
                await trio.lowlevel.checkpoint()  # a fast system takes a gigabyte, and lets us wait nowhere

    def _take(self) -> tuple[list[bytes | memoryview], int]:
        """Take the next buffers to write out of the queue: small frames joined, large ones as they are."""
        queue = self._queue
        buffers: list[bytes | memoryview] = []
        small: list[bytes | memoryview] = []
        size = taken = 0
        while taken < len(queue) and size < _WRITE_SIZE - COPY_LIMIT:
            data = queue[taken]
            taken += 1
            size += len(data)
            if len(data) <= COPY_LIMIT:
                small.append(data)
                continue
            if small:
                buffers.append(b"".join(small))
                small = []
            buffers.append(data)
        del queue[:taken]
        if small:
            buffers.append(small[0] if len(small) == 1 else b"".join(small))
        return buffers, size

    def _wake(self) -> None:
        self._asleep = False
        if self._writer is not None:
            trio.lowlevel.reschedule(self._writer)
        elif self._start_writer is not None:
            self._start_writer()

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._asleep = False
        return trio.lowlevel.Abort.SUCCEEDED

    def _progress(self) -> None:
        """Something was written or died, or the line has moved: tell those whom it concerns."""
        if self._marks:
            self._reach()
        if self._owed:
            self._settle()
        if self._line and (self.queued < self.limit or self.refusing):
            self._line[0].event.set()
        if self._room is not None and (self.unbidden < self.limit or self.refusing):
            self._room.set()
            self._room = None

    # There may be a mark or a debt for each of a hundred thousand frames: those that are due go together,
    # since taking them from the head of the list one by one would be quadratic.

    def _reach(self) -> None:
        due = list(takewhile(lambda mark: mark[0] <= self.written or self._failure is not None, self._marks))
        del self._marks[: len(due)]
        for _, callback in due:
            callback()

    def _settle(self) -> None:
        paid = list(takewhile(lambda debt: debt[0] <= self.written, self._owed))
        self.unbidden -= sum(size for _, size in paid)
        del self._owed[: len(paid)]

    def die(self, failure: BaseException) -> None:
        """The link is dead for writing: drop what is queued, wake who waits, and let nothing in any more."""
        if self._failure is None:
            self._failure = failure
            self.refusing = True
            self._queue.clear()
            self.queued = self.unbidden = 0
            self._owed.clear()
            self._burst = True
            self._progress()

    def end(self, error: Callable[[], BusinessError]) -> None:
        """The connection is over: as `die`, but the reason is `error()`, unless a write had failed before."""
        if self._failure is None:
            self._end = error
            self.die(error())
        self._start_writer = None
        del self._on_dead  # nothing is written any more; both refer to who owns this, which would be a cycle

    def _broke(self, error: BaseException) -> None:
        self.die(error)
        self._on_dead()
