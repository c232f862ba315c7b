"""No client, but Trio and a socket: what anything on Trio takes at the least, as a ruler beside the rivals.

It writes its request and its frames out, believes what it gets, and calls nobody. What a row of ours takes
beyond this is ours; the rest is Trio's, Python's and the kernel's.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from struct import Struct
from urllib.parse import urlsplit

import trio

from .client import Client, Job
from .loops import on_trio

AREA_BYTES = 1 << 20
REQUEST = """\
GET {path} HTTP/1.1\r
Host: {host}\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
Sec-WebSocket-Version: 13\r
\r
"""
LARGE = Struct(">BBQ")  # the header of a frame over 64 KiB


@contextmanager
def opened(job: Job) -> Iterator[socket.socket]:
    """A connection, upgraded, that does not wait."""
    address = urlsplit(job.url)
    path = f"{address.path}?{address.query}"
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(REQUEST.format(path=path, host=address.netloc).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(4096)
        sock.setblocking(False)
        yield sock


def frame(payload: str | bytes) -> bytes:
    """A masked frame of at most 125 bytes, whose key is zero."""
    text = isinstance(payload, str)
    data = payload.encode() if isinstance(payload, str) else payload
    return bytes([0x81 if text else 0x82, 0x80 | len(data), 0, 0, 0, 0]) + data


async def receive(job: Job) -> None:
    """Read into one area and cut the payloads out; what is left of a frame goes to the front."""
    with opened(job) as sock:
        fd, area, kept, left = sock.fileno(), memoryview(bytearray(2 * AREA_BYTES)), 0, job.count
        job.watch.start()
        sock.send(frame(job.payload))
        while left:
            await trio.lowlevel.wait_readable(fd)
            size = kept + sock.recv_into(area[kept:])
            start = 0
            while size - start >= LARGE.size:
                end = start + LARGE.size + LARGE.unpack_from(area, start)[2]
                if end > size:
                    break
                bytes(area[start + LARGE.size : end])
                left -= 1
                start = end
            kept = size - start
            area[:kept] = area[start:size]
        job.watch.stop()


async def echo(job: Job) -> None:
    """Wait, read, write: one task."""
    with opened(job) as sock:
        fd, message = sock.fileno(), frame(job.payload)
        job.watch.start()
        for _ in range(job.count):
            sock.send(message)
            await trio.lowlevel.wait_readable(fd)
            sock.recv(4096)
        job.watch.stop()


async def echo_between_tasks(job: Job) -> None:
    """The same, but one task reads and wakes another one: who awaits a message is not who reads it."""
    with opened(job) as sock:
        fd, message, client = sock.fileno(), frame(job.payload), trio.lowlevel.current_task()

        async def read() -> None:
            while True:
                await trio.lowlevel.wait_readable(fd)
                sock.recv(4096)
                trio.lowlevel.reschedule(client)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            job.watch.start()
            for _ in range(job.count):
                sock.send(message)
                await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.SUCCEEDED)
            job.watch.stop()
            nursery.cancel_scope.cancel()


CLIENT = Client(
    on_trio,
    {"receive area": receive, "echo one task": echo, "echo two tasks": echo_between_tasks},
)
