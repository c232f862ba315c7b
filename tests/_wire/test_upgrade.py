"""The judgement of the answer to the upgrade request."""

import pytest
import wsproto
import wsproto.events

from trio_ohws._wire.http1 import HeadParser, ResponseHead
from trio_ohws._wire.upgrade import (
    Refusal,
    accept_key,
    canonical_head,
    check_answer,
    check_extensions,
    request_key,
)

# RFC 6455 section 1.3
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

UPGRADE = ("upgrade", "websocket")
CONNECTION = ("connection", "Upgrade")
ACCEPTED = ("sec-websocket-accept", ACCEPT)
GOOD = [UPGRADE, CONNECTION, ACCEPTED]


def answer(
    *headers: tuple[str, str],
    status: int = 101,
    reason: str = "Switching Protocols",
    version: tuple[int, int] = (1, 1),
) -> ResponseHead:
    """Return a server's answer."""
    return ResponseHead(version, status, reason, list(headers))


def test_the_example_of_the_rfc() -> None:
    """The key of RFC 6455 section 1.3 has the answer that stands there."""
    assert ACCEPT == accept_key(KEY)


@pytest.mark.parametrize(
    "headers",
    [
        GOOD,
        GOOD[::-1],
        [*GOOD, ("server", "x"), ("date", "today"), ("content-length", "0")],
        [("upgrade", "WebSocket"), CONNECTION, ACCEPTED],
        [UPGRADE, ("connection", "keep-alive, UPGRADE"), ACCEPTED],
        [UPGRADE, ("connection", "upgrade,keep-alive"), ACCEPTED],
        [UPGRADE, ("connection", "keep-alive"), CONNECTION, ACCEPTED],
        [UPGRADE, ("connection", ",\tUpgrade ,"), ACCEPTED],
    ],
    ids=[
        "plain",
        "other order",
        "more",
        "case",
        "list",
        "list without blanks",
        "two headers",
        "empty members",
    ],
)
def test_answers_that_are_taken(headers: list[tuple[str, str]]) -> None:
    """Case, order, other headers and other members of Connection do not matter."""
    assert check_answer(answer(*headers), ACCEPT, ()) is None
    assert check_answer(answer(*headers, reason=""), ACCEPT, ("a",)) is None
    assert check_answer(answer(*headers, version=(1, 2)), ACCEPT, ("a",)) is None


@pytest.mark.parametrize("chosen", ["a", "B.c"])
def test_the_chosen_subprotocol(chosen: str) -> None:
    """The server may choose one of those that were offered."""
    head = answer(*GOOD, ("sec-websocket-protocol", chosen))

    assert chosen == check_answer(head, ACCEPT, ("a", "B.c"))


BAD_UPGRADE = "server answered 101 without 'Upgrade: websocket'"
BAD_CONNECTION = "server answered 101 without 'Connection: Upgrade'"
BAD_ACCEPT = "server answered 101 with a bad Sec-WebSocket-Accept"
BAD_SUBPROTOCOL = "server answered 101 with a subprotocol that was not offered"


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([], BAD_UPGRADE),
        ([CONNECTION, ACCEPTED], BAD_UPGRADE),
        ([("upgrade", ""), CONNECTION, ACCEPTED], BAD_UPGRADE),
        ([("upgrade", "h2c"), CONNECTION, ACCEPTED], BAD_UPGRADE),
        ([("upgrade", "websocket2"), CONNECTION, ACCEPTED], BAD_UPGRADE),
        ([("upgrade", "h2c, websocket"), CONNECTION, ACCEPTED], BAD_UPGRADE),
        ([UPGRADE, ("upgrade", "h2c"), CONNECTION, ACCEPTED], BAD_UPGRADE),
        ([UPGRADE, UPGRADE, CONNECTION, ACCEPTED], BAD_UPGRADE),
        ([UPGRADE, ACCEPTED], BAD_CONNECTION),
        ([UPGRADE, ("connection", ""), ACCEPTED], BAD_CONNECTION),
        ([UPGRADE, ("connection", "close"), ACCEPTED], BAD_CONNECTION),
        ([UPGRADE, ("connection", "keep-alive Upgrade"), ACCEPTED], BAD_CONNECTION),
        ([UPGRADE, ("connection", "not-upgrade"), ACCEPTED], BAD_CONNECTION),
        ([UPGRADE, CONNECTION], BAD_ACCEPT),
        ([UPGRADE, CONNECTION, ("sec-websocket-accept", "")], BAD_ACCEPT),
        ([UPGRADE, CONNECTION, ("sec-websocket-accept", KEY.decode())], BAD_ACCEPT),
        ([UPGRADE, CONNECTION, ("sec-websocket-accept", ACCEPT.lower())], BAD_ACCEPT),
        ([UPGRADE, CONNECTION, ("sec-websocket-accept", ACCEPT[:-1])], BAD_ACCEPT),
        ([*GOOD, ACCEPTED], BAD_ACCEPT),
        ([*GOOD, ("sec-websocket-accept", "x")], BAD_ACCEPT),
        ([*GOOD, ("sec-websocket-protocol", "c")], BAD_SUBPROTOCOL),
        ([*GOOD, ("sec-websocket-protocol", "A")], BAD_SUBPROTOCOL),
        ([*GOOD, ("sec-websocket-protocol", "")], BAD_SUBPROTOCOL),
        ([*GOOD, ("sec-websocket-protocol", "a, b")], BAD_SUBPROTOCOL),
        ([*GOOD, ("sec-websocket-protocol", "a"), ("sec-websocket-protocol", "b")], BAD_SUBPROTOCOL),
        ([*GOOD, ("sec-websocket-protocol", "a"), ("sec-websocket-protocol", "a")], BAD_SUBPROTOCOL),
    ],
)
def test_upgrades_that_are_refused(headers: list[tuple[str, str]], words: str) -> None:
    """A 101 that is not the answer to our request is refused, with 101 as the status."""
    with pytest.raises(Refusal) as caught:
        check_answer(answer(*headers), ACCEPT, ("a", "b"))

    assert (words, 101) == (str(caught.value), caught.value.status)


