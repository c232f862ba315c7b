"""Give up in time, and lose nothing by it."""

import trio
import trio.testing

import trio_ohws
from trio_ohws.testing import MemoryPeer, open_memory_network

URL = "ws://example.org/"


async def give_up_connecting() -> None:
    try:
        with trio.fail_after(5):
            async with trio_ohws.open_websocket("ws://silent.example.org/") as ws:
                await ws.receive()
    except trio.TooSlowError:
        print("not connected, and nothing is left of the attempt")


async def wait_for_each_message() -> None:
    async with trio_ohws.open_websocket(URL) as ws:
        while True:
            with trio.move_on_after(10) as patience:
                print("got", await ws.receive())
            if patience.cancelled_caught:
                print("nothing for 10 s")
                return


async def wait_for_all() -> None:
    with trio.move_on_after(20):
        async with trio_ohws.open_websocket(URL) as ws:
            try:
                async for message in ws:
                    print("got", message)
            finally:
                ws.send_nowait("that was all I had time for")


async def server(peer: MemoryPeer) -> None:
    """Tick three times, then fall silent."""
    await peer.accept()
    for n in range(3):
        await trio.sleep(4)
        await peer.send(f"tick {n}")
    end = await peer.wait_closed()
    print("the server got", peer.received, "and Close", end.code)


async def silent_server(peer: MemoryPeer) -> None:
    """Take the connection, and never answer."""
    await peer.read_request()
    await trio.sleep_forever()


async def main() -> None:
    async with open_memory_network() as network:
        network.serve(server)
        network.serve(silent_server, host="silent.example.org")
        for program in (give_up_connecting, wait_for_each_message, wait_for_all):
            print(f"-- {program.__name__}")
            await program()
            await trio.testing.wait_all_tasks_blocked()


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

# Output:
# -- give_up_connecting
# not connected, and nothing is left of the attempt
# -- wait_for_each_message
# got tick 0
# got tick 1
# got tick 2
# nothing for 10 s
# the server got [] and Close 1000
# -- wait_for_all
# got tick 0
# got tick 1
# got tick 2
# the server got ['that was all I had time for'] and Close 1001
