"""Whatever happens to the link, after whichever byte: one end is told, everybody wakes, nothing is left.

A cell is one run of a scripted conversation with one fault after one byte of one way. What must come of it
follows from the first part of the conversation that does not get through (`lost_part`), and two tables.
"""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Literal, NamedTuple

import pytest
import trio
import trio.testing

from tests.conversation import COMPRESSED, CONVERSATIONS, PLAIN, WE_CLOSE, Conversation, Server
from tests.fault_stream import DELAY_S, HEAL_S, Fault, FaultSocket, FaultStream, Way
from tests.journal import CONNECTED, Journal
from tests.nursery.loopback import open_tcp_pair
from tests.scripted_peer import CLOSE, PING, PONG, TEXT, URL, Frame, Peer, close_frame, frame, parse_frames
from tests.talker import Talker
from trio_ohws import AlreadyClosed, BusinessError, ConnectionLost, EndOfMessages, WebSocket
from trio_ohws.events.model import CloseResult
from trio_ohws.nursery.transport import LINK_ERRORS
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.settings import Settings
from trio_ohws.url import WebSocketURL

CONNECT_S, CLOSE_S, PING_S, PONG_S = 20.0, 7.0, 3.0, 8.0
SILENCE_S = PING_S + PONG_S
LAST_WORDS_S = 1.0  # after a failed write
KEEPALIVE = Frame(PING, b"")

assert DELAY_S < HEAL_S < min(CONNECT_S, CLOSE_S, PONG_S), "what heals must heal in time"
assert HEAL_S > PING_S, "and a ping must have been due meanwhile"

FAULTS: dict[Way, tuple[Fault, ...]] = {
    "down": ("EOF", "reset", "stall", "partition", "delay", "healing partition", "bytewise"),
    "up": ("reset", "broken pipe", "stall", "partition", "delay", "healing partition", "bytewise"),
}

# What must come of it

Phase = Literal["handshake", "open", "closing", "over"]

SECONDS: dict[Fault, dict[Phase, float]] = {
    "EOF": {"handshake": 0, "open": 0, "closing": 0, "over": 0},
    "reset": {"handshake": 0, "open": 0, "closing": 0, "over": 0},
    "broken pipe": {"handshake": LAST_WORDS_S, "open": LAST_WORDS_S, "closing": LAST_WORDS_S, "over": 0},
    "stall": {"handshake": CONNECT_S, "open": SILENCE_S, "closing": CLOSE_S, "over": CLOSE_S},
    "partition": {"handshake": CONNECT_S, "open": SILENCE_S, "closing": CLOSE_S, "over": CLOSE_S},
}
"""Until the end is told, by what has begun when the fault strikes."""

Cause = tuple[type[BaseException], ...]

CAUSES: dict[Fault, Cause] = {
    "EOF": (),
    "reset": LINK_ERRORS,
    "broken pipe": LINK_ERRORS,
    "stall": (TimeoutError,),
    "partition": (TimeoutError,),
}
"""What broke an open link, as its result says."""

REFUSED: dict[Fault, Cause] = {
    "EOF": (EOFError,),
    "reset": (
        *LINK_ERRORS,
        EOFError,
    ),  # TCP tells of a reset but once: the writer is told, and the reader sees EOF
    "broken pipe": LINK_ERRORS,
    "stall": (),
    "partition": (),
}
"""What broke the handshake, as the refusal says."""

HARMLESS: dict[Fault, float] = {"delay": DELAY_S, "healing partition": HEAL_S, "bytewise": 0}
"""Seconds that these cost, and nothing else."""


class Outcome(NamedTuple):
    """What a cell must show."""

    opened: bool
    messages: int  # how many arrive whole
    seconds: float
    result: CloseResult | None = None
    cause: Cause = ()


def lost_part(conversation: Conversation, fault: Fault, way: Way, at: int) -> int:
    """Return the place of the first part that does not get through.

    A stall and a broken pipe are felt by the next byte of their way: what was said before is still answered.
    EOF, a reset and a partition are felt at once.
    """
    ends = conversation.ends(way)
    if fault in ("EOF", "reset", "partition"):
        place, end = next((place, end) for place, end in ends if end >= at)
        return place + 1 if end == at else place
    return next((place for place, end in ends if end > at), len(conversation.parts))


