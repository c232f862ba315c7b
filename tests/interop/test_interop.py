"""The same conversation with every foreign server."""

import pytest
import trio

import trio_ohws

SIZES = (0, 1, 125, 126, 127, 65535, 65536, 2**20)
"""Payload sizes in bytes: both sides of each length encoding, and 1 MiB."""


@pytest.mark.parametrize(
    "text",
    ["hello", "", "πλάτων 漢字 😀", "a\x00b\r\n"],
    ids=["ascii", "empty", "unicode", "control characters"],
)
async def test_text_comes_back(url: str, text: str) -> None:
    """What a server decodes and encodes again is the text that was sent."""
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send(text)

        assert text == await ws.receive()


@pytest.mark.parametrize("size", SIZES)
async def test_binary_comes_back(url: str, size: int) -> None:
    """Binary messages of every length encoding come back byte for byte."""
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send(data)

        assert data == await ws.receive()


@pytest.mark.parametrize("size", SIZES)
async def test_long_text_comes_back(url: str, size: int) -> None:
    """Text of every length encoding comes back, characters of two bytes included."""
    text = "é" * (size // 2) + "x" * (size % 2)
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send(text)

        assert text == await ws.receive()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_every_kind_of_bytes_is_binary(url: str, kind: type) -> None:
    """Whatever holds the bytes, the server sees a binary message."""
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send(kind(b"\x00\xff"))

        assert await ws.receive() == b"\x00\xff"


async def test_messages_keep_their_order(url: str) -> None:
    """A hundred messages under way at once come back in the order of sending."""
    sent: list[str | bytes] = [f"text {n}" if n % 2 else b"binary %d" % n for n in range(100)]
    async with trio_ohws.open_websocket(url) as ws:
        for message in sent:
            await ws.send(message)

        assert sent == [await ws.receive() for _ in sent]


async def test_a_message_callback_gets_the_echo(url: str) -> None:
    """OHOS's own way: a callback for messages, another for the close."""
    told: list[object] = []
    async with trio_ohws.create_websocket() as ws:
        ws.on("open", lambda _err, value: told.append(value.status))
        ws.on("message", lambda _err, value: told.append(value))
        ws.on("dataEnd", lambda: told.append("dataEnd"))
        ws.on("close", lambda _err, value: told.append((value.code, value.reason)))
        await ws.connect(url)
        await ws.send("hello")
        await ws.send("close 4001 bye")
        await ws.wait_closed()

    assert [101, "hello", "dataEnd", (4001, "bye")] == told


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [("chat.v1", "chat.v1"), ("chat.v1,chat.v2", "chat.v2"), ("chat.v0, chat.v1", "chat.v1")],
)
async def test_the_server_chooses_the_subprotocol(url: str, offered: str, chosen: str) -> None:
    """Of a comma-separated list the server takes what it likes best."""
    async with trio_ohws.open_websocket(url, {"protocol": offered}) as ws:
        assert chosen == ws.subprotocol


async def test_without_a_subprotocol_there_is_none(url: str) -> None:
    """Nothing offered, nothing chosen."""
    async with trio_ohws.open_websocket(url) as ws:
        assert ws.subprotocol is None


async def test_headers_reach_the_server(url: str) -> None:
    """A request header of ours arrives as it was given."""
    async with trio_ohws.open_websocket(url, {"header": {"X-Token": "a b;c"}}) as ws:
        await ws.send("header X-Token")

        assert await ws.receive() == "a b;c"


async def test_host_carries_the_port(url: str) -> None:
    """The Host header names the host and its non-default port."""
    authority = url.removeprefix("ws://").partition("/")[0]
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send("header Host")

        assert authority == await ws.receive()


async def test_response_headers_are_case_insensitive(url: str) -> None:
    """Whatever the server's spelling, a response header is found by any."""
    async with trio_ohws.open_websocket(url) as ws:
        upgrade = ws.response_headers["upgrade"]

        assert upgrade == ws.response_headers["Upgrade"] == ws.response_headers["UPGRADE"]
    assert isinstance(upgrade, str)
    assert upgrade.lower() == "websocket"


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1000, "done"), (1001, "going"), (4001, "bye"), (3000, "äöü")],
    ids=["1000", "1001", "4001", "3000 with umlauts"],
)
async def test_the_server_closes(url: str, code: int, reason: str) -> None:
    """The server's code and reason are what the close tells, and the handshake is clean."""
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send(f"close {code} {reason}")
        result = await ws.wait_closed()

    assert (code, reason, True, "peer") == (result.code, result.reason, result.clean, result.by)


