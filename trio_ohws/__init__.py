"""OpenHarmony's `webSocket` API as a Trio-native, structured-concurrency client."""

from trio_ohws._wire.deflate import CompressionStatistics
from trio_ohws.errors import AlreadyClosed, BusinessError, ConnectionLost, EndOfMessages, UpgradeRefused
from trio_ohws.events.model import CloseResult, OpenResult, ResponseHeaders, WebSocketOpenInfo
from trio_ohws.events.queue import QueueStatistics
from trio_ohws.events.stream import EventStream
from trio_ohws.instrument import ConnectionInfo, Established, Instrument
from trio_ohws.nursery.endpoints import TlsInfo
from trio_ohws.nursery.state import State
from trio_ohws.options import (
    ClientCert,
    HttpProxy,
    TlsProtocol,
    WebSocketCloseOptions,
    WebSocketRequestOptions,
)
from trio_ohws.policy import Policy
from trio_ohws.settings import WebSocketSettings
from trio_ohws.websocket import MessageBatches, Statistics, WebSocket, create_websocket, open_websocket

__version__ = "0.1.0"

__all__ = [
    "AlreadyClosed",
    "BusinessError",
    "ClientCert",
    "CloseResult",
    "CompressionStatistics",
    "ConnectionInfo",
    "ConnectionLost",
    "EndOfMessages",
    "Established",
    "EventStream",
    "HttpProxy",
    "Instrument",
    "MessageBatches",
    "OpenResult",
    "Policy",
    "QueueStatistics",
    "ResponseHeaders",
    "State",
    "Statistics",
    "TlsInfo",
    "TlsProtocol",
    "UpgradeRefused",
    "WebSocket",
    "WebSocketCloseOptions",
    "WebSocketOpenInfo",
    "WebSocketRequestOptions",
    "WebSocketSettings",
    "createWebSocket",
    "create_websocket",
    "open_websocket",
]

createWebSocket = create_websocket  # OHOS's name

for _name in __all__:
    # The public name is the one to be seen in reprs, tracebacks and docs.
    globals()[_name].__module__ = __name__
del _name
