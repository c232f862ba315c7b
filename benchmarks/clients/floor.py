"""No client, but Trio and a socket: what anything on Trio takes at the least, as a ruler beside the rivals.

Its request and its frame are made beforehand; it believes what it gets, and calls nobody. What a row of ours
takes beyond this is ours; the rest is Trio's, Python's and the kernel's.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from struct import Struct

import trio
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri

from .client import Client, Job
from .loops import on_trio

AREA_BYTES = 2 << 20
LARGE = Struct(">BBQ")  # the header of a frame over 64 KiB


@contextmanager
def opened(job: Job) -> Iterator[tuple[socket.socket, bytes]]:
    """A connection, upgraded, that does not wait; and the job's payload as a frame for it."""
    address = parse_uri(job.url)
    protocol = ClientProtocol(address)
    with socket.create_connection((address.host, address.port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        protocol.send_request(protocol.connect())
        sock.sendall(b"".join(protocol.data_to_send()))
        protocol.receive_data(sock.recv(4096))  # our server's answer is short, and comes in one piece
        if protocol.state is not State.OPEN:
            raise ConnectionError("no upgrade") from protocol.handshake_exc
        if isinstance(job.payload, str):
            protocol.send_text(job.payload.encode())
        else:
            protocol.send_binary(job.payload)
        sock.setblocking(False)
        yield sock, b"".join(protocol.data_to_send())


async def receive(job: Job) -> None:
    """Read into one area and cut the payloads out; what is left of a frame goes to the front."""
    with opened(job) as (sock, message):
        fd, area, kept, left = sock.fileno(), memoryview(bytearray(AREA_BYTES)), 0, job.count
        job.watch.start()
        sock.send(message)
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
    with opened(job) as (sock, message):
        fd = sock.fileno()
        job.watch.start()
        for _ in range(job.count):
            sock.send(message)
            await trio.lowlevel.wait_readable(fd)
            sock.recv(4096)
        job.watch.stop()


async def echo_between_tasks(job: Job) -> None:
    """The same, but one task reads and wakes another one: who awaits a message is not who reads it."""
    with opened(job) as (sock, message):
        fd, client = sock.fileno(), trio.lowlevel.current_task()

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
