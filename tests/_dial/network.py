"""A network for tests of dialling: names and sockets that do as they are told, and an echo server."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Literal

import trio

LOOPBACK = "127.0.0.1"


class Names(trio.abc.HostnameResolver):
    """A resolver that gives every name the same addresses, or the same error; or some names their own."""

    def __init__(
        self, *addresses: str, error: OSError | None = None, by_name: dict[str, str] | None = None
    ) -> None:
        self.addresses = addresses
        self.by_name = by_name or {}
        self.error = error
        self.asked: list[object] = []

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[
        tuple[Literal[socket.AddressFamily.AF_INET], socket.SocketKind, int, str, tuple[str, int]]
        | tuple[
            Literal[socket.AddressFamily.AF_INET6],
            socket.SocketKind,
            int,
            str,
            tuple[str, int, int, int] | tuple[int, bytes],
        ]
    ]:
        await trio.lowlevel.checkpoint()
        self.asked.append(host)
        if self.error is not None:
            raise self.error
        own = self.by_name.get((host or b"").decode())
        return [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, int(port or 0)))
            for address in ([own] if own else self.addresses)
        ]

    async def getnameinfo(
        self, sockaddr: tuple[str, int] | tuple[str, int, int, int], flags: int
    ) -> tuple[str, str]:
        raise NotImplementedError


class FailingSocket(trio.socket.SocketType):
    """A socket whose connect fails, or never ends if there is no error."""

    def __init__(self, error: OSError | None) -> None:
        self.error = error
        self.closed = False

    async def connect(self, address: object) -> None:
        await trio.lowlevel.checkpoint()
        if self.error is None:
            await trio.sleep_forever()
        else:
            raise self.error

    def close(self) -> None:
        self.closed = True


class AnsweringSocket(trio.socket.SocketType):
    """A socket whose connect succeeds at once, or when the answer comes."""

    def __init__(self, answer: trio.Event | None = None) -> None:
        self.answer = answer
        self.connected = False
        self.closed = False

    @property
    def type(self) -> socket.SocketKind:
        return socket.SOCK_STREAM

    async def connect(self, address: object) -> None:
        if self.answer is None:
            await trio.lowlevel.checkpoint()
        else:
            await self.answer.wait()
        self.connected = True

    def setsockopt(self, *arguments: object) -> None:
        """Nothing can be set on this."""

    def close(self) -> None:
        self.closed = True


class Sockets(trio.abc.SocketFactory):
    """Hands out what it was given, then real sockets, and remembers the real ones."""

    def __init__(self, *first: trio.socket.SocketType | OSError) -> None:
        self.first = list(first)
        self.real: list[trio.socket.SocketType] = []

    def socket(self, family: int = -1, type: int = -1, proto: int = -1) -> trio.socket.SocketType:
        if self.first:
            following = self.first.pop(0)
            if isinstance(following, OSError):
                raise following
            return following
        made = trio.socket.from_stdlib_socket(socket.socket(family, type, proto))
        self.real.append(made)
        return made


class Canceller(trio.abc.Instrument):
    """Cancels a scope before the n-th step of the task that made this, its children's steps included."""

    def __init__(self, scope: trio.CancelScope, step: int) -> None:
        self.scope = scope
        self.steps_left = step
        self.task = trio.lowlevel.current_task()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        nursery = task.parent_nursery
        if task is self.task or (nursery is not None and nursery.parent_task is self.task):
            self.steps_left -= 1
            if self.steps_left == 0:
                self.scope.cancel()


@contextlib.asynccontextmanager
async def echo_server(context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve on a free port of the loopback interface, and give the port."""

    async def echo(plain: trio.SocketStream) -> None:
        stream: trio.abc.Stream = plain
        if context is not None:
            stream = trio.SSLStream(plain, context, server_side=True, https_compatible=True)
        try:
            async with stream:
                async for chunk in stream:
                    await stream.send_all(chunk)
        except trio.BrokenResourceError:
            # The client went away, as most clients here do.
            pass

    listeners = await trio.open_tcp_listeners(0, host=LOOPBACK)
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, echo, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def talk(stream: trio.abc.Stream) -> bytes:
    """Send a word to the echo server and close the stream."""
    async with stream:
        await stream.send_all(b"word")
        return bytes(await stream.receive_some())