def expected(conversation: Conversation, fault: Fault, way: Way, at: int, *, kernel: bool = False) -> Outcome:
    """Return what must come of a fault after byte `at` of one way.

    With a kernel between us and the peer, what we said is said, however little of it the peer has read.
    """
    close = conversation.result
    messages = len(conversation.messages)
    if fault in HARMLESS:
        # Of ours nothing may be left to be delayed; of theirs, there is always the EOF.
        affected = way == "down" or fault == "healing partition" or at < conversation.ends("up")[-1][1]
        return Outcome(True, messages, HARMLESS[fault] if affected else 0, close)
    lost = lost_part(conversation, fault, way, at)
    if lost <= conversation.index("down", "head"):
        return Outcome(False, 0, SECONDS[fault]["handshake"], None, REFUSED[fault])
    told = sum(part.message is not None for part in conversation.parts[:lost])
    closes = conversation.index("down", "Close"), conversation.index("up", "Close")
    first_close = closes[1] if close.by == "local" else closes[0] + 1
    if lost < first_close:
        down = CloseResult(1006, "The link is down", clean=False, by="link")
        return Outcome(True, told, SECONDS[fault]["open"], down, CAUSES[fault])
    # An EOF leaves us our own way.
    answer_is_written = fault == "EOF" or (kernel and way == "up")
    if lost <= max(closes) and not (answer_is_written and lost > closes[0]):
        broken = CloseResult(close.code, close.reason, clean=False, by=close.by)
        return Outcome(True, told, SECONDS[fault]["closing"], broken)
    seconds = SECONDS[fault]["over"] if way == "down" or fault == "partition" else 0
    return Outcome(True, told, seconds, close)


# A cell

SETTINGS = Settings(
    connect_timeout=CONNECT_S,
    close_timeout=CLOSE_S,
    ping_interval=PING_S,
    ping_timeout=PONG_S,
    send_buffer=1,  # who sends, waits until the message before is written
)


