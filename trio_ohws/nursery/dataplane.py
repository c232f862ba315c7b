"""The data plane: the stream that trio-websocket believes to be the network.

trio-websocket is the control plane: it asks for the upgrade, answers pings and runs the closing handshake,
in a reader task of our nursery. It sees three things only: a canonical response head, pings while we are
open, and one Close. All else happens in here, on the way: its reader asks us for bytes, and while there is
nothing for it we read, decode and deliver. What it writes goes through the same outbox as our data.

No exception crosses its reader but Cancelled: refusals, faults and ends are told to the owner instead.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import trio

from trio_ohws._wire.decoder import Control, Decoder, Handover, Message, Pause
from trio_ohws._wire.deflate import Deflate
from trio_ohws._wire.frames import (
    CLOSE,
    PING,
    PONG,
    Violation,
    close_payload,
    encode,
    parse_close,
    server_frame,
)
from trio_ohws._wire.http1 import HeadParser, MalformedHead, ResponseHead
from trio_ohws._wire.upgrade import (
    Refusal,
    accept_key,
    canonical_head,
    check_answer,
    check_extensions,
    request_key,
)
from trio_ohws.events.emitter import Emitter
from trio_ohws.events.queue import TURN
from trio_ohws.nursery.flag import Flag
from trio_ohws.nursery.outbox import Outbox
from trio_ohws.nursery.pings import Pings
from trio_ohws.nursery.probe import CONTROL_FRAMES, Probe
from trio_ohws.nursery.transport import LINK_ERRORS, Transport

__all__ = ["DataPlane", "Owner"]


class Owner(Protocol):
    """Who is told what the data plane finds; none of these may raise or wait."""

    def opened(self) -> None:
        """The connection is upgraded, and trio-websocket knows: what comes from now on is delivered."""

    def refused(self, refusal: Refusal) -> None:
        """The connection was not upgraded."""

    def peer_closed(self, code: int, reason: str) -> None:
        """The peer's Close frame has arrived; nothing after it is read."""

    def violated(self, violation: Violation) -> None:
        """The peer broke the protocol; nothing more is decoded."""

    def faulted(self, fault: BaseException) -> None:
        """A callback raised."""

    def link_ended(self, cause: BaseException | None) -> None:
        """EOF (no cause), or the error that reading ended with."""

    def parked(self) -> None:
        """The reader waits for a consumer, for the first time."""

    def farewell(self) -> tuple[int, str]:
        """Return what our Close frame, or our echo of the peer's, is to say."""


