"""A socket that outlives its connections."""

from trio_ohws.reconnect.backoff import Backoff
from trio_ohws.reconnect.connection import Connection
from trio_ohws.reconnect.reconnecting import ReconnectingWebSocket, open_reconnecting
from trio_ohws.reconnect.status import Connected, Connecting, Status, Stopped, Waiting
from trio_ohws.reconnect.verdict import is_transient

__all__ = [
    "Backoff",
    "Connected",
    "Connecting",
    "Connection",
    "ReconnectingWebSocket",
    "Status",
    "Stopped",
    "Waiting",
    "is_transient",
    "open_reconnecting",
]

for _name in __all__:
    # The public name is the one to be seen in reprs, tracebacks and docs.
    if _name != "Status":  # a union has no place
        globals()[_name].__module__ = __name__
del _name
