"""A program to be tested: it follows a feed, and comes back when the connection is lost."""

from collections.abc import Callable

import trio

import trio_ohws

URL = "wss://feed.example.org/v1"


async def follow(token: str, tell: Callable[[str | bytes], object]) -> None:
    """Tell every message of the feed, until the server closes it or does not know the token."""
    while True:
        try:
            async with trio_ohws.open_websocket(URL, {"header": {"Authorization": f"Bearer {token}"}}) as ws:
                await ws.send("subscribe")
                async for message in ws:
                    tell(message)
                return
        except trio_ohws.BusinessError as error:
            if error.data == "401":
                raise
        await trio.sleep(5)