class DataPlane(trio.abc.Stream):
    """Between trio-websocket and the transport.

    Args:
        transport: the session's; not closed here.
        outbox: the session's.
        decoder: a fresh one.
        emitter: where messages go.
        offered: the subprotocols that the request names.
        owner: who is told.
        deflate: the request offers permessage-deflate.
        probe: is told of control frames, and of waiting for a consumer.
    """

    def __init__(
        self,
        transport: Transport,
        outbox: Outbox,
        decoder: Decoder,
        emitter: Emitter,
        offered: tuple[str, ...],
        owner: Owner,
        *,
        deflate: bool = False,
        probe: Probe | None = None,
    ) -> None:
        self._transport = transport
        self._outbox = outbox
        self._decoder = decoder
        self._emitter = emitter
        self._offered = offered
        self._owner = owner
        self._offers_deflate = deflate
        self._probe = probe
        self._accept = ""  # what is to answer the request's key, once that is on its way
        self._opened = False
        self._draining = False
        self._stops = 0  # passes that ended at a control frame
        self.read_out: bool = False  # trio-websocket has got b"", whereupon its reader ends by itself
        self.head: ResponseHead | None = None  # the answer, as the server sent it
        self.subprotocol: str | None = None
        self.deflate: Deflate | None = None  # what was agreed
        self.pings: Pings = Pings(outbox, probe)
        self.close_queued: Flag = Flag()  # our Close frame is in the outbox
        self._now = trio.lowlevel.current_clock().current_time  # asked once per read
        self.heard_at: float = self._now()  # when bytes last arrived, or the reader last came back to listen
        self.parked_since: float | None = None  # the reader waits for a consumer
        self.parked_total: float = 0.0
        self._was_parked = False
        self.messages: int = 0
        self.bytes: int = 0

    # What the session does

    def end(self, error: Callable[[], Exception]) -> None:
        """Nothing more will come: wake who waits for a pong, with `error()`, and keep nothing of a message.

        A program may keep its socket for long, and a server could leave a message's worth in each.
        """
        self.pings.end(error)
        self._decoder.abandon()
        del self._owner  # which has this plane, and would wait for the garbage collector with it

    # What trio-websocket does

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Queue what trio-websocket writes: the request, a pong, a Close."""
        if not self._accept:
            request = bytes(data)
            self._outbox.put(request)
            self._accept = accept_key(request_key(request))  # now, while the server is busy with it
        elif data[0] & 0x0F == CLOSE:
            # Ours, because wsproto would answer the registered code 1014 with 1002.
            self.put_close()
        elif not self.close_queued.is_set():  # it took a turn for this pong
            self._outbox.put(bytes(data))
            if self._probe is not None:
                self._probe.control_sent("pong")
            await trio.lowlevel.checkpoint()  # a chunk may hold a hundred thousand pings

    def put_close(self) -> None:
        """Queue the one Close frame of this connection."""
        if not self.close_queued.is_set():
            self._outbox.put(encode(CLOSE, close_payload(*self._owner.farewell())))
            self.close_queued.set()
            if self._probe is not None:
                self._probe.control_sent("close")

    async def wait_send_all_might_not_block(self) -> None:
        """Return at once: the outbox takes everything."""
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Do nothing: the session owns the transport."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return the canonical head, then control frames one by one, then b"" at the end."""
        try:
            if self.head is None:
                return await self._upgrade()
            if not self._opened:
                await trio.lowlevel.checkpoint_if_cancelled()  # the last moment to cancel `connect`
                self._opened = True
                self._owner.opened()
            if frame := await self._next_control():
                return frame
        except LINK_ERRORS as error:
            self._owner.link_ended(error)
        self.read_out = True
        return b""

    # Within

    async def _upgrade(self) -> bytes:
        """Read and judge the answer; return the one that trio-websocket gets to see."""
        parser = HeadParser()
        try:
            while (head := parser.feed(await self._receive())) is None:
                pass
            self.subprotocol = check_answer(head, self._accept, self._offered)
            self.deflate = check_extensions(head, deflate=self._offers_deflate)
        except MalformedHead as error:
            self._owner.refused(Refusal(str(error), error.status))
            return b""
        except Refusal as error:
            assert head is not None
            error.headers = head.headers
            self._owner.refused(error)
            return b""
        except EOFError as error:
            refusal = Refusal("server closed the connection before it answered", 0)
            refusal.__cause__ = error
            self._owner.refused(refusal)
            return b""
        except LINK_ERRORS as error:
            refusal = Refusal(f"connection lost before the server answered: {error}", 0)
            refusal.__cause__ = error
            self._owner.refused(refusal)
            return b""
        self.head = head
        if self.deflate is not None:
            self._decoder.deflate = self.deflate
            self._outbox.compress(self.deflate)
        self.bytes += len(parser.rest)
        self._decoder.feed(parser.rest)
        self._outbox.release()  # the request was not the beginning of a burst
        return canonical_head(self._accept, self.subprotocol)

    async def _receive(self) -> bytes:
        count = await self._transport.receive_into(self._decoder)
        self.heard_at = trio.current_time()
        if not count:
            raise EOFError
        return self._decoder.take()

    async def _next_control(self) -> bytes:
        """Read, decode and deliver until there is something for trio-websocket."""
        decoder, emitter, outbox = self._decoder, self._emitter, self._outbox
        while not self._draining:
            if messages := decoder.decode():
                self.messages += len(messages)
                done = self._deliver(messages, 0)
                while done < len(messages) or emitter.held:
                    await self._park()
                    done = self._deliver(messages, done)
                del messages  # or their memory would not be free for those of the next pass
            else:
                outbox.release()
            if (stop := decoder.stop) is not None:
                if isinstance(stop, Handover):
                    continue  # no checkpoint: the rest is in memory that others receive into
                if frame := self._stopped(stop):
                    return frame
                self._stops += 1
                if not self._stops % TURN or isinstance(stop, Pause):
                    await trio.lowlevel.checkpoint()  # a chunk may hold a hundred thousand pongs
                continue
            if outbox.unbidden >= outbox.limit:
                await outbox.wait_room()
            # No checkpoint between the arrival of the bytes and their decoding.
            count = await self._transport.receive_into(decoder)
            self.heard_at = self._now()
            if not count:
                self._owner.link_ended(None)
                return b""
            self.bytes += count
        while await self._transport.receive_into(decoder):
            decoder.abandon()
        self._owner.link_ended(None)
        return b""

    def _deliver(self, messages: list[Message], start: int) -> int:
        """Hand over messages, then write what callbacks sent meanwhile; return where the rest begins."""
        self._outbox.hold()
        try:
            done = self._emitter.deliver(messages, start)
            if isinstance(self._decoder.stop, Handover) and done == len(messages):
                messages.clear()  # their memory is that of the next ones
                done = 0
                self._emitter.pour(self._large_messages())
            return done
        except BaseException as fault:  # noqa: BLE001, ASYNC103  # the user's; raised in the socket's nursery
            self._owner.faulted(fault)
            return len(messages)  # noqa: ASYNC104  # see above
        finally:
            self._outbox.release()

    def _large_messages(self) -> Iterator[Message]:
        """Make those that come next, each when it is asked for, and count it."""
        for message in self._decoder.large_frames():
            self.messages += 1
            yield message
            del message  # its memory is the next one's
        for message in self._decoder.arriving_frames(self._read_now):
            self.messages += 1
            yield message
            del message

    def _read_now(self, size: int) -> bytes:
        data = self._transport.read_now(size)
        self.bytes += len(data)
        return data

    async def _park(self) -> None:
        """Wait for a consumer. This is our own slowness, so the keepalive must not count it."""
        self._decoder.keep()
        since = self.parked_since = self._now()
        if self._probe is not None:
            self._probe.parked()
        if not self._was_parked:
            self._was_parked = True
            self._owner.parked()
        try:
            await self._emitter.settle()
        except trio.Cancelled:
            raise
        except BaseException as fault:  # noqa: BLE001  # as in _deliver: a callback got the backlog here
            self._owner.faulted(fault)
        finally:
            self.parked_since = None
            self.heard_at = self._now()
            self.parked_total += self.heard_at - since
            if self._probe is not None:
                self._probe.unparked(self.heard_at - since)

    def _stopped(self, stop: Control | Pause | Violation) -> bytes:
        """Deal with what ended the decoder's pass; return what trio-websocket is to see of it."""
        try:
            if isinstance(stop, Violation):
                raise stop
            if isinstance(stop, Pause):
                return b""
            if self._probe is not None:
                self._probe.control_received(CONTROL_FRAMES[stop.opcode])
            if stop.opcode == PONG:
                self.pings.pong(stop.payload)
            elif stop.opcode == CLOSE:
                code, reason = parse_close(stop.payload)
                self._draining = True
                self._owner.peer_closed(code, reason)
                # Any Close will do: what it answers is replaced in send_all.
                return server_frame(CLOSE, b"\x03\xe8")
            elif not self.close_queued.is_set():  # wsproto cannot answer after our Close, and need not
                return server_frame(PING, stop.payload)
        except Violation as violation:
            self._draining = True
            # It may be kept for long, and the frames of its traceback would keep what came with it.
            self._owner.violated(violation.with_traceback(None))
        return b""