async def test_iteration_ends_with_a_normal_close(url: str) -> None:
    """What came before the server's Close is handed out, then the loop ends."""
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send("flood 3 8")
        await ws.send("close 1000 done")
        got = [message async for message in ws]

    assert ["00000000", "00000001", "00000002"] == got


async def test_iteration_raises_after_another_code(url: str) -> None:
    """A close that is no goodbye is `ConnectionLost`, one of Trio's own exceptions."""
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send("close 4001 bye")
        with pytest.raises(trio.BrokenResourceError) as caught:
            await ws.receive()

    assert isinstance(caught.value, trio_ohws.ConnectionLost)


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1000, ""), (1000, "done"), (3456, "äöü"), (4999, "x" * 123)],
    ids=["no reason", "1000", "3456 with umlauts", "the longest reason"],
)
async def test_we_close(url: str, code: int, reason: str) -> None:
    """The server answers our Close, and the result names our code and reason."""
    async with trio_ohws.open_websocket(url) as ws:
        assert await ws.close({"code": code, "reason": reason}) is True

        result = await ws.wait_closed()

    assert (code, reason, True, "local") == (result.code, result.reason, result.clean, result.by)


async def test_leaving_the_block_closes_cleanly(url: str) -> None:
    """A block that ends says 1000, and the server answers."""
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send("hello")
    result = ws.close_result

    assert result is not None
    assert (1000, True, "local") == (result.code, result.clean, result.by)


@pytest.mark.parametrize("size", [32, 1024, 70_000])
async def test_a_burst_arrives_whole(url: str, size: int) -> None:
    """A thousand messages in a burst arrive, in order, each at its length."""
    count = 1000 if size < 65536 else 100
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send(f"flood {count} {size}")
        got = [str(await ws.receive()) for _ in range(count)]

    assert [f"{n:08}" for n in range(count)] == [text[:8] for text in got]
    assert {size} == {len(text) for text in got}


@pytest.mark.needs("fragment")
@pytest.mark.parametrize("pieces", [1, 2, 50])
async def test_fragments_make_one_message(url: str, pieces: int) -> None:
    """What a server sends in several frames is one message."""
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send(f"fragment {pieces}")

        assert "".join(f"piece {n};" for n in range(pieces)) == await ws.receive()


async def test_ping_measures(url: str) -> None:
    """The server answers our pings, with and without a payload of ours."""
    async with trio_ohws.open_websocket(url) as ws:
        with trio.fail_after(10):
            assert await ws.ping() > 0
            assert await ws.ping(b"payload") > 0


@pytest.mark.needs("ping")
async def test_the_server_gets_its_pong(url: str) -> None:
    """We answer the server's ping while nobody but the socket itself looks after it."""
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send("ping")

        assert await ws.receive() == "pong"


@pytest.mark.needs("drop")
async def test_a_dropped_connection_is_1006(url: str) -> None:
    """A server that leaves without a Close is a broken link, not a close."""
    async with trio_ohws.open_websocket(url) as ws:
        await ws.send("drop")
        result = await ws.wait_closed()

    assert (1006, False, "link") == (result.code, result.clean, result.by)


async def test_twenty_sockets_at_once(url: str) -> None:
    """Sockets that share a server and a run do not hear each other's messages."""
    heard: dict[int, list[str | bytes]] = {}

    async def talk(n: int) -> None:
        async with trio_ohws.open_websocket(url) as ws:
            for turn in range(10):
                await ws.send(f"{n}: {turn}")
            heard[n] = [await ws.receive() for _ in range(10)]

    async with trio.open_nursery() as nursery:
        for n in range(20):
            nursery.start_soon(talk, n)

    assert {n: [f"{n}: {turn}" for turn in range(10)] for n in range(20)} == heard


async def test_the_same_socket_connects_again(url: str) -> None:
    """After a close the same object opens a new session with the same server."""
    async with trio_ohws.create_websocket() as ws:
        for turn in ("one", "two"):
            await ws.connect(url)
            await ws.send(turn)
            assert turn == await ws.receive()
            await ws.close()
