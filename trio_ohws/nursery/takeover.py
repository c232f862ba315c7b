"""Taking over the stream that was dialled: what reads and writes it from then on."""

import socket
from typing import Any, Protocol, runtime_checkable

import trio

from trio_ohws._wire.scratch import Scratch
from trio_ohws._wire.tls import TlsLayer
from trio_ohws.nursery.tls_transport import TlsTransport
from trio_ohws.nursery.transport import SocketTransport, StreamTransport, Transport

__all__ = ["Underlay", "as_transport", "run_scratch"]

# One receive area for all connections of a run (see Scratch).
_scratch: trio.lowlevel.RunVar[Scratch] = trio.lowlevel.RunVar("trio_ohws.scratch")


@runtime_checkable
class Underlay(Protocol):
    """What some TLS streams run on, which has what it takes to go on without them.

    Attributes:
        stream: where ciphertext goes and comes from.
        layer: the connection, if its handshake is done.
    """

    stream: trio.abc.Stream
    layer: TlsLayer


def run_scratch() -> Scratch:
    """Return the memory into which this run of Trio receives."""
    try:
        return _scratch.get()
    except LookupError:
        scratch = Scratch()
        _scratch.set(scratch)
        return scratch


def as_transport(stream: trio.abc.Stream) -> Transport:
    """Take over `stream`; nobody else may use it any more."""
    if isinstance(stream, trio.SSLStream) and isinstance(underlay := stream.transport_stream, Underlay):
        return TlsTransport(as_transport(underlay.stream), underlay.layer, run_scratch())
    if not isinstance(stream, trio.SocketStream):
        return StreamTransport(stream)
    owned: Any = stream.socket
    sock = socket.socket(fileno=owned.detach())
    sock.setblocking(False)
    return SocketTransport(sock)
