"""Both ends of a TLS connection: ours to be taken over, the other an ordinary one."""

import ssl
from array import array
from contextlib import suppress

import pytest
import trio
import trustme

from trio_ohws._dial.tls_stream import tls_stream
from trio_ohws._wire.tls import TlsLayer

HOST = "records.example"
CA = trustme.CA()
CERTIFICATE = CA.issue_cert(HOST)
RECORD = 16384
"""Bytes of plaintext that a record holds at most."""

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
each_version = pytest.mark.parametrize("version", VERSIONS, ids=["TLSv1.2", "TLSv1.3"])


def client_context() -> ssl.SSLContext:
    """Trust the CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)
    return context


def server_context(version: ssl.TLSVersion, tickets: int = 2) -> ssl.SSLContext:
    """Speak one version, show the certificate of `HOST`, and send as many session tickets (TLS 1.3)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.num_tickets = tickets
    CERTIFICATE.configure_cert(context)
    return context


class MemoryServer:
    """A server whose bytes go where the test takes them.

    Args:
        version: the only one that it speaks.
        tickets: how many session tickets it sends after the handshake.
    """

    def __init__(self, version: ssl.TLSVersion, tickets: int = 2) -> None:
        self._heard, self._said = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = server_context(version, tickets).wrap_bio(self._heard, self._said, server_side=True)

    def hear(self, ciphertext: bytes) -> bytes:
        """Take in what a client says; return the plaintext of it, once the handshake is done."""
        self._heard.write(ciphertext)
        plaintext = b""
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
            while piece := self.tls.read(RECORD):
                plaintext += piece
        return plaintext

    def say(self, plaintext: bytes) -> bytes:
        """Return the records of it, and whatever else is to be said before."""
        self.tls.write(plaintext)
        return self.said()

    def said(self) -> bytes:
        """Take out what is to be said."""
        return self._said.read()

    def bye(self) -> bytes:
        """Return close_notify."""
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self.said()


def client(incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
    """Return a client that is still to shake hands."""
    return client_context().wrap_bio(incoming, outgoing, server_hostname=HOST)


def shake_hands(
    tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, server: MemoryServer
) -> bytes:
    """Let a client shake hands; return what the server says after that."""
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            server.hear(outgoing.read())
            incoming.write(server.said())
        else:
            server.hear(outgoing.read())
            return server.said()


def connected(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> tuple[TlsLayer, MemoryServer]:
    """Return a client's layer, and its server."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls, server = client(incoming, outgoing), MemoryServer(version)
    incoming.write(shake_hands(tls, incoming, outgoing, server))
    return TlsLayer(tls, incoming, outgoing), server


async def secure(
    ours: trio.abc.Stream, theirs: trio.abc.Stream, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> tuple[trio.SSLStream[trio.abc.Stream], trio.SSLStream[trio.abc.Stream]]:
    """Shake hands over both ends of a stream; return the client's and the server's."""
    mine = tls_stream(ours, HOST, client_context())
    other = trio.SSLStream[trio.abc.Stream](
        theirs, server_context(version), server_side=True, https_compatible=True
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mine.do_handshake)
        nursery.start_soon(other.do_handshake)
    return mine, other


def numbered(size: int) -> bytes:
    """Return bytes of which no two stretches are alike; a multiple of four."""
    return array("I", range(size // 4)).tobytes()
