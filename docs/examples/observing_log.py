"""Log what connections do, one JSON object for each record."""

import json
import logging
import sys

import trio
import trio.testing

from trio_ohws.instruments import LoggingInstrument
from trio_ohws.reconnect import Backoff, open_reconnecting
from trio_ohws.testing import MemoryNetwork, open_memory_network

FIELDS = ("connection_id", "event", "code", "error_type")


class JsonFormatter(logging.Formatter):
    """Your program has one already, or a package that brings one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the level, and what is there of `FIELDS`."""
        present = {name: vars(record)[name] for name in FIELDS if name in vars(record)}
        return json.dumps({"level": record.levelname, **present})


async def play_server(network: MemoryNetwork) -> None:
    """Be down, be there, break."""
    await network.reject(503)
    peer = await network.accept()
    await trio.sleep(100)
    peer.drop()
    peer = await network.accept()
    await peer.close(1000)


async def main() -> None:
    """Stay connected."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("trio_ohws.connections")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    backoff = Backoff(jitter=lambda: 1)
    async with open_memory_network() as network, trio.open_nursery() as nursery:
        nursery.start_soon(play_server, network)
        async with open_reconnecting(
            "wss://example.org/feed", backoff=backoff, instruments=(LoggingInstrument(),)
        ) as ws:
            async for message in ws:
                print(message)


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

# Output:
# {"level": "WARNING", "connection_id": 1, "event": "refused", "error_type": "503"}
# {"level": "INFO", "connection_id": 2, "event": "connected"}
# {"level": "WARNING", "connection_id": 2, "event": "closed", "code": 1006, "error_type": "1006"}
# {"level": "INFO", "connection_id": 3, "event": "connected"}
# {"level": "INFO", "connection_id": 3, "event": "closed", "code": 1000}
