"""A program that uses a socket by every means that there is, and keeps what comes of each."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import trio

from tests.conversation import QUESTION, SAID, UNANSWERED, Conversation
from tests.journal import Journal
from tests.scripted_peer import URL
from trio_ohws import BusinessError, WebSocket
from trio_ohws.events.model import Message

__all__ = ["End", "Talker"]


class End(NamedTuple):
    """What a call returned or raised, and when, in seconds from the beginning."""

    value: object
    seconds: float


class Talker:
    """The client's part of a conversation, and somebody who waits in each call that can wait.

    Args:
        ws: not connected yet.
        conversation: what will be said. If it is ours to close, that is done by a callback, which gets the
            messages then; they are pulled otherwise.
    """

    def __init__(self, ws: WebSocket, conversation: Conversation) -> None:
        self.ws = ws
        self.conversation = conversation
        self.we_close = conversation.result.by == "local"
        self.begun = trio.current_time()
        self.journal = Journal(ws, but=("message", "dataEnd"))
        self.ends: dict[str, End] = {}
        self.messages: list[Message] = []
        self.streamed: list[Message] = []
        self.stream = ws.subscribe("message")
        self.closes = ws.subscribe("close")
        self.spoken_to = trio.Event()
        first_turn = conversation.parts[: conversation.index("up", "pong")]
        self.first = sum(part.message is not None for part in first_turn)
        if self.we_close:
            ws.on("message", self.message)

    async def run(self) -> None:
        """Live until every call has come back."""
        async with trio.open_nursery() as self.nursery:
            self.nursery.start_soon(self.note, "connect", self.ws.connect, URL)
            while self.ws.state == "idle":  # noqa: ASYNC110  # a state has no event
                await trio.lowlevel.checkpoint()
            self.nursery.start_soon(self.note, "wait_closed", self.ws.wait_closed)
            self.nursery.start_soon(self.note, "stream", self.read_stream)
            if not self.we_close:
                read = self.receive if self.conversation.deflate else self.iterate
                self.nursery.start_soon(self.note, "reading", read)
            with trio.CancelScope() as silence:
                self.nursery.start_soon(self.until_closed, silence)
                await self.spoken_to.wait()
            if not silence.cancelled_caught:
                await self.speak()

    async def note(self, call: str, function: Callable[..., Awaitable[object]], *arguments: object) -> bool:
        """Write down what a call returns or raises; False if it raises."""
        end: object
        try:
            end = await function(*arguments)
        except (BusinessError, trio.EndOfChannel) as error:
            end = error
        self.ends[call] = End(end, trio.current_time() - self.begun)
        return not isinstance(end, Exception)

    async def until_closed(self, silence: trio.CancelScope) -> None:
        """The second one who waits for the end; nobody is spoken to after that."""
        await self.note("wait_closed too", self.ws.wait_closed)
        silence.cancel()

    async def speak(self) -> None:
        """Answer: a ping, messages and a flush, a ping that nobody answers."""
        if not await self.note("ping", self.ws.ping, QUESTION):
            return
        if not await self.note("text", self.ws.send, "small"):
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.note, "send", self.ws.send, SAID)  # waits for room: see the settings
            nursery.start_soon(self.note, "flush", self.ws.flush)
        if all(self.ends[call].value in (True, None) for call in ("send", "flush")):
            await self.note("unanswered ping", self.ws.ping, UNANSWERED)

    def message(self, _err: object, message: Message) -> None:
        """Count a message, as a callback too; close behind the last one, where that is ours to do."""
        self.messages.append(message)
        if len(self.messages) == self.first:
            self.spoken_to.set()
        if self.we_close and message == self.conversation.messages[-1]:
            self.ws.close({"code": 4000, "reason": "ours"}, self.closed)
            self.nursery.start_soon(self.note, "aclose", self.ws.aclose)

    def closed(self, err: BusinessError | None, value: object) -> None:
        """What close was answered."""
        self.ends["close"] = End(err or value, trio.current_time() - self.begun)

    async def iterate(self) -> None:
        """Pull messages by iteration."""
        async for message in self.ws:
            self.message(None, message)

    async def receive(self) -> None:
        """Pull messages by `receive`, which ends in an exception."""
        while True:
            self.message(None, await self.ws.receive())

    async def read_stream(self) -> None:
        """Get the messages once more."""
        async for message in self.stream:
            self.streamed.append(message)
