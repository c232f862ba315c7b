"""Another network in the place of the operating system's, for one run of Trio.

This is the seam of the testing kit: a program under test dials as it always does, and reaches a peer in
memory. Trio's own seam, ``trio.socket.set_custom_socket_factory``, is one floor too low for that: a plain
socket is detached for the fast path, TLS would have to be spoken, and the worker thread that builds its
context lets a virtual clock run on to ``connect_timeout``.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import trio

from trio_ohws.options import WebSocketRequestOptions
from trio_ohws.policy import Policy
from trio_ohws.url import WebSocketURL

__all__ = ["NetworkDial", "dial_of_this_run", "replaced_network"]

NetworkDial = Callable[[WebSocketURL, WebSocketRequestOptions, Policy], Awaitable[trio.abc.Stream]]

_replacement: Final = trio.lowlevel.RunVar[NetworkDial | None]("trio_ohws network", None)


def dial_of_this_run() -> NetworkDial | None:
    """Return what opens streams in the place of the operating system, or None."""
    return _replacement.get()


@contextmanager
def replaced_network(dial: NetworkDial) -> Iterator[None]:
    """Let every connection of this run be opened by `dial`: those of tasks that run already, too.

    Args:
        dial: Called with checked arguments; it raises what the real one would raise.

    Raises:
        RuntimeError: The network of this run is replaced already.
    """
    if _replacement.get() is not None:
        raise RuntimeError("a run of Trio has one network: use the one that is there, for all of its hosts")
    token = _replacement.set(dial)
    try:
        yield
    finally:
        _replacement.reset(token)
