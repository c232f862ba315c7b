"""A socket among AnyIO's streams, on its trio backend."""

from trio_ohws.anyio.opening import open_websocket, open_websocket_over
from trio_ohws.anyio.stream import WebSocketStream

__all__ = ["WebSocketStream", "open_websocket", "open_websocket_over"]

for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