class Cell:
    """One run over memory, in virtual time.

    Args:
        conversation: what is said.
        fault: what goes wrong.
        way: which bytes are counted.
        at: how many of them pass before.
    """

    limit = 1000.0  # seconds; nothing may take that long
    kernel = False

    def __init__(self, conversation: Conversation, fault: Fault, way: Way, at: int) -> None:
        self.conversation, self.fault, self.way, self.at = conversation, fault, way, at
        self.server = Server(conversation)

    def __str__(self) -> str:
        return f"{self.conversation}: {self.fault} after byte {self.at} {self.way}"

    def settings(self) -> Settings:
        """Return the socket's."""
        return replace(SETTINGS, compression="deflate" if self.conversation.deflate else None)

    async def run(self) -> None:
        """Run it."""
        async with trio.open_nursery() as self.nursery:
            with trio.fail_after(self.limit):
                async with WebSocket(self.settings(), dial=self.dial) as ws:
                    self.ws = ws
                    self.talker = Talker(ws, self.conversation)
                    await self.talker.run()
                    self.seconds = trio.current_time() - self.talker.begun
                    self.result = ws.close_result
            await self.settle()
            self.nursery.cancel_scope.cancel()

    async def settle(self) -> None:
        """Let the server end; then nothing of the client may be left."""
        await trio.testing.wait_all_tasks_blocked()
        assert self.link.closed

    async def dial(self, url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        """Open the connection."""
        await trio.lowlevel.checkpoint()
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.server, Peer(theirs))
        self.link = FaultStream(ours, self.fault, self.way, self.at)
        return self.link

    # What came of it

    def check(self) -> None:
        """Compare what came of it with what must."""
        outcome = expected(self.conversation, self.fault, self.way, self.at, kernel=self.kernel)
        talker = self.talker
        told = self.conversation.messages[: outcome.messages]
        self.check_time(outcome.seconds)
        assert told == talker.messages
        assert told == talker.streamed
        if outcome.result is None:
            assert self.result is None
            assert [("error", 200, "0")] == talker.journal.entries
            self.check_refusals(outcome)
            return
        assert outcome.result == self.result
        assert self.result is not None
        assert isinstance(self.result.cause, outcome.cause or type(None))
        assert self.result is talker.closes.receive_nowait()
        error = [("error", 200, "0")] if self.result.by == "link" else []
        close = ("close", self.result.code, self.result.reason)
        assert [*CONNECTED, *error, close] == talker.journal.entries
        self.check_ends(self.result)
        if self.result.clean and (self.fault in HARMLESS or not self.kernel):
            frames, rest = parse_frames(self.server.received)
            assert (self.conversation.frames, b"") == ([one for one in frames if one != KEEPALIVE], rest)

    def check_time(self, seconds: float) -> None:
        """It ended in time, and whoever waited for that woke with it."""
        assert pytest.approx(seconds) == self.seconds
        at_once = {0.0} if self.fault in AT_ITS_WRITE else set()
        for call, end in self.talker.ends.items():
            if call in WAIT_FOR_THE_END or isinstance(end.value, Exception):
                assert end.seconds in {self.seconds} | at_once, call

    def check_refusals(self, outcome: Outcome) -> None:
        """Connect raised, with the cause; whoever waited for the connection raised too."""
        ends = dict(self.talker.ends)
        assert ends.pop("stream").value is None
        refusal = ends["connect"].value
        assert isinstance(refusal, BusinessError)
        assert "0" == refusal.data
        cause = refusal.__cause__ and refusal.__cause__.__cause__
        assert isinstance(cause, outcome.cause or type(None))
        waiting = {"wait_closed", "wait_closed too", *(() if self.talker.we_close else ("reading",))}
        assert {"connect", *waiting} == ends.keys()
        for end in ends.values():
            assert isinstance(end.value, BusinessError)
            assert 2302999 == end.value.code

    def check_ends(self, result: CloseResult) -> None:
        """Each call has returned its result, or raised the error of this end, with its cause."""
        passed = self.passed()
        ends = {call: end.value for call, end in self.talker.ends.items()}
        assert ends.pop("connect") is True
        assert ends.pop("wait_closed") is ends.pop("wait_closed too") is result
        assert ends.pop("stream") is None
        if not self.talker.we_close:
            kind = EndOfMessages if result.by == "peer" and result.code == 1000 else ConnectionLost
            check_error(ends.pop("reading"), kind, result)
        elif result.by == "local":
            assert ends.pop("close") is True
            assert ends.pop("aclose") is None
        done = {call for call, end in ends.items() if not isinstance(end, Exception)}
        assert (("down", "pong") in passed) == ("ping" in done)
        assert "unanswered ping" not in done
        if ("up", "unanswered ping") in passed:
            assert {"ping", "text", "send", "flush"} == done
            assert "unanswered ping" in ends
        for call in ends.keys() - done:
            check_error(ends[call], AlreadyClosed if result.by == "local" else ConnectionLost, result)

    def passed(self) -> set[tuple[Way, str]]:
        """Return the parts that got through."""
        parts = self.conversation.parts
        if self.fault not in HARMLESS:
            parts = parts[: lost_part(self.conversation, self.fault, self.way, self.at)]
        return {(part.way, part.name) for part in parts}


def check_error(error: object, kind: type[BusinessError], result: CloseResult) -> None:
    """Whoever waited in vain got the same cause."""
    assert kind is type(error)
    assert isinstance(error, BusinessError)
    assert error.__cause__ is result.cause


WAIT_FOR_THE_END = ("wait_closed", "wait_closed too", "stream", "close", "aclose")
AT_ITS_WRITE: tuple[Fault, ...] = ("broken pipe",)  # wakes who waits for the outbox; the end comes later


async def learn(conversation: Conversation) -> None:
    """Have the conversation without a fault, unless its sizes are known."""
    if not conversation.sizes:
        cell = Cell(conversation, "delay", "up", sys.maxsize)
        await cell.run()
        conversation.learn(cell.server)


async def run_and_check(cell: Cell) -> None:
    """Run it, and look at what came of it; say where that was wrong."""
    try:
        await cell.run()
        cell.check()
    except BaseException as error:
        error.add_note(str(cell))
        raise


BEGINS = {PLAIN: 0, WE_CLOSE: WE_CLOSE.index("down", "pong"), COMPRESSED: 2}
"""The first part of each conversation that no other one has."""


