"""The peer: what a test can let a server do, and what it is told of the client."""

from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from trio_ohws import BusinessError, ConnectionLost, EndOfMessages, WebSocketRequestOptions, open_websocket
from trio_ohws.testing import (
    ClientClose,
    ClientGone,
    Frame,
    MemoryNetwork,
    MemoryPeer,
    Violation,
    close_frame,
    frame,
)
from trio_ohws.testing.link import Link
from trio_ohws.url import parse_url

URL = "wss://example.test/chat?room=1"


class Client:
    """A program under test, which connects and keeps all that it gets."""

    def __init__(self, options: Any = None, **settings: Any) -> None:
        self.options = options
        self.settings = settings
        self.received: list[str | bytes] = []
        self.error: BusinessError | None = None
        self.ended = trio.Event()

    async def __call__(self) -> None:
        """Run."""
        try:
            async with open_websocket(URL, self.options, **self.settings) as ws:
                async for message in ws:
                    self.received.append(message)
        except BusinessError as error:
            self.error = error
        finally:
            self.ended.set()


async def start(network: MemoryNetwork, nursery: trio.Nursery, client: Client) -> MemoryPeer:
    """Start a client and return its peer, with which nothing was decided."""
    nursery.start_soon(client)
    return await network.next_peer()


async def failed(client: Client) -> tuple[str | None, str]:
    """Wait for the client's end; return the status and the words of its error."""
    await client.ended.wait()
    assert client.error is not None
    assert 2302999 == client.error.code
    return client.error.data, client.error.message.partition(": ")[2]


# The handshake


