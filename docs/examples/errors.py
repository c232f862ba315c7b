"""Tell one failure from the other."""

import trio
from loopback import echo_server

import trio_ohws


async def attempt(url: str, options: dict[str, object] | None = None) -> None:
    """Connect and talk, and say what went wrong."""
    try:
        async with trio_ohws.open_websocket(url, options) as ws:
            await ws.send("hello")
            print("the server says", await ws.receive())
            await ws.close()
            await ws.send("one more thing")
    except trio_ohws.UpgradeRefused as error:
        print("there is a server, but it answered", error.status)
    except trio.ClosedResourceError as error:  # AlreadyClosed is one
        print(type(error).__name__, error)
    except trio_ohws.BusinessError as error:
        print(error.code, error.message)


async def main() -> None:
    """Have bad luck in several ways."""
    async with echo_server() as url:
        await attempt(url)
        await attempt(url, {"protocols": "chat"})
        await attempt(url.replace("ws:", "http:"))
        await attempt(url, {"caPath": "missing.pem"})


trio.run(main)

# Output:
# the server says hello
# AlreadyClosed [2302999] Websocket other unknown error: the socket was closed with 1000
# 401 Parameter error: 'protocols' is not an option of connect; did you mean 'protocol'?
# 2302001 Websocket url error: the scheme must be ws or wss, not 'http'; did you mean 'ws'?
# 2302002 Websocket certificate file does not exist: 'ca_path' ('caPath') is 'missing.pem'
