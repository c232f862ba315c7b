"""Masking keys are never used twice, and both ways of masking are the RFC's."""

import importlib.util
import itertools
import os
import struct
import subprocess
import sys
import threading
import types
from collections.abc import Callable

import hypothesis
import pytest
import websockets.speedups
from hypothesis import strategies as st

from trio_ohws._wire import masking
from trio_ohws._wire.masking import apply_mask, new_mask, translate_mask


def load_afresh() -> types.ModuleType:
    """Return the module as a new process would import it."""
    spec = importlib.util.spec_from_file_location("fresh_masking", masking.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class NumberedSource:
    """A random source that numbers its words, so that none occurs twice."""

    def __init__(self) -> None:
        self.numbers = itertools.count()
        self.calls = 0

    def urandom(self, size: int) -> bytes:
        self.calls += 1
        return b"".join(struct.pack("!I", next(self.numbers)) for _ in range(size // 4))


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> tuple[types.ModuleType, NumberedSource]:
    """A fresh module, and the source of its keys."""
    module, numbered = load_afresh(), NumberedSource()
    monkeypatch.setattr(module, "os", numbered)
    return module, numbered


def test_keys_never_repeat(source: tuple[types.ModuleType, NumberedSource]) -> None:
    """No four bytes of the random source are handed out twice, over many blocks."""
    module, _ = source
    keys = [module.new_mask() for _ in range(10_000)]

    assert {4} == {len(key) for key in keys}
    assert 10_000 == len(set(keys))


def test_keys_are_taken_in_blocks(source: tuple[types.ModuleType, NumberedSource]) -> None:
    """The system is asked about once in a thousand keys, not for each."""
    module, numbered = source
    for _ in range(10_000):
        module.new_mask()

    assert 0 < numbered.calls < 50


def test_keys_never_repeat_among_threads(source: tuple[types.ModuleType, NumberedSource]) -> None:
    """Threads that take keys at the same time never get the same one."""
    module, _ = source
    taken: list[list[bytes]] = []
    start = threading.Barrier(8)

    def take() -> None:
        start.wait()
        taken.append([module.new_mask() for _ in range(3000)])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert 8 * 3000 == len(set(itertools.chain(*taken)))


FORK = """
import os, sys
from trio_ohws._wire.masking import new_mask

new_mask()  # the next ones are there already
reading, writing = os.pipe()
child = os.fork()
keys = b"".join(new_mask() for _ in range(500))
if not child:
    os.write(writing, keys)
    os._exit(0)
os.waitpid(child, 0)
sys.stdout.buffer.write(keys + os.read(reading, len(keys)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_has_keys_of_its_own() -> None:
    """A child does not repeat the keys that its parent had in stock when it forked."""
    output = subprocess.run([sys.executable, "-c", FORK], capture_output=True, check=True).stdout
    keys = [output[place : place + 4] for place in range(0, len(output), 4)]
    shared = set(keys[:500]) & set(keys[500:])

    assert 1000 == len(keys)
    assert len(shared) < 3, "chance repeats one in 17 000 runs, never three"


def test_systems_without_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no fork, and nothing to register for it."""
    monkeypatch.delattr(os, "register_at_fork", raising=False)

    assert 4 == len(load_afresh().new_mask())


def test_keys_come_from_the_system() -> None:
    """Real keys are four bytes, and differ."""
    keys = {new_mask() for _ in range(2000)}

    assert {4} == {len(key) for key in keys}
    assert len(keys) > 1990


# The XOR


@hypothesis.given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_masking_is_the_xor_of_the_rfc(data: bytes, mask: bytes) -> None:
    """Both ways give octet i XOR key[i mod 4], and undo themselves."""
    expected = bytes(octet ^ mask[i % 4] for i, octet in enumerate(data))

    assert expected == apply_mask(data, mask) == translate_mask(data, mask)
    assert data == apply_mask(expected, mask) == translate_mask(expected, mask)


@hypothesis.given(st.integers(0, 70000), st.binary(min_size=1, max_size=9), st.binary(min_size=4, max_size=4))
def test_both_ways_agree_on_large_payloads(size: int, seed: bytes, mask: bytes) -> None:
    """The C routine and the table agree at every length."""
    data = (seed * size)[:size]

    assert apply_mask(data, mask) == translate_mask(data, mask)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("way", [apply_mask, translate_mask])
def test_masking_leaves_its_input_alone(way: Callable[[bytes, bytes], bytes], kind: type) -> None:
    """What is masked may be any object of bytes; the result is new bytes."""
    data = bytearray(b"payload")
    masked = way(kind(data), b"\x01\x02\x03\x04")

    assert bytes is type(masked)
    assert b"payload" == data


def test_the_c_routine_is_used() -> None:
    """Where websockets has its speedups, they mask."""
    assert websockets.speedups.apply_mask is apply_mask


def test_without_the_c_routine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are missing, the table masks."""
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    module = load_afresh()

    assert module.translate_mask is module.apply_mask
