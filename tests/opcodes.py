"""Count what the interpreter does: the instructions of its virtual machine, and its calls of C functions.

Both are the same in every run, on every machine, however busy it is; so a loop that grew by a tenth can fail
a test, where a clock would have to be asked a hundred times. They say nothing of what happens in C.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

__all__ = ["Counter", "counting"]


@dataclass
class Counter:
    """What was counted.

    Attributes:
        opcodes: instructions of Python functions that were called inside the block.
        c_calls: calls of C functions from there.
    """

    opcodes: int = 0
    c_calls: int = 0


@contextmanager
def counting() -> Iterator[Counter]:
    """Count in this thread while the block runs."""
    counter = Counter()

    def trace(frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        frame.f_trace_opcodes = True
        if event == "opcode":
            counter.opcodes += 1
        return trace

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            counter.c_calls += 1

    tracer, profiler = sys.gettrace(), sys.getprofile()
    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        yield counter
    finally:
        sys.settrace(tracer)
        sys.setprofile(profiler)
