"""The fuzzers' targets without a fuzzer: the corpus passes, and each target sees a subject that is broken."""

import re
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import trio

from tests._wire.reception import Verdict
from tests.fuzz import address, answer, frames, goodbye, proxy
from tests.fuzz.frames import AREAS, LIMITS
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import CORPUS, TARGETS, inputs
from trio_ohws._dial.proxy import open_tunnel
from trio_ohws._wire.decoder import Decoder, Message, Pause
from trio_ohws._wire.frames import Violation
from trio_ohws._wire.http1 import HeadParser, ResponseHead
from trio_ohws._wire.scratch import Scratch
from trio_ohws.errors import UNKNOWN_ERROR, URL_ERROR, BusinessError, failure
from trio_ohws.proxy_server import ProxyServer
from trio_ohws.url import WebSocketURL, parse_url

ALL = [(target, path.name) for target in TARGETS for path in inputs(target)]


@pytest.mark.parametrize(("target", "name"), ALL, ids=[f"{target}-{name}" for target, name in ALL])
def test_the_corpus_passes(target: str, name: str) -> None:
    """No input of the corpus breaks a law, and none costs more memory than a few messages of the limit."""
    data = (CORPUS / target / name).read_bytes()
    tracemalloc.start()
    try:
        TARGETS[target](data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # Two links tell a message each, and inflating copies it.
    assert peak < 8 * max(LIMITS)


def test_the_corpus_is_what_the_seeds_say() -> None:
    """The files are those that `python -m tests.fuzz.seeds` writes, small and few."""
    files = {target: {path.name: path.read_bytes() for path in inputs(target)} for target in TARGETS}

    assert SEEDS == files
    assert all(len(data) < 2048 for seeds in files.values() for data in seeds.values())


def test_the_corpus_meets_every_verdict() -> None:
    """Whatever the decoder may refuse, some input is refused for; and each limit and area has one."""
    verdicts = {
        re.sub(" 0x.", "", told.reason)
        for data in SEEDS["frames"].values()
        for told in frames.check(data)
        if isinstance(told, Verdict)
    }
    setups = [data[0] for data in SEEDS["frames"].values()]

    assert {
        "compressed data that cannot be inflated",
        "continuation of no message",
        "control frame over 125 bytes",
        "fragmented control frame",
        "length not in its shortest form",
        "length not in its shortest form, or over 63 bits",
        "masked frame from a server",
        "message over 100 bytes",
        "message over 1048576 bytes",
        "message over the limit when inflated",
        "new message inside a fragmented one",
        "reserved bits set",
        "reserved opcode",
        "text that is not UTF-8",
    } == verdicts
    assert set(range(len(AREAS))) == {setup >> 4 & 3 for setup in setups}


# What a target is there to find


class Talkative(Decoder):
    """Tells what comes behind a verdict."""

    def decode(self) -> list[Message]:
        return ["late"] if isinstance(self.stop, Violation) else super().decode()


class Generous(Decoder):
    """Takes a byte more than the limit."""

    def __init__(self, scratch: Scratch, max_message_size: int) -> None:
        super().__init__(scratch, max_message_size + 1)


class Forgetful(Decoder):
    """Loses what was carried over, if a single byte is read."""

    def get_buffer(self) -> memoryview:
        self.offered = super().get_buffer()
        return self.offered

    def buffer_updated(self, count: int) -> bool:
        if count == 1 and len(self.offered) == 126:
            self.feed(b"")
        return super().buffer_updated(count)


class Hoarding(Decoder):
    """Keeps more between passes than it must."""

    def decode(self) -> list[Message]:
        messages = super().decode()
        if self.stop is None:
            self.feed(b"\x81" * 200)
        return messages


class Brittle(Decoder):
    """Lets an exception of its own out."""

    def decode(self) -> list[Message]:
        messages = super().decode()
        if isinstance(self.stop, Violation):
            raise IndexError("index out of range")
        return messages


class Endless(Decoder):
    """Stops for nothing, again and again."""

    def decode(self) -> list[Message]:
        messages = super().decode()
        if self.stop is None and not messages:
            self.stop = Pause()
        return messages


class ImpatientParser(HeadParser):
    """Takes a read for the whole head."""

    def feed(self, data: bytes | memoryview) -> ResponseHead | None:
        return super().feed(bytes(data) + b"\r\n\r\n")


class WholesaleParser(HeadParser):
    """Loses what is behind the head."""

    @property
    def rest(self) -> bytes:
        return b""


def lax_url(url: object) -> WebSocketURL:
    """Strip what may not stand in a URL, as `urllib.parse` does."""
    return parse_url(str(url).translate(dict.fromkeys(b"\t\r\n")))


def telling_url(url: object) -> WebSocketURL:
    """Repeat a URL in what is wrong with it."""
    try:
        return parse_url(url)
    except BusinessError:
        raise failure(URL_ERROR, str(url)) from None


def unsettled_url(url: object) -> WebSocketURL:
    """Keep the host as it was written."""
    parsed = parse_url(url)
    return replace(parsed, host=parsed.host.upper())


def lax_close(payload: bytes) -> tuple[int, str]:
    """Take any code."""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode(errors="replace")


async def leaky_tunnel(stream: trio.abc.Stream, proxy: ProxyServer, host: str, port: int) -> trio.abc.Stream:
    """Tell a password."""
    try:
        return await open_tunnel(stream, proxy, host, port)
    except BusinessError as error:
        raise failure(UNKNOWN_ERROR, f"{error.message} {proxy.password}", "0") from None


async def hasty_tunnel(stream: trio.abc.Stream, proxy: ProxyServer, host: str, port: int) -> trio.abc.Stream:
    """Take the first read for the whole answer."""
    if proxy.scheme != "http":
        return await open_tunnel(stream, proxy, host, port)
    await stream.receive_some(65536)
    return stream


BROKEN: list[tuple[str, partial[Any], type[Exception]]] = [
    ("frames", partial(frames.check, decoder=Talkative), AssertionError),
    ("frames", partial(frames.check, decoder=Generous), AssertionError),
    ("frames", partial(frames.check, decoder=Forgetful), AssertionError),
    ("frames", partial(frames.check, decoder=Hoarding), AssertionError),
    ("frames", partial(frames.check, decoder=Brittle), IndexError),
    ("frames", partial(frames.check, decoder=Endless), AssertionError),
    ("answer", partial(answer.check, parser=ImpatientParser), AssertionError),
    ("answer", partial(answer.check, parser=WholesaleParser), AssertionError),
    ("address", partial(address.check, parse=lax_url), AssertionError),
    ("address", partial(address.check, parse=telling_url), AssertionError),
    ("address", partial(address.check, parse=unsettled_url), AssertionError),
    ("goodbye", partial(goodbye.check, parse=lax_close), AssertionError),
    ("proxy", partial(proxy.check, ask=leaky_tunnel), AssertionError),
    ("proxy", partial(proxy.check, ask=hasty_tunnel), AssertionError),
]


@pytest.mark.parametrize(
    ("target", "check", "error"),
    BROKEN,
    ids=[subject.__name__ for _, check, _ in BROKEN for subject in check.keywords.values()],
)
def test_a_broken_subject_is_found(
    target: str, check: Callable[[bytes], object], error: type[Exception]
) -> None:
    """The corpus alone is enough to see each of these faults."""
    assert any(breaks(check, data, error) for data in SEEDS[target].values())


def breaks(check: Callable[[bytes], object], data: bytes, error: type[Exception]) -> bool:
    """Tell whether a target raises what it should."""
    try:
        check(data)
    except error:
        return True
    return False