async def test_the_request_is_seen(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """A peer knows where its client wants to go, with what options, and what it asks for."""
    options = WebSocketRequestOptions(header={"Authorization": "Bearer x"}, protocol="a, b", proxy="no-proxy")
    peer = await start(websocket_network, nursery, Client(options))
    request = await peer.accept(subprotocol="b")

    assert URL == peer.url
    assert "no-proxy" == peer.options.proxy
    assert request is peer.request
    assert "/chat?room=1" == request.target
    assert ["a", "b"] == request.subprotocols
    assert "Bearer x" == request.headers["authorization"]
    assert request.head.startswith(b"GET /chat?room=1 HTTP/1.1\r\n")
    assert "Bearer" not in repr(request)


async def test_the_answer_is_what_the_test_says(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Subprotocol, headers and bytes behind the answer reach the client."""

    async def serve() -> None:
        peer = await websocket_network.next_peer()
        await peer.accept(subprotocol="b", headers=[("X-Version", "7")], then=frame(1, "at once"))

    nursery.start_soon(serve)
    async with open_websocket(URL, {"protocol": "a,b"}) as ws:
        assert "b" == ws.subprotocol
        assert "7" == ws.response_headers["x-version"]
        assert "at once" == await ws.receive()


async def test_a_header_takes_the_place_of_the_needed_one(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """An answer can be made wrong on purpose."""
    client = Client()
    peer = await start(websocket_network, nursery, client)
    await peer.accept(headers=[("sec-websocket-accept", "wrong")])

    assert ("101", "server answered 101 with a bad Sec-WebSocket-Accept") == await failed(client)
    assert ClientClose(1006) == peer.closed


async def test_a_rejection_has_status_headers_and_body(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The client is told the status, by a whole HTTP answer."""
    client = Client()
    peer = await start(websocket_network, nursery, client)
    await peer.reject(503, headers=[("Retry-After", "5")], body=b"later")

    assert ("503", "server answered 503 Service Unavailable") == await failed(client)


async def test_a_status_without_a_name_can_be_answered(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Some proxies invent their own."""
    client = Client()
    peer = await start(websocket_network, nursery, client)
    await peer.reject(599)

    assert ("599", "server answered 599") == await failed(client)


async def test_a_refused_connection_has_no_status(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The client's error is that of a real refusal, or what the test says."""
    plain, named = Client(), Client()
    (await start(websocket_network, nursery, plain)).refuse()
    (await start(websocket_network, nursery, named)).refuse(
        "cannot resolve host 'example.test': no such name"
    )

    assert ("0", "connection refused by example.test port 443") == await failed(plain)
    assert ("0", "cannot resolve host 'example.test': no such name") == await failed(named)


async def test_a_connection_is_decided_once(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """What is open cannot be refused."""
    peer = await start(websocket_network, nursery, Client())
    await peer.accept()

    with pytest.raises(RuntimeError, match=r"<MemoryPeer for example.test port 443>: whether"):
        peer.refuse()


@pytest.mark.parametrize("reads", [False, True])
async def test_no_answer_ends_by_the_clients_timeout(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery, reads: bool
) -> None:
    """A peer that does nothing, or only reads, keeps the client waiting, and time is virtual."""
    client = Client(connect_timeout=50)
    peer = await start(websocket_network, nursery, client)
    if reads:
        await peer.read_request()
    status, words = await failed(client)

    assert "0" == status
    assert "50 s" in words
    assert 50 == trio.current_time() - peer.dialled_at
    assert ClientClose(1006) == peer.closed


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 101 Switch", b""])
async def test_garbage_half_an_answer_or_eof(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery, answer: bytes
) -> None:
    """Instead of an answer there can be anything."""
    client = Client()
    peer = await start(websocket_network, nursery, client)
    await peer.read_request()
    await peer.send_raw(answer)
    peer.drop()

    assert "0" == (await failed(client))[0]


async def test_a_server_may_speak_first(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Other protocols do, and hang up."""
    client = Client()
    peer = await start(websocket_network, nursery, client)
    await peer.send_raw(b"220 mail.example.test ESMTP\r\n")
    peer.drop()

    assert ("0", "the answer is not HTTP") == await failed(client)


async def test_a_server_may_hang_up_at_once(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The connection is open then, and over."""
    client = Client()
    peer = await start(websocket_network, nursery, client)
    peer.drop()

    assert "0" == (await failed(client))[0]


# Messages


async def test_messages_go_both_ways(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Text and binary, whole and in pieces, compressed and not."""
    client = Client(compression="deflate")
    peer = await start(websocket_network, nursery, client)
    await peer.accept(compression=True)
    await peer.send("text")
    await peer.send(b"binary")
    await peer.send("squeezed " * 100, compress=True)
    await peer.send_fragments("in ", "three ", "pieces")
    await peer.send_fragments(b"one piece")
    await peer.close()
    await client.ended.wait()

    assert ["text", b"binary", "squeezed " * 100, "in three pieces", b"one piece"] == client.received


async def test_what_the_client_sends_is_kept(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """`receive` hands messages out one by one, `received` and `frames` keep everything."""

    async def send() -> None:
        async with open_websocket(URL, compression="deflate") as ws:
            await ws.send("a")
            await ws.send(b"b")
            await ws.send("c" * 1000)
            await ws.ping(b"?")

    nursery.start_soon(send)
    peer = await websocket_network.accept(compression=True)

    assert "a" == await peer.receive()
    assert Frame(1, b"a") == await peer.receive_frame()
    await peer.expect(b"b", "c" * 1000)
    assert ClientClose(1000) == await peer.wait_closed()
    assert ["a", b"b", "c" * 1000] == peer.received
    assert [1, 2, 1, 9, 8] == [one.opcode for one in peer.frames]
    assert peer.frames[2].rsv1
    assert len(peer.frames[2].payload) < 100


async def test_a_message_may_come_in_pieces(autojump_clock: MockClock) -> None:
    """Our client sends none so, but a client may."""
    link = Link()
    peer = MemoryPeer(link, parse_url(URL), WebSocketRequestOptions(), 1)
    link.hear(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: x\r\n\r\n")
    await peer.accept()
    link.hear(bytes.fromhex("01 83 00000000") + b"one" + bytes.fromhex("80 84 00000000") + b" two")

    assert ["one two"] == peer.received
    assert [Frame(1, b"one", fin=False), Frame(0, b" two")] == peer.frames


async def test_iteration_ends_with_the_connection(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """A loop over a peer is an echo server, and has no patience to lose."""
    said = []

    async def echo(peer: MemoryPeer) -> None:
        await peer.accept()
        async for message in peer:
            await peer.send(message)
        said.append("over")

    websocket_network.serve(echo)
    async with open_websocket(URL) as ws:
        await ws.send("one")
        assert "one" == await ws.receive()
        await trio.sleep(3600)
        await ws.send(b"two")
        assert b"two" == await ws.receive()
    await trio.testing.wait_all_tasks_blocked()

    assert ["over"] == said


async def test_pings_are_answered_and_can_be_sent(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Latency is the time from the one to the other."""

    async def measure() -> None:
        async with open_websocket(URL) as ws:
            latencies.append(await ws.ping())
            await ws.wait_closed()

    latencies: list[float] = []
    nursery.start_soon(measure)
    peer = await websocket_network.accept()
    await trio.testing.wait_all_tasks_blocked()
    peer.latency = 0.25

    assert 0.25 == peer.latency
    assert 0.25 == await peer.ping(b"there?")
    assert Frame(10, b"there?") == peer.frames[-1]
    await peer.close()
    assert [0] == latencies


async def test_unanswered_pings_are_a_broken_link(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The keepalive is as real as the rest."""
    client = Client(ping_interval=20, ping_timeout=10)
    peer = await start(websocket_network, nursery, client)
    await peer.accept()
    peer.answers_pings = False
    await client.ended.wait()

    assert isinstance(client.error, ConnectionLost)
    assert 30 == trio.current_time() - peer.dialled_at
    assert [9] == [one.opcode for one in peer.frames]


# The end


async def test_the_peer_closes_politely(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """`close` returns the client's answer, and the client has what came with it."""
    client = Client()
    peer = await start(websocket_network, nursery, client)
    await peer.accept()

    assert ClientClose(4001, "away") == await peer.close(4001, "away")
    await client.ended.wait()
    assert isinstance(client.error, ConnectionLost)
    assert "4001" in client.error.message


async def test_an_empty_close_is_answered_by_an_empty_one(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """1005 stands for a Close frame without a code."""
    client = Client()
    peer = await start(websocket_network, nursery, client)
    await peer.accept()

    assert ClientClose(1005) == await peer.close(None)


async def test_a_close_may_stay_unanswered(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The client gives up after its `close_timeout`."""

    async def leave() -> None:
        async with open_websocket(URL, close_timeout=7):
            pass
        results.append(trio.current_time())

    results: list[float] = []
    nursery.start_soon(leave)
    peer = await websocket_network.next_peer()
    peer.answers_close = False
    await peer.accept()

    assert ClientClose(1000) == await peer.wait_closed()
    await trio.sleep(100)
    assert [7] == [when - peer.dialled_at for when in results]


@pytest.mark.parametrize("end", [MemoryPeer.drop, MemoryPeer.reset])
async def test_a_link_can_break(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery, end: Any
) -> None:
    """EOF and a reset are no Close."""
    client = Client()
    peer = await start(websocket_network, nursery, client)
    await peer.accept()
    await trio.testing.wait_all_tasks_blocked()
    end(peer)
    await client.ended.wait()

    assert isinstance(client.error, ConnectionLost)
    assert ClientClose(1006) == peer.closed
    with pytest.raises(ClientGone, match="sent no message, and left without a Close"):
        await peer.send("too late")


async def test_nothing_can_be_sent_after_the_end(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """A test that has dropped the link, and forgot it, is told; a script whose client has closed is over."""
    dropped = await start(websocket_network, nursery, Client())
    await dropped.accept()
    dropped.drop()
    with pytest.raises(trio.ClosedResourceError, match="ended this connection itself"):
        await dropped.send("forgotten")
    closed = await start(websocket_network, nursery, Client())
    await closed.accept()
    await closed.close()

    with pytest.raises(ClientGone, match="closed with 1000"):
        await closed.send("too late")


async def test_half_a_frame_can_be_all(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Bytes may end anywhere."""
    client = Client()
    peer = await start(websocket_network, nursery, client)
    await peer.accept()
    await peer.send_raw(frame(1, "whole"), frame(1, "half")[:3])
    peer.drop()
    await client.ended.wait()

    assert ["whole"] == client.received
    assert isinstance(client.error, ConnectionLost)


async def test_a_stalled_link_passes_nothing(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Neither side gets anything, until the link resumes: then it gets everything."""
    async with trio.open_nursery() as inner:
        client = Client(ping_interval=None)
        peer = await start(websocket_network, inner, client)
        await peer.accept()
        await trio.testing.wait_all_tasks_blocked()
        await peer.send("in time")
        peer.stall()
        await peer.send("late")
        await trio.sleep(3600)

        assert ["in time"] == client.received
        peer.resume()
        await trio.testing.wait_all_tasks_blocked()
        assert ["in time", "late"] == client.received
        await peer.close()


async def test_a_stalled_link_is_found_dead(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The keepalive notices; nothing of the client reaches the peer any more."""
    client = Client()
    peer = await start(websocket_network, nursery, client)
    await peer.accept()
    await trio.testing.wait_all_tasks_blocked()
    peer.stall()
    await client.ended.wait()

    assert isinstance(client.error, ConnectionLost)
    assert [] == peer.frames
    assert 60 <= trio.current_time() - peer.dialled_at <= 62


async def test_latency_delays_and_keeps_the_order(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """What is sent later with less latency does not overtake."""
    async with trio.open_nursery() as inner:
        peer = await start(websocket_network, inner, client := Client())
        await peer.accept()
        await trio.testing.wait_all_tasks_blocked()
        peer.latency = 5
        await peer.send("slow")
        peer.latency = 0
        await peer.send("quick")
        await trio.sleep(4.9)
        assert [] == client.received
        await trio.sleep(0.2)
        assert ["slow", "quick"] == client.received
        await peer.close()


async def test_a_client_that_does_not_read_slows_the_peer_down(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """As over TCP, sending waits when the buffers between are full."""

    async def read_late() -> None:
        async with open_websocket(URL, receive_buffer=(1, 1000), ping_interval=None) as ws:
            await trio.sleep(100)
            while True:
                try:
                    await ws.receive()
                except EndOfMessages:
                    break

    nursery.start_soon(read_late)
    peer = await websocket_network.accept()
    for _ in range(10):
        await peer.send(bytes(50_000))

    assert 100 == trio.current_time() - peer.dialled_at
    await peer.close()


@pytest.mark.parametrize("violation", Violation)
async def test_violations_are_answered_by_their_code(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery, violation: Violation
) -> None:
    """Each has a code with which a client must close."""
    client = Client()
    peer = await start(websocket_network, nursery, client)
    await peer.accept()
    await peer.violate(violation)

    assert violation.close_code == (await peer.wait_closed()).code
    await client.ended.wait()
    assert isinstance(client.error, ConnectionLost)


# What a failing test says


async def test_expecting_something_else_says_what_came(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The text has both, and the client's story."""

    async def send() -> None:
        async with open_websocket(URL) as ws:
            await ws.send("hallo")
            await ws.wait_closed()

    nursery.start_soon(send)
    peer = await websocket_network.accept()
    words = "'hallo' is not 'hello': the client of example.test port 443 sent ['hallo'], and is still there"

    with pytest.raises(AssertionError) as raised:
        await peer.expect("hello")
    assert words == str(raised.value)


async def test_what_a_failure_says_is_short(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """However much the client has sent."""

    async def send() -> None:
        async with open_websocket(URL) as ws:
            for _ in range(100):
                await ws.send("x" * 100_000)
            await ws.wait_closed()

    nursery.start_soon(send)
    peer = await websocket_network.accept()

    with pytest.raises(AssertionError, match=r"^'x+\.\.\.x+' is not b'y+\.\.\.y+': the client of") as raised:
        await peer.expect(b"y" * 100_000)
    assert len(str(raised.value)) < 10_000


async def test_waiting_has_an_end(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """A client that is silent for too long fails the test, and says what it did."""
    peer = await start(websocket_network, nursery, Client())
    await peer.accept()

    with pytest.raises(AssertionError, match=r"no message for 120 seconds: .* sent no message, and is still"):
        await peer.receive()
    assert 120 == trio.current_time() - peer.dialled_at
    with pytest.raises(AssertionError, match="no Close for 120 seconds"):
        await peer.wait_closed()


async def test_nothing_comes_after_the_close(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The text says how the client ended it."""

    async def leave() -> None:
        async with open_websocket(URL) as ws:
            await ws.close({"code": 3000, "reason": "bye"})

    nursery.start_soon(leave)
    peer = await websocket_network.accept()

    with pytest.raises(AssertionError, match=r"no message any more: .* and closed with 3000 'bye'"):
        await peer.receive()
    assert Frame(8, close_frame(3000, "bye")[2:]) == await peer.receive_frame()
    with pytest.raises(AssertionError, match="no frame any more"):
        await peer.receive_frame()


async def test_a_client_that_gave_up_cannot_be_accepted(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """There is no request, and nobody to answer."""
    client = Client(connect_timeout=1)
    peer = await start(websocket_network, nursery, client)
    await client.ended.wait()

    with pytest.raises(ClientGone, match="sent no message, and left without a Close"):
        await peer.accept()


async def test_what_is_received_is_not_lost_by_cancellation(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The next call returns it."""

    async def send() -> None:
        async with open_websocket(URL) as ws:
            await ws.send("kept")

    nursery.start_soon(send)
    peer = await websocket_network.accept()
    await peer.wait_closed()
    with trio.CancelScope() as scope:
        scope.cancel()
        await peer.receive()

    assert scope.cancelled_caught
    assert "kept" == await peer.receive()
