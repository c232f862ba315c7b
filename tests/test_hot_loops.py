"""What a message costs in the hot loops, so that none of them grows unnoticed.

The budgets are what was measured, rounded up. Over one by a tenth, and the change has to be looked at: it is
either worth it, and the budget is raised in the same commit, or it is undone. `make bench` has the times.
"""

import io
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence

import pytest
import trio

from tests.opcodes import Counter, counting
from tests.scripted_peer import BINARY, TEXT, frame
from trio_ohws._wire.decoder import Decoder, Message
from trio_ohws._wire.scratch import Scratch
from trio_ohws.events.emitter import Emitter
from trio_ohws.events.queue import BoundedQueue
from trio_ohws.nursery.outbox import Outbox
from trio_ohws.nursery.transport import SocketTransport

COUNT = 960  # messages in one pass, and a multiple of the steps between two turns
MEGABYTE = 1 << 20

# Per message: opcodes of CPython 3.11, calls of C functions.
BUDGET = {
    "decode 32 B of text": (50.2, 2.1),
    "decode 1 KiB": (86.1, 1.1),
    "tell a callback": (25.1, 1.1),
    "tell a callback 64 KiB": (87.3, 1.1),
    "tell a callback 64 KiB, read straight": (187.1, 10.1),
    "fill the inbox": (0.2, 0.1),
    "iterate": (96, 4.3),
    "receive": (126, 5.3),
    "receive a batch": (1, 0.1),
    "queue 32 B of text": (109.1, 6.1),
}

pytestmark = [
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the budgets are of CPython 3.11"),
    pytest.mark.skipif(sys.gettrace() is not None, reason="measured without a coverage tracer"),
]


class Sink:
    """A transport that takes everything."""

    def write_now(self, *parts: bytes | memoryview) -> int:
        """Take it."""
        return sum(map(len, parts))

    async def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        """Take all of them."""

    def read_now(self, size: int) -> bytes:
        """Say that there is nothing now."""
        return b""

    async def receive_into(self, sink: object) -> int:
        """Say that there is nothing to come."""
        return 0

    async def send_eof(self) -> None:
        """Take that, too."""

    async def abort(self) -> None:
        """Be gone."""


class Arrived(socket.socket):
    """A socket on which this has arrived."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = io.BytesIO(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive what has arrived."""
        return self._data.read(size)


def loaded(opcode: int, payload: bytes, count: int = COUNT) -> Decoder:
    """Return a decoder that has `count` messages to decode."""
    decoder = Decoder(Scratch(), MEGABYTE)
    decoder.feed(frame(opcode, payload) * count)
    return decoder


def inbox() -> BoundedQueue[Message]:
    """Return a queue with room for all."""
    return BoundedQueue(2 * COUNT, MEGABYTE)


def text() -> list[Message]:
    """Return as many messages."""
    return ["x" * 32] * COUNT


def decode_text() -> Counter:
    """Cut small text messages out of a chunk."""
    decoder = loaded(TEXT, b"x" * 32)
    with counting() as counter:
        messages = decoder.decode()
    assert text() == messages
    return counter


def decode_binary() -> Counter:
    """Cut messages of 1 KiB out of a chunk, which pauses some times."""
    decoder = loaded(BINARY, bytes(1024))
    messages = []
    with counting() as counter:
        while part := decoder.decode():
            messages += part
    assert [bytes(1024)] * COUNT == messages
    return counter


def tell_a_callback() -> Counter:
    """Hand messages to one callback."""
    told = []

    def on_message(error: None, value: Message) -> None:
        told.append(value)

    emitter = Emitter(None, int)
    emitter.on("message", on_message)
    emitter.begin(inbox())
    messages = text()
    with counting() as counter:
        done = emitter.deliver(messages)
    assert (COUNT, messages) == (done, told)
    return counter


