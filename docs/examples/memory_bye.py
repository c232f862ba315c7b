"""The server of the API document's example, in memory: it answers "Hello, server!" by "bye"."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trio_ohws.testing import MemoryPeer, open_memory_network


@asynccontextmanager
async def bye_server() -> AsyncIterator[None]:
    """Be every server, whatever the URL and whatever the proxy."""

    async def say_bye(peer: MemoryPeer) -> None:
        request = await peer.read_request()
        await peer.accept(subprotocol=next(iter(request.subprotocols), None))
        await peer.expect("Hello, server!")
        await peer.send("bye")

    async with open_memory_network() as network:
        network.serve(say_bye)
        yield
