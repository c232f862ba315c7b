"""Target: the decoder, given a server's bytes in several cuts."""

import io
import itertools
from collections.abc import Iterator

from tests._wire.reception import Link, Told, Verdict, drain
from tests.fuzz.padding import expand
from trio_ohws._wire.decoder import Control, Decoder, Message
from trio_ohws._wire.deflate import negotiate
from trio_ohws._wire.scratch import Scratch

__all__ = ["AGREEMENTS", "AREAS", "LIMITS", "check"]

AGREEMENTS = (
    None,
    "permessage-deflate",
    "permessage-deflate; server_no_context_takeover",
    "permessage-deflate; server_max_window_bits=9",
)
LIMITS = (100, 1000, 70_000, 1 << 20)
AREAS = (127, 300, 4096, 40_000)

BAD_TEXT = Verdict(1007, "text that is not UTF-8")
BAD_DATA = Verdict(1007, "compressed data that cannot be inflated")

# A header that is not all there, or a control frame.
MOST_CARRIED = 126
MOST_CUTS = 300


def check(data: bytes, decoder: type[Decoder] = Decoder) -> list[Told]:
    """Decode in one piece, as the input says, and byte by byte: all tell the same, within all limits.

    Args:
        data: two bits each choose agreement, limit and area; two bytes the sizes of reads, which alternate,
            0 being all there is; then what the server sends.
        decoder: what is tested.
    """
    setup, *sizes = data[:3].ljust(3, b"\0")
    wire = expand(data[3:])
    agreement, limit, area = AGREEMENTS[setup & 3], LIMITS[setup >> 2 & 3], AREAS[setup >> 4 & 3]

    def link(size: int) -> Link:
        deflate = None if agreement is None else negotiate(agreement)
        return Link(wire, Scratch(size), limit, deflate, limited(decoder, len(wire)))

    whole = link(len(wire) + 200)
    whole.decoder.feed(wire)
    whole.data = b""
    whole.told += drain(whole.decoder)
    _judge(whole, limit)
    ways: list[tuple[int, Iterator[int]]] = [
        (area, itertools.islice(itertools.cycle(size or len(wire) for size in sizes), MOST_CUTS))
    ]
    if len(wire) <= MOST_CUTS:
        ways.append((MOST_CARRIED + 1, iter((1,) * len(wire))))
    for size, cuts in ways:
        one = link(size)
        _read(one, cuts, limit)

        assert _settled(whole.told) == _settled(one.told)
    return whole.told


def _settled(told: list[Told]) -> list[Told]:
    """Return what every cut tells.

    What zlib made of a piece before it met a fault is lost. So where there is bad text in it, the cut decides
    which of the two is told; the code is the same.
    """
    return [*told[:-1], BAD_DATA] if told[-1:] == [BAD_TEXT] else told


def limited(kind: type[Decoder], size: int) -> type[Decoder]:
    """Return a decoder that may make so many passes over `size` bytes as there is reason for."""

    class Limited(kind):  # type: ignore[misc, valid-type]
        passes = 0

        def decode(self) -> list[Message]:
            self.passes += 1
            # One for each byte read, and for each control frame or pause, which take more than a byte.
            assert self.passes <= 2 * size + 3, "passes that lead nowhere"
            return super().decode()  # type: ignore[no-any-return]

    return Limited


def _read(link: Link, cuts: Iterator[int], limit: int) -> None:
    while not link.ended:
        link.read(next(cuts, len(link.data)))
        if not link.refused:
            offered = link.decoder.get_buffer()
            shared = [link.scratch.view, link.scratch.wide]
            carried = sum(len(area) - len(offered) for area in shared if offered.obj is area.obj)

            assert carried <= MOST_CARRIED
            assert _held(link.decoder) <= limit + MOST_CARRIED
    _judge(link, limit)


def _held(decoder: Decoder) -> int:
    """Return how many bytes or characters a decoder keeps, wherever."""
    size = 0
    for name in set(Decoder.__slots__) - {"_view"}:  # which is shared
        value = getattr(decoder, name)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, bytes | bytearray | memoryview):
                size += len(one)
            elif isinstance(one, io.StringIO):
                size += one.tell()
    return size


def _judge(link: Link, limit: int) -> None:
    for told in link.told:
        match told:
            case str() | bytes():
                assert len(told.encode() if isinstance(told, str) else told) <= limit
            case Control():
                assert told.opcode in {8, 9, 10}
                assert len(told.payload) <= 125
            case Verdict():
                assert told is link.told[-1], "told after a verdict"
                assert told.code in {1002, 1007, 1009}
                assert 0 < len(told.reason) <= 123
                # An honest frame changes nothing.
                link.decoder.feed(b"\x81\x01a")
                assert ([], link.decoder.stop) == (link.decoder.decode(), link.decoder.stop)
                assert [told] == drain(link.decoder)
