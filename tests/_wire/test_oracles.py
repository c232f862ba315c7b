"""The codec against two oracles: of any frames, in any cuts, all three tell the same."""

import random
import struct
from collections.abc import Callable

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests._wire.compressor import Compressor
from tests._wire.differences import DIFFERENCES, Account, Difference, agree, difference
from tests._wire.oracles import AGREEMENTS, Agreement, End, Event, Oracle, Side, Websockets, Wsproto
from tests._wire.reception import Link, Verdict
from tests.scripted_peer import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame
from trio_ohws._wire.decoder import Control
from trio_ohws._wire.deflate import negotiate
from trio_ohws._wire.frames import (
    COPY_LIMIT,
    RSV1,
    Violation,
    close_payload,
    encode,
    encode_parts,
    parse_close,
)
from trio_ohws._wire.scratch import Scratch

ORACLES: dict[str, Callable[[Side, Agreement | None, int], Oracle]] = {
    "websockets": Websockets,
    "wsproto": Wsproto,
}

LIMITS = (1000, 1000, 40_000, 1 << 20)
LARGEST = 200_000
AREAS = (127, 300, 40_000, 262_144)


def open_link(agreement: Agreement | None, limit: int, area: int) -> Link:
    """Return our end of a connection on which nothing has arrived yet."""
    return Link(b"", Scratch(area), limit, negotiate(agreement.answer) if agreement else None)


def account(link: Link) -> Account:
    """Return what we told, up to the end of the conversation."""
    told: list[Event] = []
    for event in link.told:
        if isinstance(event, Verdict):
            return Account(told, End("refused", event.code, event.reason))
        if isinstance(event, Control) and event.opcode == CLOSE:
            try:
                return Account(told, End("closed", *parse_close(event.payload)))
            except Violation as violation:
                return Account(told, End("refused", violation.code, violation.reason))
        told.append(event)
    return Account(told, None)


def ours(wire: bytes, agreement: Agreement | None, limit: int) -> Account:
    """Return what we tell of bytes that arrive at once."""
    link = open_link(agreement, limit, 262_144)
    link.data = wire
    while not link.ended:
        link.read(len(wire))
    return account(link)


def ask(oracle: str, wire: bytes, agreement: Agreement | None, limit: int) -> Account:
    """Return what an oracle tells of them."""
    client = ORACLES[oracle]("client", agreement, limit)
    client.receive(wire)
    return Account(client.told, client.end)


# Payloads: small ones, those around which the header changes, and every kind of text that is none.
TEXTS = st.sampled_from(
    [b"", b"Hello", "dé".encode(), "\ufeff😀".encode() * 20, b"x" * 125, b"y" * 126, b"v" * 600, b"z" * 999]
)
BROKEN_TEXTS = st.sampled_from(
    [
        *(b"\xff", b"\xf0\x9f", b"\x98\x80", b"\xed\xa0", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80"),
        *(b"a" * 200 + b"\xe4", "ä".encode()[:1], "ä".encode()[1:]),
    ]
)
BINARIES = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda size, seed: random.Random(seed).randbytes(size),
        st.sampled_from([124, 125, 126, 1000, 1001, 2048, 32_768, 40_000, 65_535, 65_536, 70_000]),
        st.integers(0, 3),
    ),
)
CODES = [
    *(0, 999, 1000, 1001, 1003, 1004, 1005, 1006, 1007, 1011, 1012, 1013, 1014, 1015, 1016, 1100, 2000, 2999),
    *(3000, 3999, 4000, 4999, 5000, 65_535),
]
CLOSES = st.one_of(
    st.sampled_from(
        [b"", b"\x03", b"\x03\xe8bye", b"\x03\xe8\xff", b"\x03\xed\xff", b"\x0b\xb8" + b"r" * 123]
    ),
    st.sampled_from(CODES).map(struct.Struct("!H").pack),
)
HEADERS = st.builds(
    lambda first, second, more: bytes((first, second)) + more,
    st.integers(0, 255),
    st.sampled_from([0, 1, 125, 126, 127, 128, 129, 254]),
    st.binary(max_size=12),
)
LENGTHS = st.builds(
    lambda first, length, more: bytes((first, 127 if len(length) == 8 else 126)) + length + b"l" * more,
    st.sampled_from([0x81, 0x82, 0x02, 0x80, 0x89, 0x88]),
    st.one_of(
        st.sampled_from([0, 5, 125, 126, 65_535]).map(struct.Struct("!H").pack),
        st.sampled_from([0, 125, 65_535, 65_536, 70_000, 1 << 20, (1 << 63) - 1, 1 << 63]).map(
            struct.Struct("!Q").pack
        ),
    ),
    st.integers(0, 130),
)
GARBAGES = st.sampled_from([b"\xff" * 10, b"\xf2H\xff\xff\xff", b""])
SIZES = st.one_of(st.integers(1, 12), st.sampled_from([125, 127, 2048, 40_000, 1 << 20]))


