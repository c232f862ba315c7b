"""The network in memory: who is reached, by whom, and for how long."""

from functools import partial

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.checkpoints import Canceller, at_every_step, cancelled_after
from tests.echo_server import echo_server
from trio_ohws import BusinessError, ClientCert, ConnectionLost, Policy, create_websocket, open_websocket
from trio_ohws.testing import ClientClose, MemoryNetwork, MemoryPeer, open_memory_network

URL = "wss://example.test/"


async def name_yourself(peer: MemoryPeer, name: str) -> None:
    """A server that says who it is."""
    await peer.accept()
    await peer.send(name)


async def ask(url: str) -> str | bytes:
    """Return what the server says first."""
    async with open_websocket(url) as ws:
        return await ws.receive()


async def test_tasks_that_run_already_are_redirected(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The network is the run's, so it does not matter who started whom, nor which socket was made when."""
    ws = create_websocket()
    go = trio.Event()

    async def connect() -> None:
        await go.wait()
        async with ws:
            await ws.connect(URL)

    nursery.start_soon(connect)
    await trio.testing.wait_all_tasks_blocked()
    async with open_memory_network() as network:
        go.set()
        peer = await network.accept()

        assert ClientClose(1000) == await peer.wait_closed()
        assert [peer] == network.peers


async def test_the_real_network_comes_back(nursery: trio.Nursery) -> None:
    """After the block sockets are sockets again."""
    port = await echo_server(nursery)
    async with open_memory_network() as network:
        network.serve(partial(name_yourself, name="memory"))
        assert "memory" == await ask(f"ws://127.0.0.1:{port}/")
    async with open_websocket(f"ws://127.0.0.1:{port}/") as ws:
        await ws.send("reality")

        assert "reality" == await ws.receive()


async def test_a_run_has_one_network(websocket_network: MemoryNetwork) -> None:
    """A second one would hide the first from programs that use it."""
    with pytest.raises(RuntimeError, match="a run of Trio has one network"):
        async with open_memory_network():
            pytest.fail("entered")


async def test_scripts_play_hosts(websocket_network: MemoryNetwork, autojump_clock: MockClock) -> None:
    """A host's own script comes first, then the one for the rest; the later one counts."""
    websocket_network.serve(partial(name_yourself, name="anybody"))
    websocket_network.serve(partial(name_yourself, name="old"), host="news.test")
    websocket_network.serve(partial(name_yourself, name="news"), host="news.test")
    websocket_network.serve(partial(name_yourself, name="address"), host="::1")

    assert "news" == await ask("ws://NEWS.test/")
    assert "address" == await ask("ws://[::1]:8080/")
    assert "anybody" == await ask("wss://other.test/")
    assert 3 == len(websocket_network.peers)


async def test_hosts_without_a_script_are_the_tests(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Scripts and calls go together."""
    websocket_network.serve(partial(name_yourself, name="news"), host="news.test")
    nursery.start_soon(ask, URL)
    peer = await websocket_network.accept()

    assert "news" == await ask("ws://news.test/")
    assert URL == peer.url
    await peer.send("done")


async def test_each_attempt_has_its_fate(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """A program that tries again and again meets what the test decides, and when is written down."""
    fates = []

    async def persist() -> None:
        for pause in (1, 2, 4):
            try:
                fates.append(await ask(URL))
            except BusinessError as error:
                fates.append(error.data or "")
                await trio.sleep(pause)

    nursery.start_soon(persist)
    await websocket_network.refuse()
    request = await websocket_network.reject(429, headers=[("Retry-After", "2")])
    peer = await websocket_network.accept()
    await peer.send("hello")
    await trio.testing.wait_all_tasks_blocked()

    assert "/" == request.target
    assert ["0", "429", "hello"] == fates
    first, second, third = [peer.dialled_at for peer in websocket_network.peers]
    assert (1, 2) == (second - first, third - second)


async def test_attempts_that_were_given_up_are_passed_over(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Nobody waits there any more; they are listed nevertheless."""
    with trio.move_on_after(1):
        await ask(URL)
    nursery.start_soon(ask, URL)
    peer = await websocket_network.accept()
    await peer.send("there you are")

    assert peer is websocket_network.peers[1]
    assert ClientClose(1006) == websocket_network.peers[0].closed


async def test_nobody_connects(websocket_network: MemoryNetwork, autojump_clock: MockClock) -> None:
    """A test that waits in vain fails, after the network's patience."""
    websocket_network.patience = 5
    started = trio.current_time()

    with pytest.raises(AssertionError, match="nobody connected for 5 seconds; 0 did before"):
        await websocket_network.accept()
    assert 5 == trio.current_time() - started


async def test_what_a_script_raises_ends_the_block(autojump_clock: MockClock) -> None:
    """A check that fails in a script fails the test, bare."""

    async def check(peer: MemoryPeer) -> None:
        await peer.accept()
        await peer.expect("something else")

    with pytest.raises(AssertionError, match="'something' is not 'something else'"):
        async with open_memory_network() as network:
            network.serve(check)
            async with open_websocket(URL) as ws:
                await ws.send("something")
                await trio.sleep_forever()


async def test_what_the_body_raises_comes_out_bare(autojump_clock: MockClock) -> None:
    """The network's nursery is its own business."""
    with pytest.raises(ZeroDivisionError):
        async with open_memory_network():
            raise ZeroDivisionError


async def test_scripts_end_with_the_block(autojump_clock: MockClock) -> None:
    """One that would run for ever is cancelled."""
    ends = []

    async def serve(peer: MemoryPeer) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ends.append("script")

    async with open_memory_network() as network:
        network.serve(serve)
        with trio.move_on_after(1):
            await ask(URL)
        assert [] == ends

    assert ["script"] == ends


async def test_a_script_may_talk_to_the_end(
    websocket_network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    """That its client leaves is no error of a script that only sends."""

    async def tick(peer: MemoryPeer) -> None:
        await peer.accept()
        while True:
            await peer.send("tick")
            await trio.sleep(1)

    websocket_network.serve(tick)

    assert "tick" == await ask(URL)
    await trio.sleep(10)
    assert "tick" == await ask(URL)


async def test_so_may_tasks_of_a_script(websocket_network: MemoryNetwork, autojump_clock: MockClock) -> None:
    """What comes out of its own nursery is a group, and no error either."""

    async def tick(peer: MemoryPeer) -> None:
        while True:
            await peer.send("tick")
            await trio.sleep(1)

    async def serve(peer: MemoryPeer) -> None:
        await peer.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tick, peer)
            nursery.start_soon(tick, peer)

    websocket_network.serve(serve)

    assert "tick" == await ask(URL)
    await trio.sleep(10)
    assert ClientClose(1000) == websocket_network.peers[0].closed


async def test_a_policy_judges_hosts_and_addresses(autojump_clock: MockClock) -> None:
    """The hosts as ever; the addresses that names have in this network."""
    inside = Policy(allow_private_addresses=False)
    listed = Policy(allowed_domains=["example.test"])
    async with open_memory_network(addresses={"db.test": "10.0.0.7", "www.test": "1.1.1.1"}) as network:
        network.serve(partial(name_yourself, name="hello"))
        refused = [("ws://db.test/", inside), ("ws://127.0.0.1/", inside), ("ws://www.test/", listed)]
        for url, policy in refused:
            with pytest.raises(BusinessError) as raised:
                async with open_websocket(url, policy=policy):
                    pytest.fail("connected")
            assert 2302998 == raised.value.code
        for url, policy in (("ws://www.test/", inside), (URL, inside), (URL, listed)):
            async with open_websocket(url, policy=policy) as ws:
                assert "hello" == await ws.receive()


async def test_options_are_not_acted_upon_but_checked(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """No proxy is asked, and files must exist."""
    nursery.start_soon(ask_by_proxy, "http://user:secret@proxy.test:3128")
    peer = await websocket_network.accept()
    await peer.send("directly")

    assert "http://user:secret@proxy.test:3128" == peer.options.proxy
    assert "secret" not in repr(peer)
    with pytest.raises(BusinessError) as raised:
        async with open_websocket(URL, {"clientCert": ClientCert("/does/not", "/exist")}):
            pytest.fail("connected")
    assert 2302002 == raised.value.code


async def ask_by_proxy(proxy: str) -> None:
    """Receive one message."""
    async with open_websocket(URL, {"proxy": proxy}) as ws:
        assert "directly" == await ws.receive()


async def test_a_cancelled_connect_leaves_nothing_behind() -> None:
    """Wherever connect is cancelled, the peer sees the client's end."""

    async def attempt(step: int) -> Canceller:
        async with open_memory_network() as network:
            network.serve(partial(name_yourself, name="hello"))
            with cancelled_after(step) as canceller:
                async with create_websocket() as ws:
                    await ws.connect(URL)
                    assert "hello" == await ws.receive()

            assert [] == [peer for peer in network.peers if peer.closed is None]
        return canceller

    await at_every_step(attempt, at_least=10)


async def test_the_link_is_lost_while_a_message_is_awaited(
    websocket_network: MemoryNetwork, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """A dropped link reaches the program as it would in reality."""

    async def drop(peer: MemoryPeer) -> None:
        await peer.accept()
        peer.drop()

    websocket_network.serve(drop)

    with pytest.raises(ConnectionLost):
        await ask(URL)
