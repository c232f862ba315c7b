"""Let callbacks run in a script without async: where it waits, or in a worker."""

import threading

from loopback_thread import echo_server_thread

import trio_ohws.sync
from trio_ohws import CloseResult, OpenResult


def where() -> str:
    """Say in which thread this runs."""
    return "the main thread" if threading.current_thread() is threading.main_thread() else "a worker"


def on_open(err: None, value: OpenResult) -> None:
    """Hear that the connection is open."""
    print(value.status, value.message, "in", where())


def on_close(err: None, value: CloseResult) -> None:
    """Hear that it is closed."""
    print("closed with", value.code, "in", where())


def wait_and_see(url: str) -> None:
    """Live on callbacks alone: `wait_closed` is their loop."""
    with trio_ohws.sync.create_websocket() as ws:

        def on_message(err: None, value: str) -> None:
            print(value, "in", where())
            ws.close({"code": 1000, "reason": "done"})

        ws.on("open", on_open)
        ws.on("message", on_message)
        ws.on("close", on_close)
        ws.connect(url)
        ws.send("hello")
        ws.wait_closed()


def do_something_else(url: str) -> None:
    """Leave the callbacks to a worker, and hear of them by Python's own means."""
    answered = threading.Event()

    def on_message(err: None, value: str) -> None:
        print(value, "in", where())
        answered.set()

    with trio_ohws.sync.open_websocket(url, callbacks="worker") as ws:
        ws.on("message", on_message)
        ws.send("hello")
        answered.wait()


def go_wrong(url: str) -> None:
    """See an error of a callback come out of what waits."""

    def on_message(err: None, value: str) -> None:
        raise ValueError(value)

    try:
        with trio_ohws.sync.open_websocket(url) as ws:
            ws.on("message", on_message)
            ws.send("hello")
            ws.wait_closed()
    except ValueError as error:
        print("it was wrong about", error)


with echo_server_thread() as url:
    wait_and_see(url)
    do_something_else(url)
    go_wrong(url)

# Output:
# 101 Switching Protocols in the main thread
# hello in the main thread
# closed with 1000 in the main thread
# hello in a worker
# it was wrong about hello