class Codecs(RuleBasedStateMachine):
    """A server that knows frames, and rules to break.

    Two decoders of ours and two oracles hear it, each in cuts of its own; wsproto as far as it is not deaf
    (see `control`).
    """

    @initialize(
        agreement=st.sampled_from(AGREEMENTS), limit=st.sampled_from(LIMITS), area=st.sampled_from(AREAS)
    )
    def connect(self, agreement: Agreement | None, limit: int, area: int) -> None:
        """Agree on everything."""
        self.agreement, self.limit = agreement, limit
        self.wire = b""
        self.deaf: int | None = None  # what is behind this place wsproto gets wrong
        self.open = self.open_compressed = False
        self.breaches = 0
        self.rest = b""  # of a compressed message
        self.compress = Compressor(agreement.bits, takeover=agreement.takeover) if agreement else None
        self.reader = open_link(agreement, limit, area)
        self.fed = open_link(agreement, limit, area)
        self.oracles = {name: make("client", agreement, limit) for name, make in ORACLES.items()}
        self.heard = dict.fromkeys(["reader", "fed", *ORACLES], 0)

    # What the server sends

    @precondition(lambda self: not self.open)
    @rule(text=TEXTS, opcode=st.sampled_from([TEXT, BINARY]))
    def message(self, text: bytes, opcode: int) -> None:
        """Send a whole message."""
        self.wire += frame(opcode, text)

    @precondition(lambda self: not self.open)
    @rule(data=BINARIES)
    def binary(self, data: bytes) -> None:
        """Send a whole message."""
        self.wire += frame(BINARY, data)

    @precondition(lambda self: not self.open)
    @rule(text=TEXTS, opcode=st.sampled_from([TEXT, BINARY]))
    def begin(self, text: bytes, opcode: int) -> None:
        """Send the first fragment."""
        self.wire += frame(opcode, text, fin=False)
        self.open = True

    @precondition(lambda self: self.open and not self.open_compressed)
    @rule(text=TEXTS, fin=st.booleans())
    def go_on(self, text: bytes, fin: bool) -> None:
        """Send another one."""
        self.wire += frame(CONT, text, fin=fin)
        self.open = not fin

    @precondition(lambda self: not self.open)
    @rule(cut=st.integers(0, 4), pings=st.integers(0, 1))
    def split_character(self, cut: int, pings: int) -> None:
        """Send a text in two fragments that have part of a character each."""
        character = "😀".encode()
        self.wire += (
            frame(TEXT, character[:cut], fin=False) + frame(PING) * pings + frame(CONT, character[cut:])
        )

    @precondition(lambda self: self.compress is not None and not self.open)
    @rule(text=TEXTS, copies=st.sampled_from([1, 1, 50, 5000]))
    def compressed_text(self, text: bytes, copies: int) -> None:
        """Send a compressed message, which may be too big."""
        assert self.compress is not None
        self.wire += frame(TEXT | RSV1, self.compress(text * copies))

    @precondition(lambda self: self.compress is not None and not self.open)
    @rule(data=BINARIES)
    def compressed_binary(self, data: bytes) -> None:
        """Send a compressed message that may be longer than it was."""
        assert self.compress is not None
        self.wire += frame(BINARY | RSV1, self.compress(data))

    @precondition(lambda self: self.compress is not None and not self.open)
    @rule(text=TEXTS, copies=st.sampled_from([1, 50]), cut=st.integers(0, 9))
    def begin_compressed(self, text: bytes, copies: int, cut: int) -> None:
        """Send the first fragment of a compressed message."""
        assert self.compress is not None
        data = self.compress(text * copies)
        self.wire += frame(TEXT | RSV1, data[:cut], fin=False)
        self.rest = data[cut:]
        self.open = self.open_compressed = True

    @precondition(lambda self: self.open_compressed)
    @rule(size=st.none() | st.integers(0, 9))
    def go_on_compressed(self, size: int | None) -> None:
        """Send some of the rest, or all of it."""
        piece = self.rest if size is None else self.rest[:size]
        self.rest = self.rest[len(piece) :]
        self.wire += frame(CONT, piece, fin=size is None)
        self.open = self.open_compressed = size is not None

    @rule(opcode=st.sampled_from([PING, PONG]), payload=st.sampled_from([b"", b"?", b"p" * 125]))
    def control(self, opcode: int, payload: bytes) -> None:
        """Send a control frame.

        Inside a compressed message (RFC 6455 section 5.4, RFC 7692 section 6.1) one makes wsproto forget that
        the message is compressed: it tells the rest as it is.
        """
        if self.open_compressed and self.deaf is None:
            self.deaf = len(self.wire)
        self.wire += frame(opcode, payload)

    # What it must not send. One rule for all of it, or no conversation would last.

    @precondition(lambda self: self.breaches < 2)
    @rule(data=st.data(), breach=st.sampled_from(["close", "header", "length", "order", "text", "deflate"]))
    def breach(self, data: st.DataObject, breach: str) -> None:
        """Send what ends the conversation, most of the time."""
        self.breaches += 1
        if self.open_compressed and breach in {"text", "deflate"}:
            breach = "order"  # other data there might be a final block, at which both oracles go deaf
        match breach:
            case "close":
                wire = frame(CLOSE, data.draw(CLOSES))
            case "header":
                wire = data.draw(HEADERS)
                if self.compress is not None:
                    wire = bytes([wire[0] & ~RSV1]) + wire[1:]  # for the same reason
            case "length":
                wire = data.draw(LENGTHS)
            case "order":
                wire = frame(
                    data.draw(st.sampled_from([TEXT, BINARY])) if self.open else CONT, data.draw(TEXTS)
                )
            case "text":
                opcode = CONT if self.open else TEXT
                wire = frame(opcode, data.draw(BROKEN_TEXTS), fin=data.draw(st.booleans()))
            case _:
                wire = frame(
                    CONT if self.open else BINARY | RSV1, data.draw(GARBAGES), fin=data.draw(st.booleans())
                )
        if self.open_compressed and wire[0] & 0x08 and self.deaf is None:
            self.deaf = len(self.wire)
        self.wire += wire

    # What arrives

    @rule(who=st.sampled_from(["reader", "fed", *ORACLES]), size=SIZES)
    def arrive(self, who: str, size: int) -> None:
        """Let one of them hear more of it, in one piece."""
        self._arrive(who, size)

    def _arrive(self, who: str, size: int) -> None:
        end = len(self.wire) if who != "wsproto" or self.deaf is None else self.deaf
        start = self.heard[who]
        piece = self.wire[start : min(start + size, end)]
        self.heard[who] += len(piece)
        if who == "fed":
            if not self.fed.refused:
                self.fed.feed(piece)
        elif who == "reader":
            self.reader.data += piece
            while not self.reader.ended:
                self.reader.read(size)
        elif piece:
            self.oracles[who].receive(piece)

    @invariant()
    def cuts_do_not_matter(self) -> None:
        """Whoever of us heard less told a beginning of what the other told."""
        one, other = account(self.reader).told, account(self.fed).told
        size = min(len(one), len(other))

        assert one[:size] == other[:size]

    def teardown(self) -> None:
        """Let all hear the rest; then all say the same, or differ as the table says."""
        if not hasattr(self, "wire"):
            return
        for who in self.heard:
            self._arrive(who, len(self.wire) + 1)

        expected = ours(self.wire, self.agreement, self.limit)
        assert agree(expected, account(self.reader))
        assert agree(expected, account(self.fed))
        for name, oracle in self.oracles.items():
            heard = ours(self.wire[: self.heard[name]], self.agreement, self.limit)
            theirs = Account(oracle.told, oracle.end)
            if not agree(heard, theirs):
                row = difference(name, heard, theirs)
                hypothesis.event(f"{name}: {row.rule if row else None}")

                assert row is not None, (name, heard, theirs)


