"""The API document's complete example, ported."""

from collections.abc import Callable

from trio_ohws import BusinessError, OpenResult, createWebSocket
from trio_ohws.testing import ClientClose, MemoryNetwork, MemoryPeer

URL = "ws://example.test/chat"


async def say_bye(peer: MemoryPeer) -> None:
    """The server that the example is written for."""
    request = await peer.read_request()
    await peer.accept(subprotocol=next(iter(request.subprotocols), None))
    await peer.expect("Hello, server!")
    await peer.send("bye")


async def test_the_api_documents_example(websocket_network: MemoryNetwork) -> None:
    """The document's complete example, ported line by line, logs what a reader of it expects."""
    websocket_network.serve(say_bye)
    logged: list[str] = []
    log = logged.append
    ws = createWebSocket()

    def on_open(err: BusinessError | None, value: OpenResult) -> None:
        if err is not None:
            log(str(err))
            return

        def on_sent(err: BusinessError | None, value: bool | None) -> None:
            log("send success" if not err else f"send fail, err:{err}")

        ws.send("Hello, server!", on_sent)

    def on_message(error: BusinessError | None, value: str | bytes) -> None:
        log(f"on message, message:{value!r}")
        if value == "bye":

            def on_closed(err: BusinessError | None, value: bool | None) -> None:
                log("close success" if not err else f"close fail, err is {err}")

            ws.close(on_closed)

    ws.on("open", on_open)
    ws.on("message", on_message)
    ws.on("close", lambda err, value: log(f"on close, code is {value.code}, reason is {value.reason}"))
    ws.on("error", lambda err: log(f"on error, error:{err}"))

    def on_connected(err: BusinessError | None, value: bool | None) -> None:
        log("connect success" if not err else f"connect fail, err:{err}")

    async with ws:
        ws.connect(
            URL,
            {"header": {"name1": "value1", "name2": "value2", "name3": "value3"}, "protocol": "my-protocol"},
            on_connected,
        )
        await ws.wait_closed()

    assert ["close success", "on close, code is 1000, reason is "] == sorted(logged[-2:])
    assert ["connect success", "on message, message:'bye'", "send success"] == sorted(logged[:-2])
    assert ClientClose(1000) == websocket_network.peers[0].closed
    request = websocket_network.peers[0].request
    assert request is not None
    assert ["value1", "value2", "value3"] == [request.headers[f"name{n}"] for n in (1, 2, 3)]


async def test_the_api_documents_example_to_the_letter(websocket_network: MemoryNetwork) -> None:
    """As printed, the example closes in connect's callback already, and 'bye' comes too late to be told."""
    websocket_network.serve(say_bye)
    logged: list[str] = []
    log = logged.append
    async with createWebSocket() as ws:

        def result(what: str) -> Callable[[BusinessError | None, object], None]:
            return lambda err, value: log(f"{what} {'success' if not err else f'fail {err.code}'}")

        def on_message(err: BusinessError | None, value: str | bytes) -> None:
            log(f"on message {value!r}")
            ws.close(result("close on bye"))

        def on_connected(err: BusinessError | None, value: bool | None) -> None:
            result("connect")(err, value)
            ws.close(result("close"))

        ws.on("open", lambda err, value: ws.send("Hello, server!", result("send")))
        ws.on("message", on_message)
        ws.on("close", lambda err, value: log(f"on close {value.code} {value.reason}"))
        ws.on("error", lambda err: log("on error"))
        ws.connect(URL, on_connected)
        await ws.wait_closed()

    assert {"send success", "connect success"} == set(logged[:2])
    assert ["on close 1000 ", "close success"] == logged[2:]
    assert ["Hello, server!"] == websocket_network.peers[0].received
    assert ClientClose(1000) == websocket_network.peers[0].closed
