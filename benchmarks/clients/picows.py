"""picows's core API on uvloop: callbacks in, plain calls out."""

from __future__ import annotations

import asyncio

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from .client import Client, Job
from .loops import on_uvloop

TEXT = WSMsgType.TEXT
BINARY = WSMsgType.BINARY


class Listener(WSListener):
    """What all four share. Slots and `is` because they are what a picows listener is fastest with."""

    __slots__ = ("done", "left", "writable")

    def __init__(self, job: Job) -> None:
        self.left = job.count
        self.done = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()


class TextReceiver(Listener):
    """Takes each text out of picows's buffer, until the last."""

    __slots__ = ()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is TEXT:
            frame.get_payload_as_utf8_text()
            self.left -= 1
            if not self.left:
                self.done.set()


class BinaryReceiver(Listener):
    """The same with binary."""

    __slots__ = ()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is BINARY:
            frame.get_payload_as_bytes()
            self.left -= 1
            if not self.left:
                self.done.set()


class Sender(Listener):
    """Waits for the sink's one answer."""

    __slots__ = ()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is TEXT:
            self.done.set()


class Echoer(Listener):
    """Sends what comes back once more, until the last."""

    __slots__ = ()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is TEXT:
            message = frame.get_payload_as_utf8_text()
            self.left -= 1
            if self.left:
                transport.send(TEXT, message)
            else:
                self.done.set()


def message_type(payload: str | bytes) -> WSMsgType:
    """The type of a payload's frames."""
    return TEXT if isinstance(payload, str) else BINARY


async def close(transport: WSTransport) -> None:
    """Close with the handshake: the server answers a Close frame and disconnects."""
    transport.send_close()
    await transport.wait_disconnected()


async def receive(job: Job) -> None:
    listener = TextReceiver(job) if isinstance(job.payload, str) else BinaryReceiver(job)
    transport, _ = await ws_connect(lambda: listener, job.url, ssl_context=job.tls)
    job.watch.start()
    transport.send(message_type(job.payload), job.payload)
    await listener.done.wait()
    job.watch.stop()
    await close(transport)


async def send(job: Job) -> None:
    listener = Sender(job)
    transport, _ = await ws_connect(lambda: listener, job.url, ssl_context=job.tls)
    kind, payload, writable = message_type(job.payload), job.payload, listener.writable
    send_message, may_write = transport.send, writable.is_set
    job.watch.start()
    for _ in range(job.count):
        send_message(kind, payload)
        if not may_write():
            await writable.wait()
    await listener.done.wait()
    job.watch.stop()
    await close(transport)


async def echo(job: Job) -> None:
    listener = Echoer(job)
    transport, _ = await ws_connect(lambda: listener, job.url, ssl_context=job.tls)
    job.watch.start()
    transport.send(message_type(job.payload), job.payload)
    await listener.done.wait()
    job.watch.stop()
    await close(transport)


async def connect(job: Job) -> None:
    job.watch.start()
    for _ in range(job.count):
        transport, _ = await ws_connect(WSListener, job.url)
        await close(transport)
    job.watch.stop()


async def idle(job: Job) -> None:
    transport, _ = await ws_connect(WSListener, job.url)
    transports = [transport]
    job.watch.start()
    for _ in range(job.count):
        transport, _ = await ws_connect(WSListener, job.url)
        transports.append(transport)
    job.watch.stop()
    for transport in transports:
        await close(transport)


CLIENT = Client(on_uvloop, {"receive": receive, "send": send, "echo": echo, "connect": connect, "idle": idle})
