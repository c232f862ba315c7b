"""Tests of the bot: no socket, no server, and no second of real time."""

import bot
import pytest
import trio
from trio.testing import MockClock

import trio_ohws
from trio_ohws.testing import ClientClose, MemoryNetwork, MemoryPeer, Violation


async def test_it_subscribes_and_tells(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The bot shows its token, subscribes, and hands on what comes."""
    told: list[str | bytes] = []
    nursery.start_soon(bot.follow, "secret", told.append)
    peer = await websocket_network.accept()
    await peer.expect("subscribe")
    await peer.send("1.17")
    answer = await peer.close(1000)

    assert peer.request is not None
    assert peer.request.headers["authorization"] == "Bearer secret"
    assert peer.url == "wss://feed.example.org/v1"
    assert told == ["1.17"]
    assert answer == ClientClose(1000)


async def test_it_comes_back(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Whatever goes wrong, the bot tries again after five seconds."""
    nursery.start_soon(bot.follow, "secret", print)
    await websocket_network.refuse()  # nobody listens
    await websocket_network.reject(503, headers=[("Retry-After", "1")])  # somebody does, who is busy
    peer = await websocket_network.accept()
    await peer.expect("subscribe")
    peer.drop()  # the server's process dies
    peer = await websocket_network.accept()
    await peer.violate(Violation.BAD_UTF8)  # it is not well yet
    assert (await peer.wait_closed()).code == 1007
    peer = await websocket_network.accept()
    await peer.close(1000)

    first, *others = [peer.dialled_at for peer in websocket_network.peers]
    assert [time - first for time in others] == [5, 10, 15, 20]


async def test_it_notices_silence(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """A cable is pulled, and the pings find out: after 30 seconds without traffic, and 30 without a pong."""
    nursery.start_soon(bot.follow, "secret", print)
    first = await websocket_network.accept()
    await first.expect("subscribe")
    first.stall()
    second = await websocket_network.accept()
    await second.close(1000)

    assert first.closed == ClientClose(1006)
    assert 60 < second.dialled_at - first.dialled_at < 70


async def test_a_wrong_token_is_final(websocket_network: MemoryNetwork, autojump_clock: MockClock) -> None:
    """Trying again would not help."""

    async def server(peer: MemoryPeer) -> None:
        await peer.reject(401)

    websocket_network.serve(server, host="feed.example.org")

    with pytest.raises(trio_ohws.BusinessError) as raised:
        await bot.follow("wrong", print)
    assert raised.value.data == "401"
    assert len(websocket_network.peers) == 1