def positions(conversation: Conversation, way: Way) -> Iterator[int]:
    """Return each number of bytes after which a fault may strike.

    Of a payload of 64 KiB, which has nothing to offer in its middle, the ends and a few places between.
    """
    start = 0
    for place, end in conversation.ends(way):
        if place >= BEGINS[conversation]:
            for at in range(start, end):
                if at - start < 32 or end - at < 16 or end - start < 65536 or at % 8191 == 0:
                    yield at
        start = end
    yield start


@pytest.fixture
def _nothing_is_left() -> Iterator[None]:
    """What is not released is found here, as a ResourceWarning."""
    yield
    gc.collect()


async def test_the_conversations(autojump_clock: trio.testing.MockClock) -> None:
    """Without a fault everything gets through: the model's parts are what is really said."""
    for conversation in CONVERSATIONS:
        await learn(conversation)
        cell = Cell(conversation, "delay", "up", conversation.ends("up")[-1][1])
        await run_and_check(cell)
        said = [PONG, PING, TEXT, TEXT, PING, CLOSE]

        assert said == [one.opcode for one in conversation.frames]
        assert [conversation is COMPRESSED] == [
            one.rsv1 for one in conversation.frames if len(one.payload) > 20
        ]
        assert len(said) + 1 == len(conversation.ends("up"))


@pytest.mark.usefixtures("_nothing_is_left")
@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=str)
@pytest.mark.parametrize(("way", "fault"), [(way, fault) for way in FAULTS for fault in FAULTS[way]])
async def test_every_byte(
    conversation: Conversation, way: Way, fault: Fault, autojump_clock: trio.testing.MockClock
) -> None:
    """After each byte, what the tables say comes of the fault, no more, no less, and in time."""
    await learn(conversation)
    tasks = trio.lowlevel.current_statistics().tasks_living
    for at in positions(conversation, way):
        await run_and_check(Cell(conversation, fault, way, at))

        assert tasks == trio.lowlevel.current_statistics().tasks_living


# Two short conversations: a refusal, and a violation


class Told(NamedTuple):
    """What came of a short one."""

    events: list[tuple[object, ...]]
    result: CloseResult | None
    seconds: float


