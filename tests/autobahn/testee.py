"""What Autobahn tests: an echo client on the public API."""

import trio_ohws

AGENT = "trio_ohws"
MAX_MESSAGE_SIZE = 32 * 2**20  # bytes; the largest case sends 16 MiB


async def count_cases(url: str) -> int:
    """Ask how many cases the server's spec selects."""
    async with trio_ohws.open_websocket(f"{url}/getCaseCount") as ws:
        return int(await ws.receive())


async def run_case(url: str, case: int) -> None:
    """Echo until the case is over, however it ends: the report judges, not we.

    A callback answers while the reader still stands at the message. A loop would answer a turn later, which
    is too late where the same packet goes on with a violation, and costs a "non-strict".
    """

    def echo(_error: object, message: str | bytes) -> None:
        ws.send(message, told)

    def told(_error: object, _value: object) -> None:
        """Let the echo fail: the link may be gone before it is queued."""

    async with trio_ohws.create_websocket(max_message_size=MAX_MESSAGE_SIZE, compression="deflate") as ws:
        ws.on("message", echo)
        await ws.connect(f"{url}/runCase?case={case}&agent={AGENT}")
        await ws.wait_closed()


async def update_reports(url: str) -> None:
    """Have the server write what it saw."""
    async with trio_ohws.open_websocket(f"{url}/updateReports?agent={AGENT}") as ws:
        await ws.wait_closed()
