"""One connection, from the first packet to the last event.

A session is a task in the socket's nursery with a cancel scope of its own, which is shielded. While it dials
and shakes hands cancelling `connect` ends it. Then, in one step without a checkpoint, `connect` is told, and
so are headerReceive and open. That step is the reader's, which goes on to deliver what has arrived. From
there on only the session itself ends the session: outer cancellation reaches the socket's body first, and
the socket says goodbye (`close`, `abort`).

    connecting --answer--> open --Close, violation, fault, dead link--> closing --EOF or time--> closed
"""

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, NamedTuple, NoReturn, cast

import outcome
import trio
from trio_websocket import wrap_client_stream

from trio_ohws._wire.decoder import Decoder, Message
from trio_ohws._wire.deflate import OFFER
from trio_ohws._wire.frames import Violation
from trio_ohws._wire.upgrade import Refusal
from trio_ohws.errors import (
    CONNECT_FAILED,
    UNKNOWN_ERROR,
    BusinessError,
    ConnectionLost,
    UpgradeRefused,
    failure,
)
from trio_ohws.events.emitter import Emitter
from trio_ohws.events.model import CloseResult, OpenResult, ResponseHeaders, WebSocketOpenInfo
from trio_ohws.events.queue import BoundedQueue
from trio_ohws.nursery.bare import bare_errors
from trio_ohws.nursery.dataplane import DataPlane
from trio_ohws.nursery.ending import Ending, attempt_failed
from trio_ohws.nursery.endpoints import Endpoints, endpoints_of
from trio_ohws.nursery.flag import Flag
from trio_ohws.nursery.keepalive import keep_alive
from trio_ohws.nursery.outbox import Outbox
from trio_ohws.nursery.patience import warn_once
from trio_ohws.nursery.probe import Probe, ProbedTransport
from trio_ohws.nursery.state import TRANSITIONS, State
from trio_ohws.nursery.takeover import as_transport, run_scratch
from trio_ohws.nursery.transport import LINK_ERRORS, Transport
from trio_ohws.settings import Settings

__all__ = ["GOODBYE_ANSWER_S", "Session", "UpgradeRequest"]

GOODBYE_ANSWER_S: Final = 0.25  # a goodbye waits no longer for the peer's answer
_FAIL_DRAIN_S: Final = 1.0  # after a violation: what still arrives is read, lest a reset eat our Close
_LAST_WORDS_S: Final = 1.0  # after a failed write: the peer's Close may still be readable


class UpgradeRequest(NamedTuple):
    """What the GET request says; header values and the target are secrets.

    Attributes:
        host: the Host header.
        target: path and query, where tokens travel.
        subprotocols: in order of preference.
        headers: the further ones.
    """

    host: str
    target: str
    subprotocols: tuple[str, ...] = ()
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def __repr__(self) -> str:
        return f"<UpgradeRequest {self.host}>"


