"""permessage-deflate: what was compressed arrives as it was, however cut; what harms is refused in time."""

import itertools
import random
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Iterable, Sequence
from functools import partial

import hypothesis
import pytest
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

from tests._wire import reception
from tests._wire.compressor import TAIL, Compressor
from tests._wire.reception import LIMIT, Told, Verdict, drain
from tests.scripted_peer import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame, parse_frames
from trio_ohws._wire.decoder import Control, Decoder, Message, Pause
from trio_ohws._wire.deflate import MIN_SIZE, OFFER, PIECE, CompressionStatistics, Deflate, negotiate
from trio_ohws._wire.frames import RSV1, encode
from trio_ohws._wire.http1 import HeadParser
from trio_ohws._wire.scratch import Scratch
from trio_ohws._wire.upgrade import accept_key, check_answer, check_extensions

HELLO = bytes.fromhex("f248cdc9c90700")  # RFC 7692 section 7.2.3.1

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Extensions: %b\r\n\r\n" % (KEY, OFFER.encode())
)


TOO_BIG = Verdict(1009, "message over the limit when inflated")
NO_DEFLATE = Verdict(1007, "compressed data that cannot be inflated")
NOT_UTF8 = Verdict(1007, "text that is not UTF-8")
RESERVED = Verdict(1002, "reserved bits set")


def receive(
    data: bytes,
    answer: str | Deflate = "permessage-deflate",
    cuts: Iterable[int] = (),
    *,
    area: int = 262144,
    limit: int = LIMIT,
) -> list[Told]:
    """Return what is told of `data` where a server has agreed on compression."""
    deflate = negotiate(answer) if isinstance(answer, str) else answer
    return reception.receive(data, cuts, scratch=Scratch(area), limit=limit, deflate=deflate)


# Conversations

