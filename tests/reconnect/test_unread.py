"""Messages that nobody read, when a callback comes."""

from typing import Any

import pytest
import trio

from trio_ohws.events.model import Message
from trio_ohws.events.queue import BoundedQueue
from trio_ohws.reconnect.unread import LastingEmitter


def inbox_of(*messages: str) -> BoundedQueue[Message]:
    """Return the inbox of a connection that has brought messages."""
    inbox: BoundedQueue[Message] = BoundedQueue(10, 1000)
    for message in messages:
        inbox.put(message)
    return inbox


@pytest.mark.parametrize("kept", [True, False], ids=["put aside", "still in the inbox"])
@pytest.mark.parametrize("once", [True, False], ids=["once", "on"])
async def test_a_callback_that_comes_just_before_the_next_connection(kept: bool, once: bool) -> None:
    """It gets what is old before what is new, though nothing ran between the two."""
    got: list[str] = []
    spawned: list[Any] = []
    pushes: list[None] = []
    emitter = LastingEmitter(None, int, (10, 1000), lambda: pushes.append(None))
    emitter.attach(spawned.append)
    old, new = inbox_of("a", "b"), inbox_of()
    emitter.begin(old)
    old.end()
    if kept:
        emitter.keep_unread()
    emitter.on("message", lambda err, message: got.append(message), once=once)
    emitter.begin(new)

    rest = emitter.deliver(["c"])
    for function in spawned:
        await function()
    emitter.deliver(["c"], rest)
    assert (["a"] if once else ["a", "b", "c"]) == got
    assert (["b", "c"] if once else []) == [*emitter.unread.take_all(), *new.take_all()]
    assert [None] == pushes


async def test_streams_of_messages_last() -> None:
    """They end when it is said that no other connection comes."""
    emitter = LastingEmitter(None, int, None, int)
    stream = emitter.subscribe("message", 1, 1, "wait")
    emitter.end_messages()
    with pytest.raises(trio.WouldBlock):
        stream.receive_nowait()
    emitter.lasting = False
    emitter.end_messages()
    with pytest.raises(trio.EndOfChannel):
        await stream.receive()
