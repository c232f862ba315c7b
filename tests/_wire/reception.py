"""What a decoder tells of a server's bytes, however they are cut."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple

from trio_ohws._wire.decoder import Control, Decoder, Handover, Message, Pause
from trio_ohws._wire.deflate import Deflate
from trio_ohws._wire.frames import Violation
from trio_ohws._wire.scratch import Scratch

LIMIT = 1 << 20


class Verdict(NamedTuple):
    """What a violation says."""

    code: int
    reason: str


Told = Message | Control | Verdict


def drain(decoder: Decoder, read: Callable[[int], bytes] | None = None) -> list[Told]:
    """Return all that the decoder makes of what it has: messages, control frames, at last a verdict.

    And of what it may `read` meanwhile.
    """
    told: list[Told] = []
    while True:
        told += decoder.decode()
        stop = decoder.stop
        if stop is None:
            return told
        if isinstance(stop, Violation):
            return [*told, Verdict(stop.code, stop.reason)]
        if isinstance(stop, Handover):
            told += islice(decoder.large_frames(), 1)  # the next one; the one after that from `decode` again
            if read is not None:
                told += decoder.arriving_frames(read)
        elif not isinstance(stop, Pause):
            told.append(stop)


def take_in(decoder: Decoder, data: bytes) -> list[Message]:
    """Receive `data` at once, and decode one pass."""
    buffer = decoder.get_buffer()
    buffer[: len(data)] = data
    decoder.buffer_updated(len(data))
    return decoder.decode()


class Link:
    """One connection: a server's bytes on their way to a decoder, and all that it told of them.

    Args:
        data: what the server sends.
        scratch: where it is received.
        limit: bytes of a message.
        deflate: what was agreed on compression.
        kind: of decoder.
    """

    def __init__(
        self,
        data: bytes,
        scratch: Scratch,
        limit: int = LIMIT,
        deflate: Deflate | None = None,
        kind: type[Decoder] = Decoder,
    ) -> None:
        self.data = data
        self.scratch = scratch
        self.decoder = kind(scratch, limit)
        self.decoder.deflate = deflate
        self.told: list[Told] = []

    @property
    def refused(self) -> bool:
        """Whether the last that was told is a verdict."""
        return bool(self.told) and isinstance(self.told[-1], Verdict)

    @property
    def ended(self) -> bool:
        """Whether all bytes are read, or the peer was refused."""
        return not self.data or self.refused

    def feed(self, data: bytes) -> None:
        """Take in bytes that were received elsewhere."""
        self.decoder.feed(data)
        self.told += drain(self.decoder)

    def read(self, at_most: int, at_hand: int | None = None) -> None:
        """Receive once, and let another connection use the area afterwards.

        Args:
            at_most: bytes that have arrived.
            at_hand: bytes that can be read straight after that, if this can be.
        """
        buffer = self.decoder.get_buffer()
        count = min(len(buffer), at_most, len(self.data))
        assert count, "no memory to receive into looks like EOF"
        buffer[:count] = self.data[:count]
        self.data = self.data[count:]
        self.decoder.buffer_updated(count)

        def read(size: int) -> bytes:
            nonlocal at_hand
            assert at_hand is not None
            data = self.data[: min(size, at_hand)]
            self.data = self.data[len(data) :]
            at_hand -= len(data)
            return data

        self.told += drain(self.decoder, None if at_hand is None else read)
        for area in (self.scratch.view, self.scratch.wide):
            area[:] = b"\xff" * len(area)


def receive(
    data: bytes,
    cuts: Iterable[int] = (),
    *,
    scratch: Scratch | None = None,
    limit: int = LIMIT,
    deflate: Deflate | None = None,
) -> list[Told]:
    """Return what is told of `data`, read in pieces of at most the sizes of `cuts`, then in full reads."""
    link = Link(data, scratch or Scratch(), limit, deflate)
    sizes = iter(cuts)
    while not link.ended:
        link.read(next(sizes, len(data)))
    return link.told
