"""A socket as AnyIO's `ObjectStream`."""

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.abc
import trio
from anyio.streams.tls import TLSAttribute

from trio_ohws.errors import EndOfMessages
from trio_ohws.events.model import Message
from trio_ohws.nursery.endpoints import Address, TlsInfo
from trio_ohws.websocket import WebSocket

__all__ = ["WebSocketStream"]


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
