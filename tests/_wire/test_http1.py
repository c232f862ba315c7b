"""Response heads: what is taken, what is refused and when, and that no cut matters."""

import h11
import hypothesis
import pytest
from hypothesis import strategies as st

from trio_ohws._wire.http1 import HEAD_LIMIT, HeadParser, MalformedHead, ResponseHead

SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
SWITCHED = ResponseHead(
    (1, 1),
    101,
    "Switching Protocols",
    [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ],
)


def parse(*pieces: bytes) -> tuple[ResponseHead | None, bytes]:
    """Return the head and the rest of an answer that arrives in pieces."""
    parser = HeadParser()
    head = None
    for number, piece in enumerate(pieces, 1):
        head = parser.feed(piece)
        if head is not None:
            return head, parser.rest + b"".join(pieces[number:])
    return None, parser.rest


def bytewise(data: bytes) -> list[bytes]:
    """Return the bytes of `data`, one by one."""
    return [data[place : place + 1] for place in range(len(data))]


def refusal(*pieces: bytes) -> tuple[str, int]:
    """Return the words and the status of the refusal of an answer that arrives in pieces."""
    with pytest.raises(MalformedHead) as caught:
        parse(*pieces)
    return str(caught.value), caught.value.status


# What is taken


def test_every_cut() -> None:
    """The head, and what came after it, are the same wherever the bytes are cut."""
    data = b"HTTP/1.1 102 Processing\r\nA: b\r\n\r\n" + SWITCHING + b"\x81\x01a\r\n\r\n"
    expected = (SWITCHED, b"\x81\x01a\r\n\r\n")

    assert expected == parse(data)
    assert expected == parse(*bytewise(data))
    for first in range(len(data)):
        assert expected == parse(data[:first], data[first:]), first


def test_memory_that_is_used_again() -> None:
    """What is fed may be a view of memory that changes afterwards."""
    area = bytearray(SWITCHING[:50])
    parser = HeadParser()
    assert parser.feed(memoryview(area)) is None
    area[:] = bytes(50)

    assert SWITCHED == parser.feed(memoryview(SWITCHING)[50:])


@pytest.mark.parametrize(
    ("line", "version", "status", "reason"),
    [
        (b"HTTP/1.1 200 OK", (1, 1), 200, "OK"),
        (b"HTTP/1.0 403 Forbidden", (1, 0), 403, "Forbidden"),
        (b"HTTP/1.1 404 ", (1, 1), 404, ""),
        (b"HTTP/1.1 404", (1, 1), 404, ""),
        (b"HTTP/1.1 503 Try again,\tlater (soon)", (1, 1), 503, "Try again,\tlater (soon)"),
        (b"HTTP/1.1 404 Not found: \xfcber", (1, 1), 404, "Not found: über"),
        (b"HTTP/1.1 200  spaced ", (1, 1), 200, " spaced "),
        (b"HTTP/1.1 101", (1, 1), 101, ""),
        (b"HTTP/1.0 101 Yes", (1, 0), 101, "Yes"),
        (b"HTTP/1.1 999 Own", (1, 1), 999, "Own"),
    ],
)
def test_status_lines(line: bytes, version: tuple[int, int], status: int, reason: str) -> None:
    """Version, status and reason phrase are read; the phrase may be missing, or be Latin-1."""
    assert (ResponseHead(version, status, reason, []), b"") == parse(line + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (b"Server: x", "server", "x"),
        (b"Server:x", "server", "x"),
        (b"Server: \t x y\tz \t ", "server", "x y\tz"),
        (b"Server:", "server", ""),
        (b"Server: \t ", "server", ""),
        (b"X: a:b: c", "x", "a:b: c"),
        (b"SET-Cookie: a=b; c", "set-cookie", "a=b; c"),
        (b"!#$%&'*+-.^_`|~09azAZ: x", "!#$%&'*+-.^_`|~09azaz", "x"),
        (b"X: caf\xe9 \xa0", "x", "café \xa0"),
        (b"X: \x80\xff", "x", "\x80\xff"),
    ],
)
def test_header_lines(line: bytes, name: str, value: str) -> None:
    """Names become lower case; blanks around a value go, those within stay; bytes over 7F are Latin-1."""
    head, rest = parse(b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\n")

    assert (ResponseHead((1, 1), 200, "OK", [(name, value)]), b"") == (head, rest)


def test_headers_keep_their_order() -> None:
    """A header that repeats is listed as often, in the order of arrival."""
    head, _ = parse(b"HTTP/1.1 200 OK\r\nB: 1\r\nA: 2\r\nb: 3\r\n\r\n")

    assert head is not None
    assert [("b", "1"), ("a", "2"), ("b", "3")] == head.headers


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_interim_responses_are_skipped(status: int) -> None:
    """Any number of 1xx answers before the final one is skipped, with their headers; 101 is final."""
    interim = b"HTTP/1.1 %d Wait\r\nLink: </a>\r\n\r\n" % status
    assert (SWITCHED, b"") == parse(interim * 3 + SWITCHING)
    refused = b"HTTP/1.1 403 Forbidden\r\n\r\n"

    assert (ResponseHead((1, 1), 403, "Forbidden", []), b"body") == parse(interim, refused + b"body")
    assert (None, b"") == parse(interim)


# What is refused


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\r\nHTTP/1.1",
        b" HTTP/1.1",
        b"http/1.1",
        b"HTTQ",
    ],
    ids=["SSH", "TLS alert", "empty line", "blank", "lower case", "fourth byte"],
)
def test_garbage_is_refused_early(data: bytes) -> None:
    """What does not begin like HTTP is refused by its first wrong byte, with no end of a head in sight."""
    wrong = next(place for place in range(len(data)) if data[: place + 1] != b"HTTP/"[: place + 1])
    parser = HeadParser()
    assert parser.feed(data[:wrong]) is None

    with pytest.raises(MalformedHead, match="not HTTP"):
        parser.feed(data[wrong : wrong + 1])


