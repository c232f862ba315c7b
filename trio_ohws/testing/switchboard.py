"""Where the connections of a run arrive, and who takes them."""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import trio

from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.policy import Policy
from trio_ohws.testing.link import Link
from trio_ohws.testing.peer import ClientGone, MemoryPeer
from trio_ohws.url import WebSocketURL

__all__ = ["Script", "Switchboard"]

Script = Callable[[MemoryPeer], Awaitable[object]]


class Switchboard:
    """Makes a peer of each attempt to connect, and hands it to a script or queues it.

    Args:
        nursery: where scripts run.
        patience: that of the peers, in seconds.
        addresses: what names resolve to.
    """

    def __init__(self, nursery: trio.Nursery, patience: float, addresses: Mapping[str, str]) -> None:
        self.peers: Final[list[MemoryPeer]] = []
        self.scripts: Final[list[tuple[str | None, Script]]] = []
        self.patience: float = patience
        self._nursery = nursery
        self._addresses = addresses
        self._send: trio.MemorySendChannel[MemoryPeer]
        self.incoming: trio.MemoryReceiveChannel[MemoryPeer]
        self._send, self.incoming = trio.open_memory_channel(math.inf)

    async def dial(
        self, url: WebSocketURL, options: WebSocketRequestOptions, policy: Policy
    ) -> trio.abc.Stream:
        """Connect, as soon as the peer has decided; `trio_ohws` dials by this while it is in place.

        Raises:
            BusinessError: 2302998, the policy does not allow the host's address; or what the peer decided.

        If cancelled:
            The peer sees that its client has left.
        """
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
            with trio.CancelScope(shield=True):  # it waits for nobody
                await link.aclose()
            raise
        if link.refusal is not None:
            raise link.refusal
        return link

    def _script_for(self, host: str) -> Script | None:
        for wanted in (host, None):
            for played, script in reversed(self.scripts):
                if played == wanted:
                    return script
        return None


async def _play(script: Script, peer: MemoryPeer) -> None:
    try:
        await script(peer)
    except* ClientGone:
        pass  # a script, or tasks of its own, may talk until the client has gone, and need not look for that