def test_a_subprotocol_that_nobody_asked_for() -> None:
    """Where none was offered, none may be chosen."""
    with pytest.raises(Refusal, match=BAD_SUBPROTOCOL):
        check_answer(answer(*GOOD, ("sec-websocket-protocol", "a")), ACCEPT, ())


@pytest.mark.parametrize("version", [(0, 9), (1, 0), (2, 0), (9, 9)])
def test_other_versions_cannot_switch(version: tuple[int, int]) -> None:
    """A 101 by another HTTP than 1.1 or a later 1.x is refused, though all its headers are right."""
    with pytest.raises(Refusal, match="HTTP/{}\\.{}".format(*version)) as caught:
        check_answer(answer(*GOOD, version=version), ACCEPT, ())

    assert 101 == caught.value.status


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (200, "OK", "server answered 200 OK"),
        (301, "Moved Permanently", "server answered 301 Moved Permanently"),
        (403, "Forbidden", "server answered 403 Forbidden"),
        (503, "", "server answered 503"),
        (404, "Üblich", "server answered 404 Üblich"),
        (500, "\x1b[2J\x85\x9b\t\xad", "server answered 500 \ufffd[2J\ufffd\ufffd\ufffd\ufffd"),
        (400, "x" * 500, "server answered 400 " + "x" * 80),
    ],
)
def test_another_status(status: int, reason: str, words: str) -> None:
    """Any other status is refused in the server's own words, as far as a log can bear them."""
    with pytest.raises(Refusal) as caught:
        check_answer(answer(*GOOD, status=status, reason=reason, version=(1, 0)), ACCEPT, ())

    assert (words, status) == (str(caught.value), caught.value.status)


EXTENSIONS = "sec-websocket-extensions"


@pytest.mark.parametrize("deflate", [True, False])
def test_no_extension(deflate: bool) -> None:
    """A server need not take up our offer."""
    assert check_extensions(answer(*GOOD), deflate=deflate) is None


# RFC 7692 section 7.1, from our side: what we offered is the first line, and the answers follow.
AGREED = [
    "permessage-deflate",
    "permessage-deflate; server_no_context_takeover",
    "permessage-deflate; client_no_context_takeover",
    "permessage-deflate;server_no_context_takeover;client_no_context_takeover",
    *(f"permessage-deflate; server_max_window_bits={bits}" for bits in range(8, 16)),
    *(f"permessage-deflate; client_max_window_bits={bits}" for bits in range(9, 16)),
    'permessage-deflate ; server_max_window_bits = "10"',
    "permessage-deflate; client_max_window_bits=9; client_no_context_takeover; server_max_window_bits=9",
]


@pytest.mark.parametrize("header", AGREED)
def test_what_may_be_agreed_on(header: str) -> None:
    """Every parameter may be in the answer, once, in any order, with a value that it can have."""
    deflate = check_extensions(answer(*GOOD, (EXTENSIONS, header)), deflate=True)

    assert deflate is not None
    assert deflate.inflate(b"\xf2H\xcd\xc9\xc9\x07\x00", 5, last=True) == b"Hello"