def test_garbage_behind_an_interim_response() -> None:
    """What follows an interim response has to be HTTP too."""
    assert ("the answer is not HTTP", 0) == refusal(b"HTTP/1.1 100 Continue\r\n\r\n" + SWITCHING[1:])


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1",
        b"HTTP/1.1 ",
        b"HTTP/1.1 20",
        b"HTTP/1.1 2000",
        b"HTTP/1.1 099 Low",
        b"HTTP/1.1 000 Null",
        b"HTTP/1.1 2x0 OK",
        b"HTTP/1.1 +20 OK",
        b"HTTP/1.1 200OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1\t200 OK",
        b"HTTP/1 200 OK",
        b"HTTP/11 200 OK",
        b"HTTP/1.10 200 OK",
        b"HTTP/a.b 200 OK",
        b"HTTP/1.1 200 O\x00K",
        b"HTTP/1.1 200 O\x7fK",
        b"HTTP/1.1 200 O\x1bK",
        b"HTTP/1.1 200 OK\r",
        "HTTP/1.1 20\N{SUPERSCRIPT TWO} OK".encode("latin-1"),
    ],
)
def test_status_lines_that_are_refused(line: bytes) -> None:
    """A status line that is not the RFC's, byte for byte, is refused; a status in it does not count."""
    assert ("the status line is malformed", 0) == refusal(line + b"\r\nServer: x\r\n\r\n")


@pytest.mark.parametrize(
    "line",
    [
        b"X : y",
        b"X\t: y",
        b" X: y",
        b"\tX: y",
        b"X y: z",
        b": y",
        b"X",
        b"X(: y",
        b"X\xe9: y",
        b"X\x00: y",
        b"X: \x00",
        b"X: a\x00b",
        b"X: a\x0bb",
        b"X: \x1b[2J",
        b"X: a\x7f",
        b"X: a\rb",
        b"X: y\r",
        b"A: b\r\n c",
        b"A: b\r\n\tc: d",
        b"A: b\r\n \r\nC: d",
    ],
)
def test_header_lines_that_are_refused(line: bytes) -> None:
    """Blanks before the colon, folded lines, bare CR and control characters are refused, by status."""
    data = b"HTTP/1.1 403 Forbidden\r\nServer: x\r\n" + line + b"\r\n\r\n"

    assert ("a header line is malformed", 403) == refusal(data)
    assert ("a header line is malformed", 403) == refusal(*bytewise(data))