async def tell(say: Callable[[Peer], bytes], fault: Fault, way: Way, at: int) -> Told:
    """Connect to a server that says something, and waits for a frame, and for the client's EOF."""

    async def script(peer: Peer) -> None:
        try:
            await peer.read_request()
            await peer.send(say(peer))
            await peer.receive()
        except (AssertionError, trio.BrokenResourceError):
            pass  # the client has gone, in the middle of something
        await peer.stream.aclose()

    async def dial(url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        ours, theirs = trio.testing.memory_stream_pair()
        nursery.start_soon(script, Peer(theirs))
        return FaultStream(ours, fault, way, at)

    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        with trio.fail_after(Cell.limit):
            async with WebSocket(SETTINGS, dial=dial) as ws:
                journal = Journal(ws, but=("message", "dataEnd"))
                with suppress(BusinessError):
                    await ws.connect(URL)
                    await ws.wait_closed()
                seconds = trio.current_time() - begun
        nursery.cancel_scope.cancel()
    return Told(journal.entries, ws.close_result, seconds)


FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\n"


@pytest.mark.parametrize("fault", FAULTS["down"])
async def test_every_byte_of_a_refusal(fault: Fault, autojump_clock: trio.testing.MockClock) -> None:
    """Once the head is whole the status is told, at once; before, there is none."""
    for at in range(len(FORBIDDEN) + 3):
        told = await tell(lambda _: FORBIDDEN + b"no!", fault, "down", at)
        whole = at >= len(FORBIDDEN)
        status = "403" if whole or fault in HARMLESS else "0"
        seconds = 0.0 if whole else HARMLESS.get(fault, SECONDS.get(fault, {}).get("handshake", 0))

        assert Told([("error", 200, status)], None, seconds) == told, at


VIOLATION = frame(3)  # of which the first two bytes, all that it has, say enough
VIOLATED = CloseResult(1002, "reserved opcode 0x3", clean=False, by="local")
DRAIN_S = 1.0  # for our Close to be written, and for the peer's EOF
VIOLATED_S: dict[Fault, float] = {
    "EOF": 0,
    "reset": 0,
    "broken pipe": LAST_WORDS_S,
    "stall": DRAIN_S,
    "partition": DRAIN_S,
    "delay": DRAIN_S,
    "healing partition": DRAIN_S,
    "bytewise": 0,
}


@pytest.mark.parametrize(("way", "fault"), [(way, fault) for way in FAULTS for fault in FAULTS[way]])
async def test_every_byte_of_a_violation(
    way: Way, fault: Fault, autojump_clock: trio.testing.MockClock
) -> None:
    """Before it, as ever; from its last byte on the violation is the reason, however our Close fares."""
    await learn(PLAIN)
    request, head = PLAIN.sizes[:2]
    closing = len(close_frame(VIOLATED.code, VIOLATED.reason)) + 4
    first, last = (head, head + len(VIOLATION)) if way == "down" else (request + 1, request + closing)
    for at in range(first, last + 1):
        told = await tell(lambda peer: peer.answer() + VIOLATION, fault, way, at)
        seconds, result = VIOLATED_S[fault], VIOLATED
        if way == "down" and at < last:
            seconds = HARMLESS.get(fault, 0)
            if fault not in HARMLESS:
                seconds = SECONDS[fault]["open"]
                result = CloseResult(1006, "The link is down", clean=False, by="link")
        elif way == "up" and at == last and fault in ("broken pipe", "stall", "delay"):
            seconds = 0  # nothing is left to be written
        ends = [("error", 200, "0"), ("close", result.code, result.reason)]

        assert Told([*CONNECTED, *ends], result, seconds) == told, at


# Over TCP


class TcpCell(Cell):
    """One run over loopback, in real time: nothing waits but for the peer."""

    limit = 30.0
    kernel = True

    def settings(self) -> Settings:
        """Return the socket's: a timeout would be a failure here."""
        return replace(super().settings(), connect_timeout=60, close_timeout=60, ping_interval=60)

    async def dial(self, url: WebSocketURL, options: WebSocketRequestOptions) -> trio.abc.Stream:
        """Open the connection."""
        ours, theirs = await open_tcp_pair()
        self.nursery.start_soon(self.server, Peer(FaultSocket(theirs, self.fault, self.way, self.at)))
        return ours

    async def settle(self) -> None:
        """Nothing: the client's socket is the transport's, and is seen to be left by a ResourceWarning."""

    def check_time(self, seconds: float) -> None:
        """Time is real: the limit has to do."""


RECEIVE_WINDOW = 60000  # bytes that are with the client's kernel as soon as they are sent

TCP_FAULTS: list[tuple[Way, Fault]] = [
    ("down", "EOF"),
    ("down", "reset"),
    ("down", "delay"),
    ("down", "bytewise"),
    ("up", "EOF"),
    ("up", "reset"),
]


@pytest.mark.usefixtures("_nothing_is_left")
@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=str)
@pytest.mark.parametrize(("way", "fault"), TCP_FAULTS)
async def test_every_byte_over_tcp(conversation: Conversation, way: Way, fault: Fault) -> None:
    """The same, where EOF is a FIN and a reset a RST."""
    await learn(conversation)
    for at in positions(conversation, way):
        if fault == "reset" and at > RECEIVE_WINDOW:
            break  # a RST drops what the client's kernel has not taken: who knows how much
        await run_and_check(TcpCell(conversation, fault, way, at))


class SilentCell(TcpCell):
    """A server that says no more, over TCP, where somebody else may need the processor meanwhile."""

    def settings(self) -> Settings:
        """Return the socket's: they are short where this cell needs them."""
        handshake = self.at < self.conversation.ends("down")[0][1]
        return replace(
            super().settings(),
            connect_timeout=0.3 if handshake else 60,
            close_timeout=0.3,
            ping_interval=0.3,
            ping_timeout=0.3,
        )


@pytest.mark.usefixtures("_nothing_is_left")
async def test_silence_after_every_byte_over_tcp() -> None:
    """Each timeout counts on real sockets, too."""
    await learn(PLAIN)
    cells = [SilentCell(PLAIN, "stall", "down", at) for at in positions(PLAIN, "down")]
    for start in range(0, len(cells), 50):
        async with trio.open_nursery() as nursery:
            for cell in cells[start : start + 50]:
                nursery.start_soon(run_and_check, cell)
