"""Reading all TLS records that have arrived, below Trio's SSLStream.

SSLStream asks OpenSSL for plaintext once, and then the scheduler has its turn; OpenSSL gives a record at a
time, 16 KiB at most. So a large message took a pass of Trio's loop for each of its records, and most of the
time. Here one read from the network takes up to 256 KiB, and one call gives the plaintext of all of it.
OpenSSL's own memory for what has arrived never shrinks, so it is given that in sips.
"""

import ssl
from typing import Any, Final, cast

import trio

from trio_ohws._wire.scratch import READ_SIZE

__all__ = ["tls_stream"]

# Bytes that are given to OpenSSL at a time.
_SIP: Final = 65536
# Bytes of plaintext in a record at most (OpenSSL makes an object of the size that it is asked for), and of
# the record itself (RFC 8446 section 5.2; TLS 1.2 allows 2048 more than the plaintext).
_PLAINTEXT: Final = 16384
_RECORD: Final = 5 + _PLAINTEXT + 2048
# Bytes that are asked of the network at a time: together with the rest of a record, one read takes all of it.
_ARRIVAL: Final = READ_SIZE - _RECORD

_NOTHING: Final = memoryview(b"")


def tls_stream(
    transport: trio.abc.Stream, host: str, context: ssl.SSLContext
) -> trio.SSLStream[trio.abc.Stream]:
    """Build a client's side of TLS on `transport`; the handshake is still to come.

    Args:
        transport: A stream on which nothing was sent yet; addresses are found below it.
        host: The name or address that the certificate must be for.
        context: Trusted roots, our certificate and all other settings.
    """
    arrivals = _Arrivals(transport)
    return trio.SSLStream[trio.abc.Stream](
        trio.StapledStream(transport, arrivals),
        cast(ssl.SSLContext, _Context(context, arrivals)),
        server_hostname=host,
        https_compatible=True,
    )


class _Arrivals(trio.abc.ReceiveStream):
    """What has come from the network, and OpenSSL has not had yet."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self.waiting: memoryview = _NOTHING

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        size = _SIP if max_bytes is None else max_bytes
        if self.waiting:
            await trio.lowlevel.checkpoint()
        else:
            data = await self._stream.receive_some(_ARRIVAL)
            if len(data) <= size:
                return data
            self.waiting = memoryview(data)
        return bytes(self.sip(size))

    def sip(self, size: int = _SIP) -> memoryview:
        """Take out what OpenSSL is to get next."""
        sip = self.waiting[:size]
        # An empty view of what was received would keep all of that, for as long as the connection is idle.
        self.waiting = self.waiting[size:] if size < len(self.waiting) else _NOTHING
        return sip

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Context:
    """All that SSLStream asks of a context."""

    def __init__(self, context: ssl.SSLContext, arrivals: _Arrivals) -> None:
        self._context = context
        self._arrivals = arrivals

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **options: Any) -> "_Records":
        return _Records(self._context.wrap_bio(incoming, outgoing, **options), incoming, self._arrivals)


class _Records:
    """An `ssl.SSLObject` that reads all records that are there."""

    def __init__(self, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, arrivals: _Arrivals) -> None:
        self._tls = tls
        self._incoming = incoming
        self._arrivals = arrivals
        self._trouble: ssl.SSLError | None = None
        self.write = tls.write  # spares each message a detour

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tls, name)

    def read(self, size: int) -> bytes:
        """Return at least one byte and at most `size`, or b"" at the end.

        Raises:
            ssl.SSLError: as `ssl.SSLObject.read`, once everything before it was returned.
        """
        if self._trouble is not None:
            raise self._trouble
        arrivals, incoming, read = self._arrivals, self._incoming, self._tls.read
        pieces: list[bytes] = []
        while size:
            if (pending := incoming.pending) < _RECORD:
                if arrivals.waiting:
                    incoming.write(arrivals.sip())
                elif pieces and not pending:
                    break  # the common case of little traffic: an exception saved
            try:
                piece = read(min(size, _PLAINTEXT))
            except ssl.SSLError as error:
                if not pieces:
                    raise
                if not isinstance(error, ssl.SSLWantReadError):
                    self._trouble = error
                break
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
