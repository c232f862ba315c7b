"""A socket as AnyIO's `ObjectStream`, and over AnyIO's byte streams; on AnyIO's trio backend."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Unpack

import anyio
import anyio.abc
import trio
from anyio.streams.tls import TLSAttribute

from trio_ohws._dial.dial import context_for
from trio_ohws._dial.tls import start_tls
from trio_ohws.errors import PARAMETER_ERROR, UNKNOWN_ERROR, EndOfMessages, failure
from trio_ohws.events.model import Message
from trio_ohws.nursery.endpoints import Address, TlsInfo
from trio_ohws.options import WebSocketRequestOptions, request_options
from trio_ohws.settings import Settings, WebSocketSettings
from trio_ohws.url import WebSocketURL
from trio_ohws.websocket import WebSocket, create_websocket

__all__ = ["WebSocketStream", "open_websocket", "open_websocket_over"]

RequestOptions = WebSocketRequestOptions | Mapping[str, Any] | None

_RECEIVE_SIZE = 65536


@asynccontextmanager
async def open_websocket(
    url: str, options: RequestOptions = None, **settings: Unpack[WebSocketSettings]
) -> AsyncIterator["WebSocketStream"]:
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
) -> AsyncIterator["WebSocketStream"]:
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


class WebSocketStream(anyio.abc.ObjectStream[Message]):
    """A socket that behaves as AnyIO's streams do: str is text, bytes is binary.

    It raises AnyIO's exceptions, with ours as the cause, and has AnyIO's typed attributes: those of
    ``SocketAttribute`` but ``raw_socket``, and with TLS those of ``TLSAttribute`` but ``ssl_object`` and
    ``channel_binding_tls_unique``. In all else it is its `websocket`.

    Args:
        websocket: an entered one; it still belongs to its own ``async with``.
        carrier: the byte stream that it runs over, if you made that; its attributes are ours.
    """

    def __init__(self, websocket: WebSocket, carrier: anyio.abc.ByteStream | None = None) -> None:
        self.websocket = websocket
        self._carrier = carrier

    async def send(self, item: Message) -> None:
        """Send a message.

        Args:
            item: str is sent as text, bytes as binary.

        Raises:
            anyio.ClosedResourceError: we closed.
            anyio.BrokenResourceError: the peer closed, or the link broke.
            BusinessError: 401, as `trio_ohws.WebSocket.send`.

        If cancelled:
            The message was not queued.
        """
        with _anyio_errors():
            await self.websocket.send(item)

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            anyio.EndOfStream: the peer closed with 1000, 1001 or no code, and all that arrived was received.
            anyio.ClosedResourceError: we closed.
            anyio.BrokenResourceError: any other end.
            anyio.BusyResourceError: another task waits already.

        If cancelled:
            No message is lost: the next call returns it.
        """
        with _anyio_errors():
            try:
                return await self.websocket.receive()
            except EndOfMessages as error:
                result = self.websocket.close_result
                if result is not None and result.by == "local":
                    raise anyio.ClosedResourceError from error
                raise anyio.EndOfStream from error

    async def send_eof(self) -> None:
        """Raise: a WebSocket has no half-close; after a Close frame what still arrives is dropped.

        Raises:
            NotImplementedError: always.
        """
        await trio.lowlevel.checkpoint()
        raise NotImplementedError("a WebSocket cannot be closed for sending only: use aclose()")

    async def aclose(self) -> None:
        """Close with 1000, or join the closing that is under way.

        If cancelled:
            The connection is dropped at once.
        """
        await self.websocket.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """What `extra` looks up: see the class."""
        attributes: dict[Any, Callable[[], Any]] = {}
        if self._carrier is not None:
            attributes.update(self._carrier.extra_attributes)
        local, remote = self.websocket.local_address, self.websocket.remote_address
        if local is not None and remote is not None:
            attributes.update(_socket_attributes(local, remote))
        if self.websocket.tls is not None:
            attributes.update(_tls_attributes(self.websocket.tls))
        return attributes


class ByteStreamTransport(trio.abc.Stream):
    """A byte stream of AnyIO's, as a stream of Trio's.

    Args:
        stream: owned from now on.
    """

    def __init__(self, stream: anyio.abc.ByteStream) -> None:
        self._stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it; see `trio.abc.SendStream`."""
        with _trio_errors():
            await self._stream.send(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        """Return at once: AnyIO does not know."""
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what is there, b"" at the end; see `trio.abc.ReceiveStream`."""
        with _trio_errors():
            while True:
                try:
                    data = await self._stream.receive(max_bytes or _RECEIVE_SIZE)
                except anyio.EndOfStream:
                    return b""
                if data:  # AnyIO asks its users to ignore an empty one, which would be an end for Trio
                    return data

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()


def _require_trio() -> None:
    if not trio.lowlevel.in_trio_task():
        raise RuntimeError("trio_ohws needs AnyIO's trio backend: anyio.run(main, backend='trio')")


@contextmanager
def _anyio_errors() -> Iterator[None]:
    """Raise AnyIO's exceptions for Trio's, of which ours are kinds."""
    try:
        yield
    except trio.ClosedResourceError as error:
        raise anyio.ClosedResourceError from error
    except trio.BrokenResourceError as error:
        raise anyio.BrokenResourceError from error
    except trio.BusyResourceError as error:
        raise anyio.BusyResourceError("receiving from") from error


@contextmanager
def _trio_errors() -> Iterator[None]:
    """The other way round."""
    try:
        yield
    except anyio.ClosedResourceError as error:
        raise trio.ClosedResourceError("the byte stream was closed") from error
    except anyio.BrokenResourceError as error:
        raise trio.BrokenResourceError("the byte stream is broken") from error
    except anyio.BusyResourceError as error:
        raise trio.BusyResourceError("the byte stream is used by another task") from error


def _socket_attributes(local: Address, remote: Address) -> Mapping[Any, Callable[[], Any]]:
    attribute = anyio.abc.SocketAttribute
    attributes: dict[Any, Callable[[], Any]] = {
        attribute.local_address: lambda: local,
        attribute.remote_address: lambda: remote,
    }
    if isinstance(local, tuple) and isinstance(remote, tuple):
        family = socket.AF_INET6 if ":" in remote[0] else socket.AF_INET
        local_port, remote_port = local[1], remote[1]
        attributes[attribute.family] = lambda: family
        attributes[attribute.local_port] = lambda: local_port
        attributes[attribute.remote_port] = lambda: remote_port
    return attributes


def _tls_attributes(tls: TlsInfo) -> Mapping[Any, Callable[[], Any]]:
    return {
        TLSAttribute.alpn_protocol: lambda: tls.alpn_protocol,
        TLSAttribute.cipher: lambda: tls.cipher,
        TLSAttribute.peer_certificate: lambda: tls.peer_certificate,
        TLSAttribute.peer_certificate_binary: lambda: tls.peer_certificate_binary,
        TLSAttribute.server_side: lambda: False,
        TLSAttribute.shared_ciphers: lambda: None,
        TLSAttribute.standard_compatible: lambda: False,
        TLSAttribute.tls_version: lambda: tls.version,
    }
