"""Let a socket reach only what it has to."""

import trio
from loopback import echo_server

import trio_ohws


async def attempt(url: str, policy: trio_ohws.Policy) -> None:
    """Connect under a policy, and tell what comes of it."""
    try:
        async with trio_ohws.open_websocket(url, policy=policy) as ws:
            await ws.send("hello")
            print("the server says", await ws.receive())
    except trio_ohws.BusinessError as error:
        print(error.code, error.message.partition(": ")[2])


async def main() -> None:
    """Try the three limits of a policy."""
    async with echo_server() as url:
        # What an OpenHarmony application without ohos.permission.INTERNET would see.
        await attempt(url, trio_ohws.Policy(internet=False))

        # Names, suffixes and addresses; everything else is refused.
        listed = trio_ohws.Policy(allowed_domains=["localhost", "*.example.org"])
        await attempt(url, listed)
        await attempt("wss://example.com/", listed)

        # No way into the machine or its network, whatever a name resolves to.
        await attempt(url, trio_ohws.Policy(allow_private_addresses=False))


trio.run(main)

# Output:
# 201 the policy withholds ohos.permission.INTERNET
# the server says hello
# 2302998 the policy does not list 'example.com'
# 2302998 the policy does not allow private addresses such as 'localhost'