class Session:
    """One attempt to connect, and what comes of it.

    Args:
        request: what to ask for.
        settings: the socket's.
        emitter: the socket's.
        raise_fault: raises what a callback raised in the socket's nursery.
        explain: finds better words for what ended the stream before the server answered, or None.
        probe: tells the socket's instruments, if there are any.
    """

    def __init__(
        self,
        request: UpgradeRequest,
        settings: Settings,
        emitter: Emitter,
        raise_fault: Callable[[BaseException], object],
        explain: Callable[[BaseException], str | None] | None = None,
        probe: Probe | None = None,
    ) -> None:
        self._request = request
        self._settings = settings
        self._emitter = emitter
        self._raise = raise_fault
        self._explain = explain
        self._probe = probe
        self._caller: trio.lowlevel.Task | None = None  # who waits in `connect`
        self._raise_cancel: Callable[[], NoReturn] | None = None  # `connect` was cancelled
        self._refusal: Refusal | None = None
        self._ending: Ending | None = None
        self._aborted = False
        self._over = Flag()  # it is going to end
        self._eof = Flag()  # nothing more can be read
        self._peer_closed = False
        self._close_written = False
        self._tasks: trio.Nursery | None = None
        self._helpers = False  # it has more tasks than trio-websocket's reader
        self._plane: DataPlane | None = None
        self.outbox: Outbox | None = None
        self.inbox: BoundedQueue[Message] | None = None
        if settings.receive_buffer is not None:
            self.inbox = BoundedQueue(*settings.receive_buffer)
        self.state: State = State.CONNECTING
        self.headers: ResponseHeaders = ResponseHeaders()
        self.endpoints: Endpoints = Endpoints()
        self.result: CloseResult | None = None
        self.ended: Flag = Flag()

    # The socket's side

    @property
    def plane(self) -> DataPlane:
        """The data plane, which exists from the moment the transport does."""
        if self._plane is None:
            raise self.gone()
        return self._plane

    async def connect(self, nursery: trio.Nursery, dial: Callable[[], Awaitable[trio.abc.Stream]]) -> None:
        """Start the session in `nursery`, and wait until it is open.

        It does what `nursery.start` does. That opens a nursery of its own, to move the task out of it when it
        has started, which is 3 % of what connecting costs.

        Args:
            nursery: the socket's.
            dial: opens the stream.

        Raises:
            BusinessError: 2302999, or what `dial` raised: the attempt failed.

        If cancelled:
            Nothing remains of the attempt when this ends.
        """
        self._caller = trio.lowlevel.current_task()
        nursery.start_soon(self._run, dial)
        await trio.lowlevel.wait_task_rescheduled(self._give_up)

    def _give_up(self, raise_cancel: Callable[[], NoReturn]) -> trio.lowlevel.Abort:
        """`connect` is cancelled: it goes on once the session has ended."""
        self._raise_cancel = raise_cancel
        self.abort()
        return trio.lowlevel.Abort.FAILED

    def _tell_caller(self, result: outcome.Outcome[None]) -> None:
        """Let `connect` go on; an error after that is the nursery's."""
        caller, self._caller = self._caller, None
        if caller is None:
            result.unwrap()
        else:
            trio.lowlevel.reschedule(caller, result)

    def close(self, code: int, reason: str, *, goodbye: bool = False) -> None:
        """Begin to close: queue our Close frame behind what is queued. Only while open.

        Args:
            code: the close code.
            reason: at most 123 bytes of UTF-8.
            goodbye: the short kind, when there is no time: see `Settings.goodbye_timeout`.
        """
        if goodbye:
            ending = self._goodbye(code, reason)
        else:
            limit = self._settings.close_timeout
            ending = Ending(code, reason, "local", limit, limit)
        assert self._plane is not None
        self._end(ending)
        # Now, lest it be lost should the link end first. trio-websocket learns of it by the peer's answer, as
        # where the peer began; a task for its `aclose` is 3 % of what connecting costs.
        self._plane.put_close()

    def abort(self) -> None:
        """End at once: an attempt is given up, a connection dropped."""
        self._aborted = True
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()

    async def join(self) -> CloseResult | None:
        """Wait for the end; None if it was never open.

        If cancelled:
            The session goes on.
        """
        await self.ended.wait()
        return self.result

    async def aborted(self) -> None:
        """Abort, and wait until everything is released, which takes no one's cooperation."""
        self.abort()
        with trio.CancelScope(shield=True):
            await self.ended.wait()

    def gone(self) -> BusinessError:
        """Return a fresh error for who wants to use this session when it is not open."""
        if self._ending is not None:
            return self._ending.gone()
        if self.state is State.CLOSED:
            return attempt_failed()
        return failure(UNKNOWN_ERROR, "the socket is not open yet")

    def end_of_messages(self) -> BusinessError:
        """Return a fresh error for who wants another message when there is none."""
        return self.gone() if self._ending is None else self._ending.end_of_messages()

    # The data plane's side (its Owner)

    def opened(self) -> None:
        """From here on cancelling `connect` is too late."""
        plane = self.plane
        assert self._tasks is not None
        self._tasks.cancel_scope.deadline = math.inf
        self._become(State.OPEN)
        # First, because a listener may cancel the scope around `connect`, which is successful already;
        # its caller goes on only after this step, when open was told.
        self._tell_caller(outcome.Value(None))
        assert plane.head is not None
        self.headers = ResponseHeaders(plane.head.headers)
        assert self.outbox is not None
        self.outbox.admit()
        if self._probe is not None:
            self._probe.connected(plane, self.outbox, self.endpoints, plane.subprotocol, plane.head.headers)
        try:
            self._emitter.begin(self.inbox)
            self._emitter.emit("headerReceive", self.headers)
            status, reason = plane.head.status, plane.head.reason
            self._emitter.emit("open", OpenResult(status, reason))
            self._emitter.emit("openInfo", WebSocketOpenInfo(status, reason, plane.subprotocol))
        except BaseException as fault:  # noqa: BLE001, ASYNC103  # raised in the socket's nursery
            self.faulted(fault)

    def refused(self, refusal: Refusal) -> None:
        """The connection was not upgraded."""
        self._refusal = refusal
        assert self._tasks is not None
        self._tasks.cancel_scope.cancel()

    def peer_closed(self, code: int, reason: str) -> None:
        """The peer's Close frame has arrived."""
        self._peer_closed = True
        limit = self._settings.close_timeout
        self._end(Ending(code, reason, "peer", limit, limit))

    def violated(self, violation: Violation) -> None:
        """The peer broke the protocol: tell it, unless our Close frame is on its way already."""
        if self._ending is not None:
            self._eof.set()
            return
        self._end(
            Ending(
                violation.code,
                violation.reason,
                "local",
                flush_s=_FAIL_DRAIN_S,
                answer_s=_FAIL_DRAIN_S,
                broken=True,
                half_close=True,
                cause=violation,
            )
        )
        self.plane.put_close()

    def faulted(self, fault: BaseException) -> None:
        """A callback raised: that goes to the socket's nursery at once; the peer gets a goodbye."""
        self._raise(fault)
        self._emitter.stop()
        if self._ending is None:
            self._end(self._goodbye(1001, "", fault))
            self.plane.put_close()

    def link_ended(self, cause: BaseException | None) -> None:
        """Nothing more can be read."""
        self._eof.set()
        assert self.outbox is not None
        # What failed first is the cause, and told as such already to those who wait for the outbox. It may
        # have used the socket's error up, too: then reading sees EOF.
        cause = self.outbox.failure or cause
        if self.state is State.CONNECTING:
            refusal = Refusal("connection lost before the server answered", 0)
            refusal.__cause__ = cause
            self.refused(refusal)
            return
        self._end(Ending(1006, "The link is down", "link", broken=True, cause=cause))

    def parked(self) -> None:
        """The reader waits for a consumer, for the first time: somebody has to keep an eye on that."""
        self._help(warn_once, self)

    def farewell(self) -> tuple[int, str]:
        """Return what our Close frame says."""
        assert self._ending is not None
        return self._ending.code, self._ending.reason

    def send_ping(self) -> None:
        """Queue the keepalive's ping."""
        self.plane.pings.keep_alive()

    @property
    def heard_at(self) -> float:
        """When the peer was last heard; see `Link`."""
        return self.plane.heard_at

    @property
    def parked_since(self) -> float | None:
        """Since when the reader waits for a consumer; see `Link`."""
        return self.plane.parked_since

    def _goodbye(self, code: int, reason: str, cause: BaseException | None = None) -> Ending:
        limit = self._settings.goodbye_timeout
        return Ending(code, reason, "local", limit, GOODBYE_ANSWER_S, within_s=limit, cause=cause)

    def _end(self, ending: Ending) -> None:
        """The first reason to end is the reason."""
        if self._ending is None:
            self._ending = ending
            self._become(State.CLOSING)
            self._emitter.discard()
            assert self.outbox is not None
            self.outbox.refuse(ending.gone if ending.by == "link" else None)
            self._over.set()

    def _become(self, state: State) -> None:
        assert state in TRANSITIONS[self.state], (self.state, state)
        self.state = state

    # The task

    async def _run(self, dial: Callable[[], Awaitable[trio.abc.Stream]]) -> None:
        """Connect, let `connect` go on, and live until the end, which only `close` and `abort` hasten."""
        refusal: BusinessError | None = None
        if self._probe is not None:
            self._probe.connecting()
        try:
            await self._hold(dial)
            if self.state is State.CONNECTING and self._raise_cancel is not None:
                self._raise_cancel()
        except BusinessError as error:
            refusal = error
        except OSError as error:
            refusal = failure(UNKNOWN_ERROR, f"cannot connect: {error}", "0")
            refusal.__cause__ = error
        except BaseException as error:  # noqa: BLE001, ASYNC103  # raised by `connect`
            if self._probe is not None:
                self._probe.broke(error)
            self._release()
            self._tell_caller(outcome.Error(error))  # cancelled, as a rule
            return  # noqa: ASYNC104  # see above
        if self.state is State.CONNECTING and refusal is None:
            refusal = self._why_not_open()
        self._tell_end(refusal)
        self._release()
        if refusal is not None:
            self._tell_caller(outcome.Error(refusal))
            del refusal  # its traceback has this frame

    async def _hold(self, dial: Callable[[], Awaitable[trio.abc.Stream]]) -> None:
        """Have a transport, and the tasks that use it, until they end or are cancelled."""
        transport: Transport | None = None
        try:
            with bare_errors():
                # Its scope is the session's.
                async with trio.open_nursery() as tasks:
                    self._tasks = tasks
                    tasks.cancel_scope.shield = True
                    tasks.cancel_scope.deadline = trio.current_time() + self._settings.connect_timeout
                    if self._aborted:  # before this task ran
                        tasks.cancel_scope.cancel()
                    transport = self._take_over(await dial())
                    await self._serve(tasks, transport)
                    if self._helpers or not self.plane.read_out:  # else its reader, the only task, is ending
                        tasks.cancel_scope.cancel()
        finally:
            if transport is not None:
                await transport.abort()  # noqa: ASYNC102  # it needs no shelter

    def _take_over(self, stream: trio.abc.Stream) -> Transport:
        self.endpoints = endpoints_of(stream)
        return as_transport(stream)

    async def _serve(self, tasks: trio.Nursery, transport: Transport) -> None:
        """Shake hands over an open transport, and stay until nothing more is to be read or written."""
        settings, request = self._settings, self._request
        if self._probe is not None:
            transport = ProbedTransport(transport, self._probe)
        self.outbox = Outbox(transport, settings.send_buffer, self._write_failed, self._start_writer)
        decoder = Decoder(run_scratch(), settings.max_message_size)
        deflate = settings.compression is not None
        plane = self._plane = DataPlane(
            transport,
            self.outbox,
            decoder,
            self._emitter,
            request.subprotocols,
            self,
            deflate=deflate,
            probe=self._probe,
        )
        headers = list(request.headers)
        if deflate:
            headers.append((b"Sec-WebSocket-Extensions", OFFER.encode()))
        await wrap_client_stream(
            tasks,
            cast("trio.SocketStream", plane),  # any trio.abc.Stream will do
            request.host,
            request.target,
            subprotocols=request.subprotocols,
            extra_headers=headers,
        )
        await self._live()
        await self._part(transport)

    async def _live(self) -> None:
        """Watch over the open connection until there is a reason to end it."""
        settings = self._settings
        if not await keep_alive(self, self._over, settings.ping_interval, settings.ping_timeout):
            self.link_ended(TimeoutError(f"no sign of life within {settings.ping_timeout:g} s of a ping"))

    async def _part(self, transport: Transport) -> None:
        """Bring the closing handshake to its end, or the time for it."""
        ending = self._ending
        assert ending is not None
        assert self.outbox is not None
        if ending.by == "link":
            return
        assert self._tasks is not None
        # The three limits are deadlines of the session's own scope, since nothing comes after them: a scope
        # for them is 2 % of what connecting costs.
        scope, begun = self._tasks.cancel_scope, trio.current_time()
        answer_s = ending.answer_s
        try:
            # As a rule it is written already: a deadline and a turn of the scheduler saved.
            if not self.plane.close_queued.is_set() or self.outbox.queued or self.outbox.failure is not None:
                scope.deadline = begun + min(ending.flush_s, ending.within_s)
                await self.plane.close_queued.wait()
                await self.outbox.flush()
            self._close_written = True
        except ConnectionLost:
            answer_s = min(answer_s, _LAST_WORDS_S)
        scope.deadline = min(trio.current_time() + answer_s, begun + ending.within_s)
        if ending.half_close:
            with suppress(*LINK_ERRORS):
                await transport.send_eof()
        await self._eof.wait()

    def _start_writer(self) -> None:
        assert self.outbox is not None
        self._help(self.outbox.run)

    def _write_failed(self) -> None:
        self._help(self._last_words)

    def _help(self, function: Callable[..., Awaitable[object]], *arguments: object) -> None:
        """Start a task beside the reader, which ends with the session."""
        assert self._tasks is not None
        self._helpers = True
        self._tasks.start_soon(function, *arguments)

    async def _last_words(self) -> None:
        """The link is dead for writing; give reading a moment."""
        await trio.sleep(_LAST_WORDS_S)
        self.link_ended(None)

    # The end

    def _why_not_open(self) -> BusinessError:
        refusal = self._refusal
        if refusal is not None:
            words = self._explain(refusal) if self._explain is not None else None
            error: BusinessError
            if refusal.status:
                error = UpgradeRefused(
                    words or str(refusal), refusal.status, ResponseHeaders(refusal.headers)
                )
            else:
                error = failure(UNKNOWN_ERROR, words or str(refusal), "0")
            error.__cause__ = refusal
            return error
        if self._aborted:
            return failure(UNKNOWN_ERROR, "the socket was closed while it was connecting")
        seconds = self._settings.connect_timeout
        return failure(UNKNOWN_ERROR, f"no connection within connect_timeout, {seconds:g} s", "0")

    def _tell_end(self, refusal: BusinessError | None) -> None:
        """The transport is released: now the state, then the events."""
        self._become(State.CLOSED)
        self._emitter.end_messages()
        if refusal is not None:
            if self._probe is not None:
                self._probe.refused(None if self._aborted else refusal)
            if refusal.code == UNKNOWN_ERROR and not self._aborted:
                self._tell("error", BusinessError(CONNECT_FAILED, data=refusal.data or "0"))
            return
        ending = self._ending
        assert ending is not None
        clean = self._close_written and self._peer_closed
        self.result = CloseResult(ending.code, ending.reason, clean, ending.by, ending.cause)
        if self._probe is not None:
            self._probe.closed(self.result)
        if ending.broken:
            self._tell("error", BusinessError(CONNECT_FAILED, data="0"))
        self._tell("close", self.result)

    def _tell(self, name: str, value: object) -> None:
        try:
            self._emitter.emit(name, value)
        except BaseException as fault:  # noqa: BLE001, ASYNC103  # raised in the socket's nursery
            self._raise(fault)

    def _release(self) -> None:
        """Wake whoever waits for anything of this session, and leave nothing that refers back to it.

        So it goes when its socket does, or the next session comes: a cycle waits for the garbage collector.
        """
        self.state = State.CLOSED
        self.ended.set()
        ending = self._ending
        gone = attempt_failed if ending is None else ending.gone
        if self.inbox is not None:
            self.inbox.end(gone if ending is None else ending.end_of_messages)
        if self._plane is not None:
            self._plane.end(gone)
        if self.outbox is not None:
            self.outbox.end(gone)
        self._tasks = self._probe = self._raise_cancel = None
        del self._raise