@pytest.mark.parametrize(
    ("begins", "status"),
    [
        (b"HTTP/1.1 101 Switching Protocols\n", 0),
        (b"HTTP/1.1 200 OK\r\nServer: x\n", 200),
        (b"HTTP/1.1 200 OK\r\nX: y\r\nA: b\n", 200),
        (b"HTTP/1.1 200 OK\r\n\n", 200),
        (b"HTTP/1.1 2x0 OK\r\nServer: x\n", 0),
        (b"HTTP/1.1 200 OK\r\nX : y\r\nA: b\n", 200),
        (b"HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 403 Forbidden\r\nServer: x\n", 403),
    ],
)
@pytest.mark.parametrize("rest", [b"", b"Upgrade: websocket\n\n", b"X: y\r\n\r\n"])
def test_a_bare_line_feed_is_refused_at_once(begins: bytes, status: int, rest: bytes) -> None:
    """Who ends lines so never sends the end that we wait for: its first one is refused, however cut."""
    expected = ("a line of the response head ends with LF, not with CR LF", status)
    assert parse(begins[:-1])[0] is None
    assert expected == refusal(begins + rest)
    assert expected == refusal(*bytewise(begins + rest))
    for cut in range(len(begins)):
        assert expected == refusal(begins[:cut], begins[cut:]), cut


def test_a_line_feed_of_its_own_behind_the_head() -> None:
    """What follows a head is no business of the parser."""
    assert (SWITCHED, b"\n\n") == parse(SWITCHING + b"\n\n")


@pytest.mark.parametrize("size", [HEAD_LIMIT - 1, HEAD_LIMIT])
def test_the_limit_comes_before_a_later_line_feed(size: int) -> None:
    """The first fault is the one that counts, however the bytes come: the limit, or a line feed below it."""
    data = b"HTTP/1.1 200 OK\r\nX: ".ljust(size, b"x") + b"\n"
    expected = refusal(data[:size], data[size:])
    assert (200 if size < HEAD_LIMIT else 0) == expected[1]

    assert expected == refusal(data) == refusal(data + b"\r\n\r\n")


def test_a_malformed_interim_response() -> None:
    """Interim responses are skipped, not forgiven."""
    assert ("a header line is malformed", 102) == refusal(b"HTTP/1.1 102 Processing\r\nA\r\n\r\n" + SWITCHING)


# Limits


def head_of(size: int, start: bytes = b"HTTP/1.1 200 OK\r\nX: ") -> bytes:
    """Return a head of that many bytes, with its end."""
    return start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"


TOO_LONG = (f"the response head is over {HEAD_LIMIT} bytes", 0)


def test_the_limit() -> None:
    """A head of the limit's size is taken, one byte more is refused, wherever its end is cut."""
    fits, over = head_of(HEAD_LIMIT), head_of(HEAD_LIMIT + 1)
    for cut in (1, 2, 3, 4, 5, 100):
        head, rest = parse(fits[:-cut], fits[-cut:], b"rest")

        assert head is not None
        assert b"rest" == rest
        assert TOO_LONG == refusal(over[:-cut], over[-cut:])
    assert TOO_LONG == refusal(over)


def test_an_endless_head_is_refused() -> None:
    """The limit counts before the end is there."""
    parser = HeadParser()
    assert parser.feed(b"HTTP/1.1 200 OK\r\nX: " + b"x" * (HEAD_LIMIT - 20)) is None

    with pytest.raises(MalformedHead, match="over 65536 bytes"):
        parser.feed(b"x")


