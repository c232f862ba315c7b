"""Talk to a server from a script without async."""

from loopback_thread import echo_server_thread

import trio_ohws.sync


def main(url: str) -> None:
    """Send, receive, and give up in time."""
    with trio_ohws.sync.open_websocket(url) as ws:
        ws.send("hello")
        print(ws.receive())

        try:
            ws.receive(timeout=0.1)
        except TimeoutError as error:
            print("nothing came:", error)

        for word in ("one", "two", "bye"):
            ws.send(word)
        for message in ws:
            print(message)
            if message == "bye":
                break
    assert ws.close_result is not None
    print("closed with", ws.close_result.code)


with echo_server_thread() as url:
    main(url)

# Output:
# hello
# nothing came: not done within 0.1 s
# one
# two
# bye
# closed with 1000
