"""A conversation through pipes: what comes in on standard input is sent, what is received goes out."""

from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import trio

from trio_ohws.cli.standard_streams import lines_of, write_all
from trio_ohws.cli.verb import UsageError
from trio_ohws.errors import BusinessError
from trio_ohws.events.model import Message
from trio_ohws.events.stream import EventStream
from trio_ohws.nursery.bare import bare_errors
from trio_ohws.options import WebSocketCloseOptions
from trio_ohws.websocket import WebSocket

__all__ = ["Pipe"]

_BATCH: Final = 1000


class Pipe:
    """One conversation.

    Args:
        ws: connected.
        messages: its messages.
        form: makes what is written of a message.
        parse: makes what is sent of a line; raises `ValueError` or `BusinessError`.
        wait: seconds after the end of the input for messages that are still to come.
    """

    def __init__(
        self,
        ws: WebSocket,
        messages: EventStream[Message],
        form: Callable[[Message], bytes],
        parse: Callable[[str], Message | WebSocketCloseOptions],
        wait: float,
    ) -> None:
        self._ws = ws
        self._messages = messages
        self._form = form
        self._parse = parse
        self._wait = wait

    async def run(self, source: int, target: int) -> None:
        """Talk until either side closes.

        Args:
            source: the file descriptor whose lines are sent.
            target: the file descriptor to which messages are written.

        Raises:
            UsageError: a line is not what it should be.
            OSError: nothing more can be written.
        """
        with bare_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, source)
                await self.write_messages(target)
                nursery.cancel_scope.cancel()

    async def write_messages(self, target: int) -> None:
        """Write messages until there are no more."""
        async for message in self._messages:
            batch = [self._form(message)]
            while len(batch) < _BATCH:
                try:
                    batch.append(self._form(self._messages.receive_nowait()))
                except (trio.WouldBlock, trio.EndOfChannel):
                    break
            await write_all(target, b"".join(batch))

    async def _send(self, source: int) -> None:
        try:
            number = 0
            async with aclosing(lines_of(source)) as batches:
                async for lines in batches:
                    for line in lines:
                        number += 1
                        if await self._say(number, line):
                            return
            await self._ws.flush()
            await trio.sleep(self._wait)
            await self._ws.close()
        except BusinessError:
            return  # it has ended: whoever reads the messages knows how

    async def _say(self, number: int, line: bytes) -> bool:
        """Send what a line says; return whether that was the last thing to say."""
        try:
            parsed = self._parse(line.decode())
        except (ValueError, BusinessError) as error:
            words = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
            raise UsageError(f"line {number} of the input: {words}") from None
        if isinstance(parsed, WebSocketCloseOptions):
            await self._ws.close(parsed)
            return True
        await self._ws.send(parsed)
        return False
