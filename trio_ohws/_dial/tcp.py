"""Open a TCP connection by name, and say why that failed."""

import errno
import os
import socket
from collections.abc import Sequence
from typing import Final

import trio

from trio_ohws.errors import PERMISSION_DENIED, UNKNOWN_ERROR, BusinessError, failure
from trio_ohws.policy import UNRESTRICTED, Policy, is_address

__all__ = ["open_tcp", "resolve"]

_TROUBLES: Final = {
    errno.ECONNREFUSED: "connection refused by {}",
    errno.ECONNRESET: "connection reset by {}",
    errno.ETIMEDOUT: "connecting to {} timed out",
    errno.EHOSTUNREACH: "no route to {}",
    errno.ENETUNREACH: "no network leads to {}",
    errno.EMFILE: "too many open files to connect to {}",
}
_ALL_FAILED: Final = "all attempts failed"  # and why as a group, which is how `trio.open_tcp_stream` says it
_STAGGER_S: Final = 0.25
"""After how long without an answer the next address is tried (RFC 8305 section 5)."""


async def open_tcp(
    host: str, port: int, policy: Policy = UNRESTRICTED, *, called: str | None = None
) -> trio.SocketStream:
    """Connect to whichever address of a host answers first (happy eyeballs).

    Args:
        host: A name, or an address without brackets.
        port: From 1 to 65535.
        policy: What judges the addresses that are dialled.
        called: What messages call this; the host and the port if None.

    Returns:
        The open stream.

    Raises:
        BusinessError: 201, the operating system forbids it; 2302998, the policy allows none of the
            addresses; 2302999, anything else.

    If cancelled:
        No socket stays open.
    """
    try:
        if policy.allow_private_addresses:
            if is_address(host):
                return await _open_address(host, port)
            return await trio.open_tcp_stream(host, port)
        return await _open_first(await resolve(host, port, policy), port)
    except (socket.gaierror, UnicodeError) as error:
        raise _unresolved(host, error) from error
    except OSError as error:
        raise _unreachable(host, called or f"{host} port {port}", error) from error


async def resolve(host: str, port: int, policy: Policy = UNRESTRICTED, family: int = 0) -> list[str]:
    """Look up the addresses of a host that a policy allows.

    Args:
        host: A name, or an address without brackets.
        port: From 1 to 65535.
        policy: What judges the addresses.
        family: ``socket.AF_INET`` or ``AF_INET6``, or 0 for both.

    Returns:
        At least one address; the operating system's order.

    Raises:
        BusinessError: 2302998, the policy allows none; 2302999, there is none.
    """
    try:
        found = await trio.socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _unresolved(host, error) from error
    addresses = list(dict.fromkeys(str(answer[4][0]) for answer in found))
    allowed = [address for address in addresses if _is_allowed(address, policy)]
    if addresses and not allowed:
        policy.check_address(addresses[0])
    if not allowed:
        raise _unresolved(host, OSError("no address"))
    return allowed


def _is_allowed(address: str, policy: Policy) -> bool:
    try:
        policy.check_address(address)
    except BusinessError:
        return False
    return True


async def _open_address(address: str, port: int) -> trio.SocketStream:
    """Connect to one address, for which a race costs half as much again."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        sock = trio.socket.socket(family, socket.SOCK_STREAM)
        try:
            await sock.connect((address, port))
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        raise OSError(_ALL_FAILED) from ExceptionGroup(_ALL_FAILED, [error])
    return trio.SocketStream(sock)


async def _open_first(addresses: Sequence[str], port: int) -> trio.SocketStream:
    """Race connections as `trio.open_tcp_stream` does, which would look a name up again."""
    opened: list[trio.SocketStream] = []
    failures: list[Exception] = []
    try:
        async with trio.open_nursery() as nursery:

            async def attempt(address: str, over: trio.Event) -> None:
                try:
                    opened.append(await _open_address(address, port))
                except OSError as error:
                    failures.extend(_reasons(error))
                    over.set()
                else:
                    nursery.cancel_scope.cancel()

            for address in addresses:
                over = trio.Event()
                nursery.start_soon(attempt, address, over)
                with trio.move_on_after(_STAGGER_S):
                    await over.wait()
        if not opened:
            raise OSError(_ALL_FAILED) from ExceptionGroup(_ALL_FAILED, failures)
        return opened.pop()
    finally:
        # Two may answer at once, and the nursery may be cancelled while it ends.
        for stream in opened:
            stream.socket.close()


def _reasons(error: OSError) -> list[Exception]:
    """Take apart what Trio raises: why each of the addresses failed."""
    return list(error.__cause__.exceptions) if isinstance(error.__cause__, ExceptionGroup) else [error]


def _unresolved(host: str, error: Exception) -> BusinessError:
    words = error.strerror if isinstance(error, socket.gaierror) else _words(error)
    return failure(UNKNOWN_ERROR, f"cannot resolve host {host!r}: {words}", "0")


def _unreachable(host: str, where: str, error: OSError) -> BusinessError:
    """Tell apart why the addresses of a host failed; Trio attaches the reasons as one group."""
    if not isinstance(error.__cause__, ExceptionGroup):
        # No connection was tried, so this is about the look-up, even if it is EACCES.
        return _unresolved(host, error)
    reasons = [reason for reason in _reasons(error) if isinstance(reason, OSError)]
    if reasons and all(isinstance(reason, PermissionError) for reason in reasons):
        return failure(PERMISSION_DENIED, f"the operating system forbids connecting to {where}")
    troubles = dict.fromkeys(_trouble(reason, where) for reason in reasons)
    return failure(UNKNOWN_ERROR, "; ".join(troubles), "0")


def _trouble(reason: OSError, where: str) -> str:
    known = _TROUBLES.get(reason.errno or 0)
    return known.format(where) if known else f"cannot connect to {where}: {_words(reason)}"


def _words(error: Exception) -> str:
    # Trio's own text would repeat the address.
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else str(error)
