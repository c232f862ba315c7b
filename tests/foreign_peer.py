"""A server on any stream, with the codec of websockets: nothing of ours judges what ours wrote."""

from collections.abc import Sequence
from dataclasses import dataclass

import trio
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

Message = str | bytes


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How a server behaves.

    Attributes:
        push: messages that it sends at once, by ones and twos.
        refuses: how many connections it answers with 403 before it accepts one.
        echoes: whether it sends messages back.
        answers: whether it answers pings and Close.
        closes: the code with which it closes after `push`, if it does.
        read_size: bytes that it reads at once.
        stalls_s: seconds before it reads the first frame.
        pong_after_s: seconds before it answers a ping.
    """

    push: Sequence[Message] = ()
    refuses: int = 0
    echoes: bool = True
    answers: bool = True
    closes: int | None = None
    read_size: int = 65536
    stalls_s: float = 0
    pong_after_s: float = 0


class ForeignPeer:
    """The server's end of one connection, and what it saw of it.

    Args:
        stream: owned from now on.
        refused: whether the answer is 403.
    """

    def __init__(self, stream: trio.abc.Stream, *, refused: bool = False) -> None:
        self.stream = stream
        self.refused = refused
        self.messages: list[Message] = []
        self.close_code: int | None = None  # of the client's Close frame
        self.torn = False  # the last frame was not whole
        self.late = 0  # bytes after the Close frame
        self.gone = trio.Event()  # the client's end is closed
        self._extensions: Sequence[Extension] = ()
        self._reader = StreamReader()

    async def serve(self, manners: Manners) -> None:
        """Serve the connection until the client has closed its end."""
        try:
            async with self.stream:
                if await self._shake_hands():
                    await self._converse(manners)
        except trio.BrokenResourceError:
            pass  # a reset, as clients make that close with something unread
        self.late = len(self._reader.buffer)
        self.gone.set()

    async def _shake_hands(self) -> bool:
        protocol = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()])
        while True:
            for event in protocol.events_received():
                assert isinstance(event, Request)
                answer = protocol.reject(403, "no") if self.refused else protocol.accept(event)
                await self._write(answer.serialize())
                self._extensions = protocol.extensions
                return not self.refused
            data = await self.stream.receive_some()
            if not data:
                return False
            protocol.receive_data(bytes(data))

    async def _converse(self, manners: Manners) -> None:
        for n, message in enumerate(manners.push):
            await self._send_message(message)
            if n % 3:
                await trio.lowlevel.checkpoint()
        if manners.closes is not None:
            await self._send(Frame(Opcode.CLOSE, Close(manners.closes, "").serialize()))
        await trio.sleep(manners.stalls_s)
        while (frame := await self._next_frame(manners.read_size)) is not None:
            if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
                message = frame.data.decode() if frame.opcode is Opcode.TEXT else bytes(frame.data)  # type: ignore[union-attr]  # bytes, as parsed
                self.messages.append(message)
                if manners.echoes and manners.closes is None:
                    await self._send_message(message)
            elif frame.opcode is Opcode.PING and manners.answers:
                await trio.sleep(manners.pong_after_s)
                await self._send(Frame(Opcode.PONG, frame.data))
            elif frame.opcode is Opcode.CLOSE:
                self.close_code = Close.parse(frame.data).code
                if manners.answers and manners.closes is None:
                    await self._send(frame)
                break
        if manners.answers and isinstance(self.stream, trio.abc.HalfCloseableStream):
            await self.stream.send_eof()
        if not manners.answers or isinstance(self.stream, trio.abc.HalfCloseableStream):
            while await self._read(manners.read_size):
                pass

    async def _send_message(self, message: Message) -> None:
        if isinstance(message, str):
            await self._send(Frame(Opcode.TEXT, message.encode()))
        else:
            await self._send(Frame(Opcode.BINARY, message))

    async def _send(self, frame: Frame) -> None:
        await self._write(frame.serialize(mask=False, extensions=self._extensions))

    async def _write(self, data: bytes) -> None:
        try:
            await self.stream.send_all(data)
        except trio.BrokenResourceError:
            pass  # the client went away, as it may; what it sent before is still to be read

    async def _next_frame(self, size: int) -> Frame | None:
        while not self._reader.buffer:
            if not await self._read(size):
                return None
        parser = Frame.parse(self._reader.read_exact, mask=True, extensions=self._extensions)
        while True:
            try:
                next(parser)
            except StopIteration as parsed:
                frame: Frame = parsed.value
                return frame
            if not await self._read(size):
                self.torn = True
                return None

    async def _read(self, size: int) -> bool:
        data = await self.stream.receive_some(size)
        if data:
            self._reader.feed_data(bytes(data))
        return bool(data)
