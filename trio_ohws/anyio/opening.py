"""Ways to an open stream."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Unpack

import anyio
import anyio.abc
import trio
from anyio.streams.tls import TLSAttribute

from trio_ohws._dial.dial import context_for
from trio_ohws._dial.tls import start_tls
from trio_ohws.anyio.stream import WebSocketStream
from trio_ohws.anyio.transport import ByteStreamTransport
from trio_ohws.errors import PARAMETER_ERROR, UNKNOWN_ERROR, failure
from trio_ohws.options import WebSocketRequestOptions, request_options
from trio_ohws.settings import Settings, WebSocketSettings
from trio_ohws.url import WebSocketURL
from trio_ohws.websocket import WebSocket, create_websocket

__all__ = ["open_websocket", "open_websocket_over"]

RequestOptions = WebSocketRequestOptions | Mapping[str, Any] | None


@asynccontextmanager
async def open_websocket(
    url: str, options: RequestOptions = None, **settings: Unpack[WebSocketSettings]
) -> AsyncIterator[WebSocketStream]:
    """Make a socket and connect it, as a stream of AnyIO's.

    Args:
        url: as in `trio_ohws.WebSocket.connect`.
        options: as in `trio_ohws.WebSocket.connect`.
        settings: as in `trio_ohws.create_websocket`.

    Yields:
        The stream.

    Raises:
        BusinessError: as `trio_ohws.WebSocket.connect`.
        RuntimeError: AnyIO runs on another backend than trio.

    If cancelled:
        As `trio_ohws.open_websocket`.

    Source: beyond OHOS.
    """
    _require_trio()
    async with create_websocket(**settings) as ws:
        await ws.connect(url, options)
        yield WebSocketStream(ws)


@asynccontextmanager
async def open_websocket_over(
    stream: anyio.abc.ByteStream,
    url: str,
    options: RequestOptions = None,
    **settings: Unpack[WebSocketSettings],
) -> AsyncIterator[WebSocketStream]:
    """Speak WebSocket over a byte stream of yours, which is closed at the end in any case.

    For ``wss://`` there is TLS over it, as the options and settings say, unless the stream is TLS already:
    then its certificate was yours to verify. Of a policy the addresses have no part in it.

    Args:
        stream: one on which nothing was sent yet, such as `anyio.connect_tcp` returns.
        url: what to ask the server for.
        options: as in `trio_ohws.WebSocket.connect`, but without a proxy.
        settings: as in `trio_ohws.create_websocket`.

    Yields:
        The stream of messages; it has the typed attributes of the byte stream, too.

    Raises:
        BusinessError: as `trio_ohws.WebSocket.connect`; 401 for a proxy, too.
        RuntimeError: AnyIO runs on another backend than trio.

    If cancelled:
        As `trio_ohws.open_websocket`.

    Source: beyond OHOS.
    """
    _require_trio()
    carrier: anyio.abc.ByteStream | None = stream

    async def dial(target: WebSocketURL, checked: WebSocketRequestOptions) -> trio.abc.Stream:
        nonlocal carrier
        if carrier is None:
            raise failure(UNKNOWN_ERROR, "the stream was used for a connection already", "0")
        transport, carrier = ByteStreamTransport(carrier), None
        if not target.secure or TLSAttribute.ssl_object in stream.extra_attributes:
            await trio.lowlevel.checkpoint()
            return transport
        context = await context_for(target, checked, settings.get("ssl_context"))
        return await start_tls(transport, target.host.removesuffix("."), context)

    try:
        if request_options(options).proxy not in (None, "no-proxy"):
            raise failure(PARAMETER_ERROR, "'proxy' has no part in a connection over a stream of one's own")
        async with WebSocket(Settings(**settings), dial=dial) as ws:
            await ws.connect(url, options)
            yield WebSocketStream(ws, stream)
    finally:
        with trio.CancelScope(shield=True):
            await anyio.aclose_forcefully(stream)


def _require_trio() -> None:
    if not trio.lowlevel.in_trio_task():
        raise RuntimeError("trio_ohws needs AnyIO's trio backend: anyio.run(main, backend='trio')")
