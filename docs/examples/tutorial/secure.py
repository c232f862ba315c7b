"""Talk TLS to a server whose certificate we know."""

import sys

import trio

import trio_ohws


async def main(url: str, certificate: str) -> None:
    try:
        async with trio_ohws.open_websocket(url):
            pass
    except trio_ohws.BusinessError as error:
        print("without it:", error.message.partition(": ")[2].rpartition(": ")[0])

    async with trio_ohws.open_websocket(url, {"caPath": certificate}) as ws:
        await ws.send("hello")
        print(await ws.receive(), "by", ws.tls and ws.tls.version)


trio.run(main, *sys.argv[1:])

# Output:
# without it: TLS: certificate verify failed
# hello by TLSv1.3
