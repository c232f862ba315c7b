"""A scripted server in a thread of its own, for clients that block."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import trio
from anyio.from_thread import start_blocking_portal

from tests.scripted_peer import Peer


@contextmanager
def served(script: Callable[[Peer], Awaitable[Any]]) -> Iterator[str]:
    """Serve connections on 127.0.0.1 by `script`; the URL."""

    async def serve(stream: trio.SocketStream) -> None:
        try:
            await script(Peer(stream))
        except trio.BrokenResourceError:
            pass  # some clients drop the connection, which is what their test is about
        await trio.aclose_forcefully(stream)

    with start_blocking_portal("trio") as portal:
        listeners = portal.call(partial(trio.open_tcp_listeners, 0, host="127.0.0.1"))
        serving = portal.start_task_soon(trio.serve_listeners, serve, listeners)
        yield f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        serving.cancel()
