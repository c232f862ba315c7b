"""What Autobahn tests: an echo client on the public API."""

import trio_ohws

AGENT = "trio_ohws"
MAX_MESSAGE_SIZE = 32 * 2**20  # bytes; the largest case sends 16 MiB


async def count_cases(url: str) -> int:
    """Ask how many cases the server's spec selects."""
    async with trio_ohws.open_websocket(f"{url}/getCaseCount") as ws:
        return int(await ws.receive())


async def run_case(url: str, case: int) -> None:
    """Echo until the case is over, however it ends: the report judges, not we."""
    try:
        async with trio_ohws.open_websocket(
            f"{url}/runCase?case={case}&agent={AGENT}", max_message_size=MAX_MESSAGE_SIZE
        ) as ws:
            async for message in ws:
                await ws.send(message)
    except trio_ohws.BusinessError:
        pass  # the server breaks the protocol or the link on purpose


async def update_reports(url: str) -> None:
    """Have the server write what it saw."""
    async with trio_ohws.open_websocket(f"{url}/updateReports?agent={AGENT}") as ws:
        await ws.wait_closed()
