"""A network in memory, in which the test is every server."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

import trio

from trio_ohws._dial.network import replaced_network
from trio_ohws.nursery.bare import bare_errors
from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.policy import Policy
from trio_ohws.testing.handshake import HandshakeRequest
from trio_ohws.testing.link import Link
from trio_ohws.testing.peer import ClientGone, MemoryPeer
from trio_ohws.url import WebSocketURL

__all__ = ["MemoryNetwork", "open_memory_network"]

Script = Callable[[MemoryPeer], Awaitable[object]]


@asynccontextmanager
async def open_memory_network(
    *, patience: float = 120, addresses: Mapping[str, str] | None = None
) -> AsyncIterator["MemoryNetwork"]:
    """Put a network in memory in the place of the real one, for every socket of this run of Trio.

    Programs under test need not know: they call `open_websocket` or `WebSocket.connect` with their own URLs,
    also in tasks that run already. No socket is opened, no name is looked up, no proxy is asked and no thread
    is started, so that everything works under ``autojump_clock``. TLS is not spoken: ``wss://`` gets as far
    as ``ws://``. All else is the real thing.

    Args:
        patience: seconds for which methods that wait for the client do so before they fail with what the
            client did instead; ``math.inf`` for ever. Under ``autojump_clock`` they cost no time.
        addresses: what names resolve to, for a `Policy` that judges addresses. A name that is not listed
            has no address, and is not judged.

    Yields:
        The network. When the block ends, scripts that still run are cancelled.

    Raises:
        RuntimeError: this run has such a network already.
    """
    with bare_errors():
        async with trio.open_nursery(strict_exception_groups=True) as nursery:
            network = MemoryNetwork(nursery, patience, addresses or {})
            with replaced_network(network.dial):
                yield network
            nursery.cancel_scope.cancel()


class MemoryNetwork:
    """What the sockets of a run connect to; see `open_memory_network`.

    Attributes:
        peers: every attempt to connect, in order, also those that were refused or given up.
        patience: see `open_memory_network`; may be changed, which concerns connections from then on.
    """

    def __init__(self, nursery: trio.Nursery, patience: float, addresses: Mapping[str, str]) -> None:
        self.peers: list[MemoryPeer] = []
        self._nursery = nursery
        self.patience = patience
        self._addresses = addresses
        self._scripts: list[tuple[str | None, Script]] = []
        self._send, self._incoming = trio.open_memory_channel[MemoryPeer](math.inf)

    def serve(self, script: Script, *, host: str | None = None) -> None:
        """Let a script play the server for each connection from now on.

        Args:
            script: an async function of the peer, run in a task of its own for each connection. When it
                returns, the connection stays as it is. It ends quietly by `ClientGone`; any other error
                ends the network's block.
            host: the host that it plays, in lower case; None for each that no other script plays.
        """
        self._scripts.append((host, script))

    async def next_peer(self) -> MemoryPeer:
        """Wait for the next attempt to connect that no script serves.

        Returns:
            The peer, with which nothing has been decided. Attempts that were given up meanwhile are passed
            over.

        Raises:
            AssertionError: there was none in time.
        """
        with trio.move_on_after(self.patience):
            while True:
                peer = await self._incoming.receive()
                if peer.closed is None:
                    return peer
        raise AssertionError(f"nobody connected for {self.patience:g} seconds; {len(self.peers)} did before")

    async def accept(
        self,
        *,
        subprotocol: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        compression: bool = False,
        then: bytes = b"",
    ) -> MemoryPeer:
        """Wait for the next attempt to connect, and accept it: see `MemoryPeer.accept`.

        Returns:
            The peer; its `request` is what the client asked for.
        """
        peer = await self.next_peer()
        await peer.accept(subprotocol=subprotocol, headers=headers, compression=compression, then=then)
        return peer

    async def reject(
        self, status: int = 403, *, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> HandshakeRequest:
        """Wait for the next attempt to connect, and reject its request: see `MemoryPeer.reject`."""
        peer = await self.next_peer()
        return await peer.reject(status, headers=headers, body=body)

    async def refuse(self, why: str | None = None) -> None:
        """Wait for the next attempt to connect, and refuse it: see `MemoryPeer.refuse`."""
        peer = await self.next_peer()
        peer.refuse(why)

    async def dial(
        self, url: WebSocketURL, options: WebSocketRequestOptions, policy: Policy
    ) -> trio.abc.Stream:
        """Connect; the package's own dial is this function while the network is in place."""
        await trio.lowlevel.checkpoint()  # first: a cancelled dial leaves nothing behind
        if url.host in self._addresses:
            policy.check_address(self._addresses[url.host])
        link = Link()
        peer = MemoryPeer(link, url, options, self.patience)
        self.peers.append(peer)
        script = self._script_for(url.host)
        if script is None:
            self._send.send_nowait(peer)
        else:
            self._nursery.start_soon(_play, script, peer)
        try:
            await link.decided.wait()
        except BaseException:
            with trio.CancelScope(shield=True):
                await link.aclose()
            raise
        if link.refusal is not None:
            raise link.refusal
        return link

    def _script_for(self, host: str) -> Script | None:
        for wanted in (host, None):
            for played, script in reversed(self._scripts):
                if played == wanted:
                    return script
        return None


async def _play(script: Script, peer: MemoryPeer) -> None:
    try:
        await script(peer)
    except ClientGone:
        pass  # a script may tell its story to the end of the connection, and need not look for that
