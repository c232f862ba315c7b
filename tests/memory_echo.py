"""An echo server in memory, for tests that only need somebody to talk to."""

from trio_ohws.testing import MemoryPeer


async def echo(peer: MemoryPeer) -> None:
    """Accept, and send back every message; pings and Close the peer answers by itself."""
    await peer.accept()
    async for message in peer:
        await peer.send(message)