WINDOWS = st.integers(9, 15)
SIZES = st.one_of(
    st.integers(0, 130),
    st.sampled_from([125, 126, 512, 2043, 2044, 2045, PIECE - 1, PIECE, PIECE + 1, 40_000, 65535, 65536]),
)
READS = st.lists(st.one_of(st.integers(1, 12), st.sampled_from([126, 2048, 4096, 40_000])), max_size=30)
AREAS = st.sampled_from([127, 128, 256, 4096, 65536, 262144])


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """A message that compresses very well, somewhat, or not at all."""
    size, seed = draw(SIZES), draw(st.integers(0, 9))
    source = random.Random(seed)
    match draw(st.integers(0, 3)):
        case 0:
            return source.randbytes(size)
        case 1:
            return (source.randbytes(7) * size)[:size]
        case 2:
            return "".join(source.choices("aäあ😀", k=size))
        case _:
            return "a😀" * (size // 2)


def payload_of(message: Message) -> tuple[int, bytes]:
    """Return the opcode and the bytes of a message."""
    return (TEXT, message.encode()) if isinstance(message, str) else (BINARY, message)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[str, bytes, list[Told]]:
    """What a server agrees to, the bytes that it sends, and what is to be told of them."""
    bits, takeover, last = draw(WINDOWS), draw(st.booleans()), draw(st.booleans())
    answer = f"permessage-deflate; server_max_window_bits={bits}"
    if not takeover:
        answer += "; server_no_context_takeover"
    compress = Compressor(bits, takeover=takeover, last=last)
    wire, told = b"", list[Told]()
    for message in draw(st.lists(messages(), min_size=1, max_size=5)):
        opcode, payload = payload_of(message)
        if draw(st.integers(0, 3)):
            opcode, payload = opcode | RSV1, compress(payload)
        places = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
        for start, end in itertools.pairwise([0, *places]):
            wire += frame(opcode, payload[start:end], fin=False)
            opcode = CONT
            if draw(st.booleans()):
                wire += frame(PING, b"in between")
                told.append(Control(PING, b"in between"))
        wire += frame(opcode, payload[places[-1] if places else 0 :])
        told.append(message)
    return answer, wire, told


@hypothesis.settings(deadline=None, max_examples=200)
@hypothesis.given(conversations(), READS, AREAS)
def test_every_cut_tells_the_same(
    conversation: tuple[str, bytes, list[Told]], cuts: list[int], area: int
) -> None:
    """Frames, fragments, reads, windows, context takeover, final blocks: the messages are what was sent."""
    answer, wire, told = conversation

    assert told == receive(wire, answer, cuts, area=area)


class Server:
    """websockets' server, without a network, that has agreed with us on compression."""

    def __init__(self, **settings: int | bool | None) -> None:
        factory = ServerPerMessageDeflateFactory(**settings)  # type: ignore[arg-type]
        self.protocol = ServerProtocol(extensions=[factory], max_size=None)
        self.protocol.receive_data(REQUEST)
        (request,) = self.protocol.events_received()
        self.protocol.send_response(self.protocol.accept(request))  # type: ignore[arg-type]
        head = HeadParser().feed(self.sent())
        assert head is not None
        assert check_answer(head, accept_key(KEY), ()) is None
        deflate = check_extensions(head, deflate=True)
        assert deflate is not None
        self.deflate = deflate

    def sent(self) -> bytes:
        """Return what it has written since the last time."""
        return b"".join(self.protocol.data_to_send())

    def told(self) -> list[Message]:
        """Return the messages that it was sent."""
        frames = self.protocol.events_received()
        assert all(isinstance(one, Frame) and one.fin for one in frames)
        return [
            bytes(one.data).decode() if one.opcode is Opcode.TEXT else bytes(one.data)
            for one in frames
            if isinstance(one, Frame)
        ]


SERVERS = st.fixed_dictionaries(
    {
        "server_no_context_takeover": st.booleans(),
        "client_no_context_takeover": st.booleans(),
        "server_max_window_bits": st.one_of(st.none(), WINDOWS),
        "client_max_window_bits": st.one_of(st.none(), WINDOWS),
    }
)
TALK = st.lists(messages(), min_size=1, max_size=6)


@hypothesis.settings(deadline=None)
@hypothesis.given(SERVERS, TALK, READS)
def test_what_websockets_compresses_arrives(
    settings: dict[str, int | bool | None], talk: list[Message], cuts: list[int]
) -> None:
    """With every agreement, what websockets' server sends, in one frame or in two, is what we tell."""
    server = Server(**settings)
    for message in talk:
        opcode, payload = payload_of(message)
        send = server.protocol.send_text if opcode == TEXT else server.protocol.send_binary
        middle = len(payload) // 2
        send(payload[:middle], fin=False)
        server.protocol.send_ping(b"")
        server.protocol.send_continuation(payload[middle:], fin=True)
        send(payload)
    expected = list[Told]()
    for message in talk:
        expected += [Control(PING, b""), message, message]

    assert expected == receive(server.sent(), server.deflate, cuts)


@hypothesis.settings(deadline=None)
@hypothesis.given(SERVERS, TALK)
def test_what_we_compress_arrives_at_websockets(
    settings: dict[str, int | bool | None], talk: list[Message]
) -> None:
    """With every agreement, websockets' server inflates what we compress, amid what we do not."""
    server = Server(**settings)
    for message in talk:
        opcode, payload = payload_of(message)
        server.protocol.receive_data(encode(opcode | RSV1, server.deflate.compress(payload)))
        server.protocol.receive_data(encode(opcode, payload))

    assert [message for message in talk for _ in range(2)] == server.told()


# The RFC's own examples

RFC_EXAMPLES: list[tuple[str, Sequence[bytes]]] = [
    ("7.2.3.1, one block", [frame(TEXT | RSV1, HELLO)]),
    ("7.2.3.1, fragmented", [frame(TEXT | RSV1, HELLO[:3], fin=False), frame(CONT, HELLO[3:])]),
    (
        "7.2.3.2, the window of the message before",
        [frame(TEXT | RSV1, HELLO), bytes.fromhex("c105f200110000")],
    ),
    ("7.2.3.3, a block without compression", [bytes.fromhex("c10b000500faff48656c6c6f00")]),
    ("7.2.3.4, a final block", [bytes.fromhex("c108f348cdc9c9070000")]),
    ("7.2.3.5, two blocks", [bytes.fromhex("c10df248050000 00ffffcac9c90700".replace(" ", ""))]),
]


@pytest.mark.parametrize(
    "frames", [frames for _, frames in RFC_EXAMPLES], ids=[name for name, _ in RFC_EXAMPLES]
)
def test_the_examples_of_the_rfc(frames: Sequence[bytes]) -> None:
    """Each example says Hello, cut at each byte too, and leaves a connection that goes on."""
    wire = b"".join(frames)
    hello = ["Hello"] * sum(one[0] & 0x80 > 0 for one in frames)
    after = frame(TEXT | RSV1, HELLO)

    assert [*hello, "Hello"] == receive(wire + after)
    assert [*hello, "Hello"] == receive(wire + after, cuts=[1] * len(wire))


def test_the_empty_message_of_the_rfc() -> None:
    """Section 7.2.3.6: one byte of nought is the empty message."""
    assert ["", b""] == receive(frame(TEXT | RSV1, b"\0") + frame(BINARY | RSV1, b"\0"))


@pytest.mark.parametrize("size", [0, 10, 5000])
@pytest.mark.parametrize("answer", ["permessage-deflate", "permessage-deflate; server_no_context_takeover"])
def test_what_follows_a_final_block(answer: str, size: int) -> None:
    """A final block ends neither the message nor the connection, not even where it is the message's end."""
    plain = random.Random(1).randbytes(size)
    stream = zlib.compressobj(wbits=-15)
    final = stream.compress(plain) + stream.flush()
    again = Compressor(takeover=False)(plain)
    wire = frame(BINARY | RSV1, final + final + again)
    wire += frame(BINARY | RSV1, final, fin=False) + frame(CONT, final, fin=False) + frame(CONT, again)
    wire += frame(BINARY | RSV1, final + b"\x01")  # the end of the message is this final block's length
    wire += frame(BINARY | RSV1, again)

    assert [plain * 3, plain * 3, plain, plain] == receive(wire, answer)


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_a_message_that_ends_with_its_final_block(size: int) -> None:
    """Where a server forgets the byte behind a final block, every cut leaves a connection that goes on."""
    plain = random.Random(1).randbytes(size)
    stream = zlib.compressobj(wbits=-15)
    final = stream.compress(plain) + stream.flush()
    wire = frame(BINARY | RSV1, final) + frame(BINARY | RSV1, final, fin=False) + frame(CONT)
    wire += frame(BINARY | RSV1) + frame(TEXT | RSV1, HELLO)

    assert [plain, plain, b"", "Hello"] == receive(wire)
    assert [plain, plain, b"", "Hello"] == receive(wire, cuts=[1] * len(wire))


def test_nothing_but_final_blocks() -> None:
    """Thousands of final blocks are a slow way to say nothing, but a message like any other."""
    wire = frame(BINARY | RSV1, b"\x03\x00" * 5_000 + b"\x00") + frame(BINARY | RSV1, HELLO)

    assert [b"", b"Hello"] == receive(wire)


def test_nothing_but_final_blocks_cannot_starve_others() -> None:
    """They are paused for as other messages are, though they inflate to nothing."""
    decoder = Decoder(Scratch(), LIMIT)
    decoder.deflate = negotiate("permessage-deflate")
    decoder.feed(frame(BINARY | RSV1, b"\x03\x00" * 65_536))
    pauses = 0
    while not decoder.decode():
        assert isinstance(decoder.stop, Pause)
        pauses += 1

    assert pauses >= 7


# What is refused

GARBAGE = b"\xff" * 10
LATIN = Compressor()("Grüße".encode("latin-1"))
NO_WINDOW = "permessage-deflate; server_no_context_takeover"
# Longer than what is inflated at a time: within that zlib sees no distance that is too far.
FAR_BACK = Compressor(15)(random.Random(1).randbytes(2 * PIECE) * 2)

REFUSED: list[tuple[str, str, bytes, Verdict]] = [
    ("garbage", "permessage-deflate", frame(BINARY | RSV1, GARBAGE), NO_DEFLATE),
    ("garbage, no takeover", NO_WINDOW, frame(BINARY | RSV1, GARBAGE), NO_DEFLATE),
    ("garbage in text", "permessage-deflate", frame(TEXT | RSV1, GARBAGE), NO_DEFLATE),
    ("garbage in a fragment", "permessage-deflate", frame(TEXT | RSV1, GARBAGE, fin=False), NO_DEFLATE),
    (
        "garbage in the second fragment",
        "permessage-deflate",
        frame(BINARY | RSV1, bytes.fromhex("f24805000000ffff"), fin=False) + frame(CONT, GARBAGE),
        NO_DEFLATE,
    ),
    ("a window that is gone", NO_WINDOW, bytes.fromhex("c105f200110000"), NO_DEFLATE),
    (
        "a distance beyond the window agreed on",
        "permessage-deflate; server_max_window_bits=9",
        frame(BINARY | RSV1, FAR_BACK),
        NO_DEFLATE,
    ),
    ("text that is not UTF-8", "permessage-deflate", frame(TEXT | RSV1, LATIN), NOT_UTF8),
    ("a fragment of such a text", "permessage-deflate", frame(TEXT | RSV1, LATIN, fin=False), NOT_UTF8),
    (
        "text that ends inside a character",
        "permessage-deflate",
        frame(TEXT | RSV1, Compressor()(b"\xc3"), fin=False) + frame(CONT),
        NOT_UTF8,
    ),
    (
        "RSV1 on a continuation",
        "permessage-deflate",
        frame(TEXT, "a", fin=False) + frame(CONT | RSV1),
        RESERVED,
    ),
    (
        "RSV1 on the continuation of a compressed message",
        "permessage-deflate",
        frame(TEXT | RSV1, HELLO[:3], fin=False) + frame(CONT | RSV1, HELLO[3:]),
        RESERVED,
    ),
    *(
        (f"{bits:#x} on opcode {opcode}", "permessage-deflate", frame(opcode | bits, HELLO), RESERVED)
        for opcode, bits in [
            *itertools.product((PING, PONG, CLOSE), (0x40, 0x20, 0x10)),
            *itertools.product((TEXT, BINARY), (0x20, 0x10, 0x60, 0x50, 0x70)),
            (3, 0x40),
        ]
    ),
]


@pytest.mark.parametrize(
    ("answer", "wire", "verdict"),
    [(answer, wire, verdict) for _, answer, wire, verdict in REFUSED],
    ids=[name for name, *_ in REFUSED],
)
def test_what_is_refused(answer: str, wire: bytes, verdict: Verdict) -> None:
    """Whatever breaks a rule is refused with the code for it, behind a good message, at every cut."""
    good = frame(TEXT, "good")

    assert ["good", verdict] == receive(good + wire, answer)
    assert ["good", verdict] == receive(good + wire, answer, [1] * (len(good) + len(wire)))


def test_without_an_agreement_nothing_is_inflated() -> None:
    """RSV1 is a reserved bit as any other where compression was not agreed on."""
    decoder = Decoder(Scratch(), LIMIT)
    decoder.feed(frame(TEXT | RSV1, HELLO))

    assert [RESERVED] == drain(decoder)


@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0", b"\xf5", b"\xc3("], ids=bytes.hex)
def test_bad_text_is_found_while_its_frame_arrives(bad: bytes) -> None:
    """The verdict falls with the byte that is wrong, though megabytes of the frame are still to come."""
    stream = zlib.compressobj(wbits=-15)
    head = stream.compress(b"good" + bad) + stream.flush(zlib.Z_SYNC_FLUSH)
    arriving = bytes((0xC1, 127)) + (1 << 22).to_bytes(8, "big") + head

    assert [NOT_UTF8] == receive(arriving)


# Limits


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("limit", [1, 100, 5000, 100_000])
def test_the_limit_counts_what_is_inflated(opcode: int, limit: int, pieces: int) -> None:
    """A message of exactly the limit is taken, one of a byte more refused, however small it was sent."""

    def wire(size: int) -> bytes:
        data = Compressor()(b"a" * size)
        step = -(-len(data) // pieces)
        parts = [data[start : start + step] for start in range(0, len(data), step)]
        opcodes = [opcode | RSV1, CONT, CONT]
        return b"".join(map(partial(frame, fin=False), opcodes, parts)) + frame(CONT)

    allowed: Message = "a" * limit if opcode == TEXT else b"a" * limit

    assert [allowed] == receive(wire(limit), limit=limit)
    assert [TOO_BIG] == receive(wire(limit + 1), limit=limit)


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (b"a\xff" * 500, NOT_UTF8),
        (b"a" * 99 + b"\xff" * 500, NOT_UTF8),
        (b"a" * 100 + b"\xff" * 500, TOO_BIG),
    ],
)
def test_of_two_faults_the_first_counts(text: bytes, verdict: Verdict, fin: bool) -> None:
    """A message that is too big and no text is refused for what comes first, however it is cut."""
    wire = frame(TEXT | RSV1, Compressor()(text), fin=fin)

    assert [verdict] == receive(wire, limit=100)
    assert [verdict] == receive(wire, cuts=[1] * len(wire), limit=100)


def test_a_message_may_be_larger_compressed_than_inflated() -> None:
    """What deflate cannot compress comes some bytes larger than the message, which is what counts."""
    plain = random.Random(1).randbytes(1000)
    compressed = Compressor()(plain)
    assert len(compressed) > len(plain)

    assert [plain] == receive(frame(BINARY | RSV1, compressed), limit=len(plain))


def test_the_limit_is_per_message() -> None:
    """Many messages that each fit are all taken."""
    compress = Compressor()
    wire = b"".join(frame(BINARY | RSV1, compress(b"a" * 1000)) for _ in range(50))

    assert [b"a" * 1000] * 50 == receive(wire, limit=1000)


BOMB = """
import resource, sys, time, zlib
from trio_ohws._wire.decoder import Decoder
from trio_ohws._wire.deflate import negotiate
from trio_ohws._wire.frames import Violation
from trio_ohws._wire.scratch import Scratch

opcode, seed = int(sys.argv[1]), sys.argv[2].encode()
stream = zlib.compressobj(9, wbits=-15)
part = seed * ((1 << 20) // len(seed))
data = 257 * (stream.compress(part) + stream.flush(zlib.Z_FULL_FLUSH))  # it refers to nothing before it
wire = bytes((0xC0 | opcode, 127)) + len(data).to_bytes(8, "big") + data
assert len(part) * 257 >= 1 << 28, len(part)
scratch = Scratch()
decoder = Decoder(scratch, 16 << 20)
decoder.deflate = negotiate("permessage-deflate")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begun = time.process_time()
while wire and not isinstance(decoder.stop, Violation):
    buffer = decoder.get_buffer()
    count = min(len(buffer), len(wire))
    buffer[:count] = wire[:count]
    wire = wire[count:]
    decoder.buffer_updated(count)
    assert not decoder.decode()
    while decoder.stop is not None and not isinstance(decoder.stop, Violation):
        assert not decoder.decode()
took = time.process_time() - begun
print(decoder.stop.code, took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak, len(data))
"""


@pytest.mark.parametrize(
    ("opcode", "seed"),
    [(BINARY, "a"), (TEXT, "a"), (TEXT, "😀" + "a" * 124)],
    ids=["binary", "ascii", "wide text"],
)
def test_a_bomb_is_refused_in_time(opcode: int, seed: str) -> None:
    """256 MiB in 261 KiB (wide text: 901): 1009 within a second of work, and under 40 MiB more of memory."""
    if sys.platform != "linux":
        pytest.skip("ru_maxrss is in other units elsewhere")
    run = subprocess.run(
        [sys.executable, "-c", BOMB, str(opcode), seed], capture_output=True, check=True, text=True
    )
    code, seconds, kib, size = run.stdout.split()

    assert int(code) == 1009
    assert float(seconds) < 1
    assert int(kib) < 40 << 10
    assert int(size) < 1 << 20


def test_many_small_bombs_do_not_add_up() -> None:
    """A chunk with a hundred messages of a megabyte, each allowed, is handed on one by one."""
    one = frame(BINARY | RSV1, Compressor(takeover=False)(bytes(1 << 20)))
    decoder = Decoder(Scratch(), 1 << 20)
    decoder.deflate = negotiate(NO_WINDOW)
    wire = one * 100
    assert len(wire) < 262144
    told = 0
    tracemalloc.start()
    try:
        decoder.feed(wire)
        while messages := decoder.decode():
            told += len(messages)
            del messages
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert told == 100
    assert peak < 8 << 20


def test_a_pass_ends_when_much_was_inflated() -> None:
    """Others get a turn after every few megabytes, inside a message too, and inside a frame."""
    decoder = Decoder(Scratch(), 1 << 28)
    decoder.deflate = negotiate("permessage-deflate")
    decoder.feed(frame(BINARY | RSV1, Compressor()(bytes(64 << 20))))
    pauses = 0
    while not (told := decoder.decode()):
        assert isinstance(decoder.stop, Pause)
        pauses += 1

    assert [bytes(64 << 20)] == told
    assert pauses >= 15


# Our side


def test_the_offer() -> None:
    """We offer what browsers do: any window, and that the server may limit ours."""
    assert OFFER == "permessage-deflate; client_max_window_bits"


def test_a_window_of_earlier_messages_pays() -> None:
    """With context takeover, the second of two like messages is a reference to the first."""
    deflate = negotiate("permessage-deflate")
    text = random.Random(1).randbytes(500)

    assert len(deflate.compress(text)) > 500
    assert len(deflate.compress(text)) < 30


def test_without_context_takeover_no_message_needs_another() -> None:
    """client_no_context_takeover: like messages are compressed alike, and each is inflated alone."""
    deflate = negotiate("permessage-deflate; client_no_context_takeover")
    text = b"again and again and again" * 10
    first, second = bytes(deflate.compress(text)), bytes(deflate.compress(text))

    assert first == second
    assert text == zlib.decompressobj(wbits=-15).decompress(second + TAIL)


@pytest.mark.parametrize("bits", range(9, 16))
def test_our_window_is_as_agreed(bits: int) -> None:
    """client_max_window_bits: an inflater with that window reads all, though matches lie further back."""
    deflate = negotiate(f"permessage-deflate; client_max_window_bits={bits}")
    inflater = zlib.decompressobj(wbits=-bits)
    block = random.Random(bits).randbytes((1 << bits) - 300)
    for payload in (block, block, block * 3):
        assert payload == inflater.decompress(bytes(deflate.compress(payload)) + TAIL)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes_is_compressed(kind: type) -> None:
    """What can be sent can be compressed."""
    data = bytes(negotiate("permessage-deflate").compress(kind(b"a" * 100)))

    assert b"a" * 100 == zlib.decompressobj(wbits=-15).decompress(data + TAIL)


def test_small_messages_are_not_worth_it() -> None:
    """The threshold stands where deflate by itself, without a window, begins to save anything of JSON."""
    deflate = negotiate("permessage-deflate; client_no_context_takeover")
    tick = b'{"symbol": "BTCUSDT", "price": 67123.41, "quantity": 310, "time": 1}'

    assert len(deflate.compress(tick[: MIN_SIZE - 16])) >= MIN_SIZE - 16
    assert len(deflate.compress(tick[:MIN_SIZE])) < MIN_SIZE


def test_statistics() -> None:
    """Both directions are counted before and after, messages that were not compressed not at all."""
    deflate = negotiate("permessage-deflate")

    assert deflate.statistics() == CompressionStatistics(0, 0, 0, 0)
    assert (None, None) == (deflate.statistics().sent_ratio, deflate.statistics().received_ratio)

    wire = encode(BINARY | RSV1, deflate.compress(b"a" * 1000))
    (sent,), _ = parse_frames(wire)
    pieces = (
        frame(BINARY | RSV1, sent.payload[:4], fin=False)
        + frame(CONT, sent.payload[4:])
        + frame(TEXT, "plain")
    )

    assert [b"a" * 1000, "plain"] == receive(pieces, deflate)
    statistics = deflate.statistics()
    size = len(sent.payload)
    assert CompressionStatistics(1000, size, 1000, size) == statistics
    assert (size / 1000, size / 1000) == (statistics.sent_ratio, statistics.received_ratio)