def test_endless_interim_responses_are_refused() -> None:
    """Interim responses count for the limit, though they are skipped."""
    interim = head_of(HEAD_LIMIT // 4, b"HTTP/1.1 102 Processing\r\nX: ")

    assert (SWITCHED, b"") == parse(interim * 3, SWITCHING)
    assert TOO_LONG == refusal(*[interim] * 4, SWITCHING)


def test_what_follows_the_head_is_not_limited() -> None:
    """A large first message may come together with a short head."""
    assert (SWITCHED, bytes(3 * HEAD_LIMIT)) == parse(SWITCHING + bytes(3 * HEAD_LIMIT))


@pytest.mark.timeout(10)
@pytest.mark.parametrize("filler", [b" ", b"\t", b"x", b"x ", b"x\t \t", b"\xff"])
@pytest.mark.parametrize("fault", [b"\x00", b"x\x00", b" \x00"])
def test_hostile_lines_are_judged_in_linear_time(filler: bytes, fault: bytes) -> None:
    """A line as long as the limit allows, with a fault at its end, costs milliseconds (a minute, once)."""
    filling = (filler * HEAD_LIMIT)[: HEAD_LIMIT - 100]

    for start in (b"X:", b"X: x", b"X"):
        assert 200 == refusal(b"HTTP/1.1 200 OK\r\n" + start + filling + fault + b"\r\n\r\n")[1]
    assert 0 == refusal(b"HTTP/1.1 200 " + filling + fault + b"\r\n\r\n")[1]


@pytest.mark.timeout(30)
def test_a_head_byte_by_byte_takes_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that comes byte by byte is searched for its end once, not once a byte (two minutes, here)."""
    monkeypatch.setattr("trio_ohws._wire.http1.HEAD_LIMIT", 1 << 19)
    parser = HeadParser()
    *before, last = head_of(1 << 19, b"HTTP/1.1 200 OK\r\nX: ")
    for byte in before:
        assert parser.feed(bytes([byte])) is None

    assert parser.feed(bytes([last])) is not None


# Properties

NAMES = st.sampled_from([b"Server", b"X-a", b"~", b"", b"a b", b"\xe9", b"x\x00"])
VALUES = st.one_of(
    st.sampled_from([b"", b"x", b"a b", b"a\tb", b"caf\xe9", b"\x01", b"\x7f", b"a\rb", b"\xa0"]),
    st.binary(max_size=6),
)
BLANKS = st.sampled_from([b"", b" ", b"\t", b" \t "])
LINES = st.builds(
    lambda *parts: b"".join(parts),
    st.one_of(st.just(b""), BLANKS),
    NAMES,
    st.sampled_from([b":", b": ", b" :"]),
    VALUES,
    BLANKS,
)
STARTS = st.one_of(
    st.builds(
        lambda version, status, reason: b"HTTP/" + version + b" " + status + reason,
        st.sampled_from([b"1.1", b"1.0", b"1.2", b"11"]),
        st.one_of(
            st.integers(100, 999).map(lambda status: b"%d" % status),
            st.sampled_from([b"000", b"20", b"2000"]),
        ),
        st.sampled_from([b"", b" ", b" OK", b" Not Found", b" caf\xe9", b" \x00", b"OK"]),
    ),
    st.binary(max_size=20),
)
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"])
HEADS = st.builds(
    lambda start, end, lines: start + end + b"".join(line + end for line in lines) + end,
    STARTS,
    ENDS,
    st.lists(LINES, max_size=3),
)


@st.composite
def pieces(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """A way of cutting `data`."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=5)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def outcome(data: list[bytes]) -> object:
    """Return the head and rest, or the words and status of the refusal."""
    try:
        return parse(*data)
    except MalformedHead as error:
        return str(error), error.status


@hypothesis.given(
    st.one_of(HEADS, st.binary(), st.binary().map(lambda tail: SWITCHING[:40] + tail)), st.data()
)
def test_any_bytes_in_any_pieces(data: bytes, draw: st.DataObject) -> None:
    """Whatever arrives is a head, or no head yet, or `MalformedHead`; and the same for every cut."""
    expected = outcome([data])

    assert expected == outcome(draw.draw(pieces(data)))
    assert expected == outcome(bytewise(data))


def ask_h11(data: bytes) -> tuple[int, str, list[tuple[str, str]]]:
    """Return what h11 reads of a response to an upgrade request; it raises where it refuses."""
    client = h11.Connection(h11.CLIENT)
    client.send(
        h11.Request(
            method="GET",
            target="/",
            headers=[("Host", "h"), ("Upgrade", "websocket"), ("Connection", "Upgrade")],
        )
    )
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    response = client.next_event()
    assert isinstance(response, h11.Response | h11.InformationalResponse)
    headers = [
        (name.decode().lower(), value.decode("latin-1")) for name, value in response.headers.raw_items()
    ]
    return response.status_code, response.reason.decode("latin-1"), headers


@hypothesis.settings(max_examples=300)
@hypothesis.given(HEADS)
def test_h11_agrees_on_what_we_take(data: bytes) -> None:
    """What we take, h11 takes too, and reads the same in it."""
    expected = outcome([data])
    if isinstance(expected, tuple) and isinstance(head := expected[0], ResponseHead):
        assert (head.status, head.reason, head.headers) == ask_h11(data)
