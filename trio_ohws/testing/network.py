"""A network in memory, in which the test is every server."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

import trio

from trio_ohws._dial.network import replaced_network
from trio_ohws.nursery.bare import bare_errors
from trio_ohws.testing.handshake import HandshakeRequest
from trio_ohws.testing.peer import MemoryPeer
from trio_ohws.testing.switchboard import Script, Switchboard

__all__ = ["MemoryNetwork", "open_memory_network"]


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
            switchboard = Switchboard(nursery, patience, addresses or {})
            with replaced_network(switchboard.dial):
                yield MemoryNetwork(switchboard)
            nursery.cancel_scope.cancel()


class MemoryNetwork:
    """What the sockets of a run connect to; see `open_memory_network`."""

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard

    @property
    def peers(self) -> list[MemoryPeer]:
        """Every attempt to connect, in order, also those that were refused or given up."""
        return self._switchboard.peers

    @property
    def patience(self) -> float:
        """How many seconds to wait for a client, as in `open_memory_network`; for connections from now on."""
        return self._switchboard.patience

    @patience.setter
    def patience(self, seconds: float) -> None:
        self._switchboard.patience = seconds

    def serve(self, script: Script, *, host: str | None = None) -> None:
        """Let a script play the server for each connection from now on.

        Args:
            script: an async function of the peer, run in a task of its own for each connection. When it
                returns, the connection stays as it is. It ends quietly by `ClientGone`; any other error
                ends the network's block.
            host: the host that it plays, in lower case; None for each that no other script plays.
        """
        self._switchboard.scripts.append((host, script))

    async def next_peer(self) -> MemoryPeer:
        """Wait for the next attempt to connect that no script serves.

        Returns:
            The peer, with which nothing has been decided. Attempts that were given up meanwhile are passed
            over.

        Raises:
            AssertionError: there was none in time.

        If cancelled:
            No attempt is lost.
        """
        with trio.move_on_after(self.patience):
            while True:
                peer = await self._switchboard.incoming.receive()
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
        """Wait for the next attempt to connect, and accept it: `next_peer`, then `MemoryPeer.accept`.

        Args:
            subprotocol: see there, and so with the others.
            headers: of the answer.
            compression: whether to agree on it.
            then: bytes behind the answer.

        Returns:
            The peer; its `request` is what the client asked for.

        Raises:
            AssertionError: nobody connected, or sent a request, in time.
            ClientGone: the client gave up meanwhile.

        If cancelled:
            An attempt that was there already stays undecided, and is not waited for again.
        """
        peer = await self.next_peer()
        await peer.accept(subprotocol=subprotocol, headers=headers, compression=compression, then=then)
        return peer

    async def reject(
        self, status: int = 403, *, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> HandshakeRequest:
        """Wait for the next attempt to connect, and reject its request: see `MemoryPeer.reject`.

        Returns:
            The request. What is raised, and what happens if cancelled, is as in `accept`.
        """
        peer = await self.next_peer()
        return await peer.reject(status, headers=headers, body=body)

    async def refuse(self, why: str | None = None) -> None:
        """Wait for the next attempt to connect, and refuse it: see `MemoryPeer.refuse`.

        Raises and is cancelled as `next_peer`.
        """
        peer = await self.next_peer()
        peer.refuse(why)
