"""The seam at which another network takes the place of the real one."""

import pytest
import trio
import trio.testing

from trio_ohws._dial.dial import dial
from trio_ohws._dial.network import dial_of_this_run, replaced_network
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.policy import Policy
from trio_ohws.url import WebSocketURL, parse_url

URL = parse_url("wss://example.test/")


async def nowhere(url: WebSocketURL, options: WebSocketRequestOptions, policy: Policy) -> trio.abc.Stream:
    """Lead to no server."""
    await trio.sleep_forever()
    raise AssertionError


async def test_dial_gives_way() -> None:
    """While a network is in place it gets the checked arguments, before proxies and TLS are looked at."""
    policy, options = Policy(), WebSocketRequestOptions(proxy="http://proxy.test")
    calls: list[tuple[object, ...]] = []
    stream, _ = trio.testing.memory_stream_pair()

    async def other(*arguments: object) -> trio.abc.Stream:
        calls.append(arguments)
        await trio.lowlevel.checkpoint()
        return stream

    with replaced_network(other):
        assert stream is await dial(URL, options, policy)
        assert [(URL, options, policy)] == calls

    assert dial_of_this_run() is None


async def test_there_is_one_at_a_time() -> None:
    """A second one is refused, and the first one stays."""
    await trio.lowlevel.checkpoint()
    with replaced_network(nowhere):
        with pytest.raises(RuntimeError, match="a run of Trio has one network"), replaced_network(nowhere):
            pytest.fail("entered")
        assert nowhere is dial_of_this_run()


async def test_another_run_has_its_own() -> None:
    """What is replaced in one run is not in one beside it."""

    async def look() -> object:
        await trio.lowlevel.checkpoint()
        return dial_of_this_run()

    with replaced_network(nowhere):
        assert await trio.to_thread.run_sync(trio.run, look) is None
        assert nowhere is dial_of_this_run()
