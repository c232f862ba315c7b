"""A client's TLS whose connection can be taken over once the handshake is done.

`trio.SSLStream` shakes hands, and verifies. It makes its SSLObject, and the memory in which that keeps what
comes and goes, by calling the context that it was given: so the context is where they can be got hold of.
"""

import ssl
from typing import Any, cast

import trio

from trio_ohws._wire.tls import TlsLayer

__all__ = ["tls_stream"]


def tls_stream(
    transport: trio.abc.Stream, host: str, context: ssl.SSLContext
) -> trio.SSLStream[trio.abc.Stream]:
    """Build a client's side of TLS on `transport`; the handshake is still to come.

    Args:
        transport: A stream on which nothing was sent yet; addresses are found below it.
        host: The name or address that the certificate must be for.
        context: Trusted roots, our certificate and all other settings.

    Returns:
        A stream whose own `transport_stream` has what it takes to go on without it: see `Underlay`.
    """
    underlay = _Underlay(transport)
    return trio.SSLStream[trio.abc.Stream](
        underlay,
        cast(ssl.SSLContext, _Context(context, underlay)),
        server_hostname=host,
        https_compatible=True,
    )


class _Underlay(trio.abc.Stream):
    """What a TLS stream runs on (see `trio_ohws.nursery.transport.Underlay`)."""

    layer: TlsLayer

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.stream.aclose()


class _Context:
    """All that SSLStream asks of a context."""

    def __init__(self, context: ssl.SSLContext, underlay: _Underlay) -> None:
        self._context = context
        self._underlay = underlay

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **options: Any) -> ssl.SSLObject:
        tls = self._context.wrap_bio(incoming, outgoing, **options)
        self._underlay.layer = TlsLayer(tls, incoming, outgoing)
        return tls