Codecs.TestCase.settings = hypothesis.settings(deadline=None, max_examples=100, stateful_step_count=40)
TestCodecs = Codecs.TestCase


# Large frames have ways of their own through the decoder, in which each begins where the last one ended.

LARGE_FRAMES = {
    "small": frame(TEXT, b"hello"),
    "binary": frame(BINARY, b"b" * 65_536),
    "text": frame(TEXT, "ä".encode() * 40_000),
    "too large": frame(BINARY, bytes(LARGEST + 1)),
    "no text": frame(TEXT, b"\xff" * 70_000),
    "begin": frame(BINARY, b"begin", fin=False),
    "begin large": frame(BINARY, b"b" * 65_536, fin=False),
    "go on": frame(CONT, b"on", fin=False),
    "end": frame(CONT, b"end"),
    "end large": frame(CONT, b"e" * 65_536),
    "ping": frame(PING),
    "half": frame(BINARY, b"h" * 100_000)[:50_000],
}


@hypothesis.settings(deadline=None, max_examples=300)
@hypothesis.given(
    st.lists(st.sampled_from(sorted(LARGE_FRAMES)), min_size=2, max_size=8),
    st.sampled_from([1 << 20, 262_144, 65_536 + 10, 40_000]),
    st.sampled_from([None, 0, 3, 65_536, 65_536 + 10, 65_536 + 17, 100_000, 1 << 20]),
)
# A message inside one, at the beginning of a pass; frames of each kind that are read straight.
@hypothesis.example(["small", "begin", "binary"], 1 << 20, None)
@hypothesis.example(["binary", "text", "binary", "no text"], 65_536 + 10, 1 << 20)
@hypothesis.example(["binary", "text", "binary", "ping", "small"], 100_000, 1 << 20)
@hypothesis.example(["text", "half", "small"], 100_000, 1 << 20)
def test_large_frames_behind_each_other(names: list[str], size: int, at_hand: int | None) -> None:
    """In one pass or in several, read straight or not, legal or not: what the oracle makes of them."""
    wire = b"".join(LARGE_FRAMES[name] for name in names)
    link = open_link(None, LARGEST, 262_144)
    link.data = wire
    while not link.ended:
        link.read(size, at_hand)
    theirs = ask("websockets", wire, None, LARGEST)

    assert agree(account(link), theirs) or difference("websockets", account(link), theirs)
    assert agree(account(link), ours(wire, None, LARGEST))


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: f"{row.oracle}: {row.rule[:40]}")
def test_the_differences_are_there(row: Difference) -> None:
    """No row of the table has outlived what it tells of: its example shows this difference and no other."""
    heard = ours(row.example, row.agreement, row.limit)
    theirs = ask(row.oracle, row.example, row.agreement, row.limit)

    assert not agree(heard, theirs)
    assert row is difference(row.oracle, heard, theirs)


