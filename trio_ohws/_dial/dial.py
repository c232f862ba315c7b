"""Open a byte stream to the server: TCP, and TLS on it for ``wss://``."""

import errno
import os
import socket
from typing import Final

import trio

from trio_ohws._dial.tls import client_context, start_tls
from trio_ohws.errors import PERMISSION_DENIED, UNKNOWN_ERROR, BusinessError, failure
from trio_ohws.options import HttpProxy, WebSocketRequestOptions
from trio_ohws.policy import UNRESTRICTED, Policy
from trio_ohws.url import WebSocketURL

__all__ = ["dial"]

_TROUBLES: Final = {
    errno.ECONNREFUSED: "connection refused by {}",
    errno.ECONNRESET: "connection reset by {}",
    errno.ETIMEDOUT: "connecting to {} timed out",
    errno.EHOSTUNREACH: "no route to {}",
    errno.ENETUNREACH: "no network leads to {}",
    errno.EMFILE: "too many open files to connect to {}",
}


async def dial(
    url: WebSocketURL, options: WebSocketRequestOptions, policy: Policy = UNRESTRICTED
) -> trio.abc.Stream:
    """Connect to the server that a URL names.

    Addresses are tried as RFC 6555 has it (happy eyeballs). There is no timeout: the caller has one for the
    whole attempt, of which this is the first part.

    Args:
        url: A checked URL.
        options: Checked options, of which ``ca_path``, ``client_cert`` and ``proxy`` matter here.
        policy: What judges the addresses; that it allows the host was checked before.

    Returns:
        A ``trio.SocketStream`` for ``ws://``, a ``trio.SSLStream`` after its handshake for ``wss://``.

    Raises:
        BusinessError: 201, the operating system forbids the connection; 2302002, a certificate file has
            vanished; 2302999 with data ``"0"``, anything else, with a message that says what happened and
            the cause attached.

    If cancelled:
        No socket stays open.

    Source: the API document, ``connect``.
    """
    if isinstance(options.proxy, HttpProxy):
        raise failure(UNKNOWN_ERROR, "proxies are not supported yet", "0")
    # First what may fail without a packet sent.
    context = await trio.to_thread.run_sync(client_context, options) if url.secure else None
    stream = await _open_tcp(url.host, url.port)
    if context is None:
        return stream
    # A certificate names the host without the dot that ends a full name, and so does SNI (RFC 6066).
    return await start_tls(stream, url.host.removesuffix("."), context)


async def _open_tcp(host: str, port: int) -> trio.SocketStream:
    try:
        return await trio.open_tcp_stream(host, port)
    except socket.gaierror as error:
        raise failure(UNKNOWN_ERROR, f"cannot resolve host {host!r}: {error.strerror}", "0") from error
    except OSError as error:
        raise _unreachable(host, port, error) from error


def _unreachable(host: str, port: int, error: OSError) -> BusinessError:
    """Tell apart why the addresses of a host failed; Trio attaches the reasons as one group."""
    where = f"{host} port {port}"
    if not isinstance(error.__cause__, ExceptionGroup):
        # No connection was tried, so this is about the look-up, even if it is EACCES.
        return failure(UNKNOWN_ERROR, f"cannot resolve host {host!r}: {_words(error)}", "0")
    reasons = [reason for reason in error.__cause__.exceptions if isinstance(reason, OSError)]
    if reasons and all(isinstance(reason, PermissionError) for reason in reasons):
        return failure(PERMISSION_DENIED, f"the operating system forbids connecting to {where}")
    troubles = dict.fromkeys(_trouble(reason, where) for reason in reasons)
    return failure(UNKNOWN_ERROR, "; ".join(troubles), "0")


def _trouble(reason: OSError, where: str) -> str:
    known = _TROUBLES.get(reason.errno or 0)
    return known.format(where) if known else f"cannot connect to {where}: {_words(reason)}"


def _words(error: OSError) -> str:
    # Trio's own text would repeat the address.
    return os.strerror(error.errno) if error.errno else str(error)
