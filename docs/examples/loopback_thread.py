"""The echo server of the examples in a thread, for programs without async."""

from collections.abc import Iterator
from contextlib import contextmanager

from anyio.from_thread import start_blocking_portal
from loopback import echo_server


@contextmanager
def echo_server_thread() -> Iterator[str]:
    """Serve WebSockets that send everything back; the URL."""
    with start_blocking_portal("trio") as portal, portal.wrap_async_context_manager(echo_server()) as url:
        yield url