@pytest.mark.parametrize("oracle", ORACLES)
def test_close_codes(oracle: str) -> None:
    """Of every code, the oracles say what we say, but for what the table has."""
    for code in [*range(990, 1200), *CODES]:
        wire = frame(CLOSE, struct.pack("!H", code))
        heard, theirs = ours(wire, None, 1000), ask(oracle, wire, None, 1000)

        assert agree(heard, theirs) or difference(oracle, heard, theirs), code


HELLO = Compressor()(b"Hello")
FINAL = bytes.fromhex("f348cdc9c9070000")  # RFC 7692 section 7.2.3.4


@pytest.mark.parametrize(
    ("oracle", "wire", "told"),
    [
        (
            "wsproto",
            frame(BINARY | RSV1, HELLO[:3], fin=False) + frame(PING) + frame(CONT, HELLO[3:]),
            [Control(PING, b""), b"Hello"],
        ),
        *((oracle, frame(BINARY | RSV1, FINAL) * 2, [b"Hello", b"Hello"]) for oracle in ORACLES),
    ],
    ids=["control frame in a compressed message", "websockets: final block", "wsproto: final block"],
)
def test_where_an_oracle_goes_deaf(oracle: str, wire: bytes, told: list[Event]) -> None:
    """What the machine keeps from an oracle is what the oracle gets wrong, without a word."""
    assert told == ours(wire, Agreement(), 1000).told
    assert told != ask(oracle, wire, Agreement(), 1000).told


