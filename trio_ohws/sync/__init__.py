"""The same API for threads and scripts without async.

Each socket lives in a thread of its own, in which Trio runs, from ``with`` to the end of the block.
"""

from trio_ohws.sync.stream import EventStream, MessageBatches
from trio_ohws.sync.websocket import WebSocket, create_websocket, open_websocket

__all__ = [
    "EventStream",
    "MessageBatches",
    "WebSocket",
    "createWebSocket",
    "create_websocket",
    "open_websocket",
]

createWebSocket = create_websocket  # OHOS's name

for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
