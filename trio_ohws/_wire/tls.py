"""TLS once the handshake is done: ciphertext to plaintext and back.

OpenSSL gives one record at a time, 16 KiB at most. Here one call takes the plaintext of all records that
are there, straight into the memory that it is decoded from. OpenSSL's own memory for what has arrived never
shrinks, so it is given that in sips.
"""

import ssl
from collections.abc import Callable
from typing import Final, cast

from trio_ohws._wire.scratch import READ_SIZE, WIDTH

__all__ = ["ARRIVAL", "TlsLayer"]

# Bytes that are given to OpenSSL at a time.
_SIP: Final = 65536
# A record at most: its head, its plaintext, and 2048 bytes more in TLS 1.2 (RFC 8446 section 5.2).
_RECORD: Final = 5 + 16384 + 2048

ARRIVAL: Final = WIDTH * READ_SIZE - _RECORD
"""Bytes to ask of the network at a time.

With the rest of a record from before, one pass takes all of it where large frames arrive (`Scratch.wide`).
Half of that would cost frames of 64 KiB a tenth: twice as many turns of the scheduler, and twice as many
frames that are cut. Small ones cost the same with either.
"""

_NOTHING: Final = memoryview(b"")


class TlsLayer:
    """One side of a TLS connection.

    Args:
        tls: its handshake is done.
        incoming: where `tls` looks for ciphertext.
        outgoing: where `tls` puts ciphertext.
    """

    __slots__ = (
        "_incoming",
        "_outgoing",
        "_over",
        "_read",
        "_trouble",
        "_waiting",
        "_write",
        "ended",
        "more",
    )

    def __init__(self, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._read = cast(Callable[[int, memoryview], int], tls.read)  # with a buffer it returns a size
        self._write = tls.write
        self._incoming = incoming
        self._outgoing = outgoing
        self._waiting: memoryview = _NOTHING  # has arrived, and OpenSSL has not had it yet
        self._over = False  # nothing more will arrive
        self._trouble: ssl.SSLError | None = None  # to be told after what came before it
        self.ended: bool = False  # nothing more will come
        # There may be something to be told: the last `decrypt` left it, or it has arrived since; what came
        # with the handshake may hold something, too.
        self.more: bool = True

    def feed(self, ciphertext: memoryview) -> None:
        """Take in what has arrived; after `keep`, or once it is all decrypted, its memory is free."""
        self._waiting = memoryview(bytes(self._waiting) + ciphertext) if self._waiting else ciphertext
        self.more = True

    def feed_eof(self) -> None:
        """Say that nothing more will arrive."""
        self._over = self.more = True
        if not self._waiting:
            self._incoming.write_eof()

    def keep(self) -> None:
        """Move what is not decrypted yet out of memory that others receive into."""
        if self._waiting:
            self._waiting = memoryview(bytes(self._waiting))

    def decrypt(self, buffer: memoryview) -> int:
        """Put the plaintext of what has arrived into `buffer`; return how much, 0 if there is none.

        Raises:
            ssl.SSLError: a record is broken, once everything before it was returned.
        """
        if self._trouble is not None:
            raise self._trouble
        incoming, read = self._incoming, self._read
        filled, size = 0, len(buffer)
        while filled < size and not self.ended:
            if (pending := incoming.pending) < _RECORD:
                if self._waiting:
                    self._sip()
                elif filled and not pending:
                    break  # the common case of little traffic: an exception saved
            try:
                count = read(size - filled, buffer[filled:])
            except ssl.SSLWantReadError:
                if self._waiting:
                    continue  # the sip held nothing for us: session tickets, perhaps
                break
            except ssl.SSLError as error:
                # Without close_notify, which HTTP allows; frames say themselves whether they are whole.
                if isinstance(error, ssl.SSLEOFError) or error.reason == "UNEXPECTED_EOF_WHILE_READING":
                    self.ended = True
                    break
                # It may be kept for long, and the frames of its traceback would keep the buffer.
                self._trouble, self.more = error.with_traceback(None), True
                if not filled:
                    raise self._trouble  # noqa: B904  # it is the cause
                return filled
            if not count:
                self.ended = True
            filled += count
        self.more = filled == size or self._over or self.ended
        return filled

    def _sip(self) -> None:
        self._incoming.write(self._waiting[:_SIP])
        # An empty view of what was received would keep all of that, for as long as the connection is idle.
        self._waiting = self._waiting[_SIP:] or _NOTHING
        if self._over and not self._waiting:
            self._incoming.write_eof()

    def encrypt(self, plaintext: memoryview) -> None:
        """Add records to what is to be sent.

        Raises:
            ssl.SSLWantReadError: the peer negotiates anew; when more has arrived, say the same again.
            ssl.SSLError: nothing can be sent any more.
        """
        while True:
            try:
                self._write(plaintext)
            except ssl.SSLWantReadError:
                if not self._waiting:
                    raise
                self._sip()
            else:
                return

    @property
    def owes(self) -> bool:
        """Whether there is something to be sent; decrypting, too, may call for an answer."""
        return self._outgoing.pending > 0

    def take(self) -> bytes:
        """Take out what is to be sent."""
        return self._outgoing.read()