# What we write


@st.composite
def letters(draw: st.DrawFn) -> tuple[int, bytes, bool]:
    """What a client sends: opcode, payload, and whether it is compressed if that was agreed on."""
    opcode = draw(st.sampled_from([TEXT, BINARY, TEXT, BINARY, PING, PONG]))
    if opcode in {PING, PONG}:
        return opcode, draw(st.binary(max_size=125)), False
    payload = draw(TEXTS) if opcode == TEXT else draw(BINARIES)
    return opcode, payload * draw(st.sampled_from([1, 1, 3])), draw(st.booleans())


@hypothesis.settings(deadline=None)
@hypothesis.given(
    st.sampled_from(AGREEMENTS),
    st.lists(letters(), max_size=8),
    st.one_of(
        st.none(), st.tuples(st.sampled_from([1000, 1001, 1005, 1013, 3000, 4999]), st.text(max_size=60))
    ),
    st.lists(SIZES, max_size=20),
)
def test_the_oracles_read_what_we_write(
    agreement: Agreement | None,
    talk: list[tuple[int, bytes, bool]],
    goodbye: tuple[int, str] | None,
    cuts: list[int],
) -> None:
    """Masked, compressed, in one part or in two, cut anywhere: both tell what we sent, and how we closed."""
    deflate = negotiate(agreement.answer) if agreement else None
    wire, told, end = b"", list[Event](), None
    for opcode, payload, compressed in talk:
        data: bytes | bytearray | memoryview = payload
        first = opcode
        if compressed and deflate is not None:
            first, data = opcode | RSV1, deflate.compress(payload)
        wire += b"".join(encode_parts(first, data)) if len(data) > COPY_LIMIT else encode(first, data)
        if opcode in {PING, PONG}:
            told.append(Control(opcode, payload))
        else:
            told.append(payload.decode() if opcode == TEXT else payload)
    if goodbye is not None:
        written = close_payload(*goodbye)
        wire += encode(CLOSE, written)
        end = End("closed", *parse_close(written))
    for name, make in ORACLES.items():
        server = make("server", agreement, 1 << 20)
        rest = wire
        for size in [*cuts, len(wire)]:
            if rest:
                server.receive(rest[:size])
                rest = rest[size:]

        assert Account(told, end) == Account(server.told, server.end), name
