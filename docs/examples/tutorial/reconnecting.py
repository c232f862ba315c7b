"""Stay connected, over TLS."""

import itertools
import sys

import trio

from trio_ohws.reconnect import Connection, open_reconnecting

visits = itertools.count(1)


async def log_in(connection: Connection) -> None:
    """Say who we are, whenever there is a new connection."""
    await connection.send(f"visit {next(visits)}")


async def main(url: str, certificate: str) -> None:
    options = {"caPath": certificate}
    async with open_reconnecting(url, options, on_connected=log_in, give_up_after=60) as ws:
        async for message in ws:
            print(message)
            if message == "visit 1":
                await ws.send("restart")  # the server closes with 1012: worth another attempt
            else:
                await ws.send("bye")  # it closes with 1000: final, and the iteration ends
    print("closed with", ws.close_result and ws.close_result.code)


trio.run(main, *sys.argv[1:])

# Output:
# visit 1
# visit 2
# closed with 1000
