"""A server that answers politely and keeps every frame that it got."""

from collections.abc import Iterable

from tests.scripted_peer import CLOSE, PING, PONG, Frame, Peer, frame


class Keeper:
    """Serves connections one after the other; what the clients sent is in `frames`, in order.

    Args:
        then: bytes that go out together with the answer.
        headers: further headers of the answer.
        answers: whether pings and Close are answered; if not, it waits for the client's EOF.
    """

    def __init__(
        self, then: bytes = b"", headers: Iterable[tuple[str, str]] = (), *, answers: bool = True
    ) -> None:
        self.then = then
        self.headers = tuple(headers)
        self.answers = answers
        self.frames: list[Frame] = []
        self.ended = 0  # connections whose end it saw

    async def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        await peer.accept(self.headers, then=self.then)
        while (one := await peer.receive()) is not None:
            self.frames.append(one)
            if self.answers and one.opcode == PING:
                await peer.send(frame(PONG, one.payload))
            if self.answers and one.opcode == CLOSE:
                await peer.send(frame(CLOSE, one.payload))
                break
        self.ended += 1
        await peer.stream.aclose()


NORMAL = Frame(CLOSE, b"\x03\xe8")
"""A Close frame with 1000 and no reason."""
