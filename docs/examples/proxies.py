"""Say which proxy leads to a server."""

import trio
from loopback import echo_server, http_proxy

import trio_ohws


async def talk(url: str, proxy: trio_ohws.HttpProxy | str) -> None:
    """Connect through a proxy, and hear an echo."""
    async with trio_ohws.open_websocket(url, {"proxy": proxy}) as ws:
        await ws.send("hello")
        print("the server says", await ws.receive())


async def main() -> None:
    """Name the proxy in each of the ways."""
    async with echo_server() as url, http_proxy() as port:
        # An object, as in OpenHarmony.
        await talk(url, trio_ohws.HttpProxy("127.0.0.1", port, username="user", password="pw"))

        # A URL, which may also start with https://, socks4://, socks4a://, socks5:// or socks5h://.
        await talk(url, f"http://user:pw@127.0.0.1:{port}")

        # Hosts on the exclusion list are reached without the proxy.
        around = trio_ohws.HttpProxy("127.0.0.1", port, exclusion_list=["localhost", "*.intranet.example"])
        await talk(url, around)

        # A proxy that refuses is not the server: data is "0", and the message has the proxy's status.
        try:
            await talk(url, f"http://127.0.0.1:{port}")
        except trio_ohws.BusinessError as error:
            print(error.code, error.data, error.message.partition(" answered ")[2])


trio.run(main)

# Output:
# the proxy connects to localhost
# the server says hello
# the proxy connects to localhost
# the server says hello
# the server says hello
# 2302999 0 407 Proxy Authentication Required: authentication failed, as it wants a username and a password
