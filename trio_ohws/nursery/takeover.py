"""Taking over the stream that was dialled: what reads and writes it from then on."""

import socket
from typing import Any, Protocol, runtime_checkable

import trio

from trio_ohws._wire.scratch import Scratch
from trio_ohws._wire.tls import TlsLayer
from trio_ohws.nursery.tls_transport import TlsTransport
from trio_ohws.nursery.transport import SocketTransport, StreamTransport, Transport

__all__ = ["Underlay", "as_transport", "run_scratch"]

# One receive area for all connections of a run (see Scratch), and another for TLS within TLS: what one layer
# decrypts must not land on what it has still to decrypt.
_scratches: tuple[trio.lowlevel.RunVar[Scratch], ...] = (
    trio.lowlevel.RunVar("trio_ohws.scratch"),
    trio.lowlevel.RunVar("trio_ohws.scratch for TLS within TLS"),
)


@runtime_checkable
class Underlay(Protocol):
    """What some TLS streams run on, which has what it takes to go on without them.

    Attributes:
        stream: where ciphertext goes and comes from.
        layer: the connection, if its handshake is done.
    """

    stream: trio.abc.Stream
    layer: TlsLayer


def run_scratch(depth: int = 0) -> Scratch:
    """Return the memory into which this run of Trio receives; TLS within TLS, `depth` deep, into another."""
    variable = _scratches[depth % 2]  # once more within, the first is free again
    try:
        return variable.get()
    except LookupError:
        scratch = Scratch()
        variable.set(scratch)
        return scratch


def as_transport(stream: trio.abc.Stream) -> Transport:
    """Take over `stream`; nobody else may use it any more."""
    layers: list[TlsLayer] = []
    while isinstance(stream, trio.SSLStream) and isinstance(underlay := stream.transport_stream, Underlay):
        layers.append(underlay.layer)
        stream = underlay.stream
    transport = _without_tls(stream)
    for depth, layer in enumerate(reversed(layers)):
        transport = TlsTransport(transport, layer, run_scratch(depth))
    return transport


def _without_tls(stream: trio.abc.Stream) -> Transport:
    if not isinstance(stream, trio.SocketStream):
        return StreamTransport(stream)
    owned: Any = stream.socket
    # Made of a number alone, a socket asks the system three times what kind it is.
    sock = socket.socket(owned.family, owned.type, owned.proto, fileno=owned.detach())
    sock.setblocking(False)
    return SocketTransport(sock)
