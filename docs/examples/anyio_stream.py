"""Give a socket to a program that knows AnyIO alone."""

import anyio
from anyio.abc import ObjectStream, SocketAttribute
from loopback import echo_server

import trio_ohws.anyio


async def converse(stream: ObjectStream[str | bytes]) -> None:
    """Be that program: any stream of objects will do."""
    for word in ("one", b"two"):
        await stream.send(word)
        print(await stream.receive())
    try:
        with anyio.fail_after(0.1):
            await stream.receive()
    except TimeoutError:
        print("nothing more")
    await stream.aclose()
    try:
        await stream.send("three")
    except anyio.ClosedResourceError:
        print("closed")


async def main() -> None:
    """Connect by URL, then over a byte stream of AnyIO's."""
    async with echo_server() as url:
        async with trio_ohws.anyio.open_websocket(url) as stream:
            print("connected to", stream.extra(SocketAttribute.remote_address)[0])
            await converse(stream)

        carrier = await anyio.connect_tcp("127.0.0.1", int(url.rpartition(":")[2].strip("/")))
        async with trio_ohws.anyio.open_websocket_over(carrier, url) as stream:
            await stream.send("over a stream of mine")
            print(await stream.receive())


anyio.run(main, backend="trio")

# Output:
# connected to 127.0.0.1
# one
# b'two'
# nothing more
# closed
# over a stream of mine