@pytest.mark.parametrize("header", ["permessage-deflate", "x-webkit-deflate-frame", "", "\x01"])
def test_an_extension_that_nobody_asked_for(header: str) -> None:
    """Where nothing was offered nothing may be chosen, and it does not matter what."""
    with pytest.raises(Refusal) as caught:
        check_extensions(answer(*GOOD, (EXTENSIONS, header)), deflate=False)

    assert ("server answered 101 with an extension that was not offered", 101) == (
        str(caught.value),
        caught.value.status,
    )


DISAGREED = [
    (["permessage-deflate; unknown"], "invalid parameter name: unknown"),
    (
        ["permessage-deflate; Server_no_context_takeover"],
        "invalid parameter name: Server_no_context_takeover",
    ),
    *(
        ([f"permessage-deflate; {name}; {name}"], f"duplicate parameter: {name.partition('=')[0]}")
        for name in (
            "server_no_context_takeover",
            "client_no_context_takeover",
            "server_max_window_bits=10",
            "client_max_window_bits=10",
        )
    ),
    *(
        (
            [f"permessage-deflate; {name}={value}"],
            f"invalid value for parameter {name}: {value}",
        )
        for name in ("server_max_window_bits", "client_max_window_bits")
        for value in ("7", "16", "08", "0", "x", "-9", "1e1")
    ),
    *(
        ([f"permessage-deflate; {name}"], f"missing value for parameter {name}")
        for name in ("server_max_window_bits", "client_max_window_bits")
    ),
    *(
        ([f"permessage-deflate; {name}=1"], f"invalid value for parameter {name}: 1")
        for name in ("server_no_context_takeover", "client_no_context_takeover")
    ),
    # zlib cannot compress with a window that small; not every version of websockets has words for it.
    (["permessage-deflate; client_max_window_bits=8"], ""),
    (["permessage-bzip2"], "not permessage-deflate alone: permessage-bzip2"),
    (["x, permessage-deflate"], "not permessage-deflate alone: x, permessage-deflate"),
    (["permessage-deflate", "x"], "not permessage-deflate alone: permessage-deflate, x"),
    (["permessage-deflate"] * 2, "not permessage-deflate alone: permessage-deflate, permessage-deflate"),
    ([""], "invalid Sec-WebSocket-Extensions header: expected token at 0 in "),
    (["permessage-deflate;"], "invalid Sec-WebSocket-Extensions header: expected token at 19 in perm"),
    (["a\x9b\x1b[2J"], "invalid Sec-WebSocket-Extensions header: expected comma at 1 in a\ufffd\ufffd[2J"),
]


@pytest.mark.parametrize(("headers", "words"), DISAGREED, ids=[", ".join(h) for h, _ in DISAGREED])
def test_what_cannot_be_agreed_on(headers: list[str], words: str) -> None:
    """Anything else ends the attempt with 101, and words fit for a log."""
    head = answer(*GOOD, *((EXTENSIONS, header) for header in headers))
    with pytest.raises(Refusal) as caught:
        check_extensions(head, deflate=True)

    assert 101 == caught.value.status
    assert str(caught.value).startswith("server answered 101 with extensions that were not offered: " + words)


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nsec-websocket-key:" + KEY + b" \r\nHost: h\r\n\r\n",
    ],
)
def test_the_key_of_a_request(request_head: bytes) -> None:
    """The key is found whatever the case of its name, without blanks."""
    assert KEY == request_key(request_head)


def test_a_request_without_a_key() -> None:
    """A request without a key is a mistake of ours, not of the peer."""
    with pytest.raises(ValueError, match="no Sec-WebSocket-Key"):
        request_key(b"GET /Sec-WebSocket-Key: HTTP/1.1\r\nHost: h\r\n\r\n")


@pytest.mark.parametrize("subprotocol", [None, "b"])
def test_wsproto_accepts_the_canonical_head(subprotocol: str | None) -> None:
    """What wsproto asks, the canonical head answers so that it accepts, with the subprotocol."""
    client = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    request = client.send(wsproto.events.Request(host="h", target="/", subprotocols=["a", "b"]))
    client.receive_data(canonical_head(accept_key(request_key(request)), subprotocol))
    (event,) = client.events()

    assert isinstance(event, wsproto.events.AcceptConnection)
    assert (subprotocol, []) == (event.subprotocol, event.extensions)


@pytest.mark.parametrize("subprotocol", [None, "b"])
def test_we_accept_the_canonical_head(subprotocol: str | None) -> None:
    """What is handed on says the same as what was judged."""
    head = HeadParser().feed(canonical_head(ACCEPT, subprotocol))

    assert head is not None
    assert subprotocol == check_answer(head, ACCEPT, ("a", "b"))