def countdown() -> tuple[Emitter, Callable[[], int]]:
    """Return an emitter with one callback, and how many of `COUNT` messages this has not had."""
    left = COUNT

    def on_message(error: None, value: Message) -> None:
        nonlocal left
        left -= 1

    emitter = Emitter(None, int)
    emitter.on("message", on_message)
    emitter.begin(inbox())
    return emitter, lambda: left


def tell_a_callback_large() -> Counter:
    """Cut messages of 64 KiB out of a chunk, and hand each to one callback."""
    emitter, left = countdown()
    decoder = loaded(BINARY, bytes(65536))
    with counting() as counter:
        emitter.deliver(decoder.decode())
        emitter.pour(decoder.large_frames())
    assert not left()
    return counter


def tell_a_callback_straight() -> Counter:
    """Read messages of 64 KiB, and hand each to one callback."""
    emitter, left = countdown()
    decoder = loaded(BINARY, bytes(65536), 2)
    emitter.deliver(decoder.decode())
    emitter.pour(decoder.large_frames())
    with Arrived(frame(BINARY, bytes(65536)) * (COUNT - 2)) as sock:
        transport = SocketTransport(sock)
        with counting() as counter:
            while left():
                emitter.pour(decoder.arriving_frames(transport.read_now))
    return counter


def fill_the_inbox() -> Counter:
    """Hand messages to the socket's own queue."""
    queue = inbox()
    emitter = Emitter(None, int)
    emitter.begin(queue)
    messages = text()
    with counting() as counter:
        done = emitter.deliver(messages)
    assert COUNT == done == len(queue)
    return counter


def pull(step: Callable[[BoundedQueue[Message]], Awaitable[object]], steps: int) -> Counter:
    """Take messages that are ready out of a queue."""
    counters = []

    async def main() -> None:
        queue = inbox()
        queue.fill(text(), 0)
        with counting() as counter:
            for _ in range(steps):
                await step(queue)
        assert not len(queue)
        counters.append(counter)

    trio.run(main)
    return counters[0]


def queue_text() -> Counter:
    """Queue small text messages in a burst: the first is written, the rest gathered."""
    outbox = Outbox(Sink(), MEGABYTE, int)
    outbox.admit()
    payload = b"x" * 32
    with counting() as counter:
        for _ in range(COUNT):
            outbox.offer(TEXT, payload)
    assert COUNT == outbox.messages
    return counter


LOOPS: dict[str, Callable[[], Counter]] = {
    "decode 32 B of text": decode_text,
    "decode 1 KiB": decode_binary,
    "tell a callback": tell_a_callback,
    "tell a callback 64 KiB": tell_a_callback_large,
    "tell a callback 64 KiB, read straight": tell_a_callback_straight,
    "fill the inbox": fill_the_inbox,
    "iterate": lambda: pull(BoundedQueue.__anext__, COUNT),
    "receive": lambda: pull(BoundedQueue.receive, COUNT),
    "receive a batch": lambda: pull(BoundedQueue.receive_batch, 1),
    "queue 32 B of text": queue_text,
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_message_costs_no_more_than_it_did(name: str) -> None:
    """Neither instructions of the interpreter nor calls of C functions grew by more than a tenth."""
    opcodes, c_calls = BUDGET[name]
    counter = LOOPS[name]()

    assert counter.opcodes / COUNT <= 1.1 * opcodes
    assert counter.c_calls / COUNT <= 1.1 * c_calls


def test_a_loop_that_grew_is_noticed() -> None:
    """One more line in a callback is more than the budget of telling it has room for."""
    messages = text()
    emitter = Emitter(None, int)
    emitter.on("message", lambda error, value: [value, value.upper(), value.lower()].clear())
    emitter.begin(inbox())
    with counting() as counter:
        emitter.deliver(messages)

    assert counter.opcodes / COUNT > 1.1 * BUDGET["tell a callback"][0]
    assert counter.c_calls / COUNT > 1.1 * BUDGET["tell a callback"][1]
