"""A server in memory, for the tests of programs that use the package.

pytest's fixture is in ``trio_ohws.testing.fixtures``, which is not imported here: this needs no pytest.
"""

from trio_ohws.testing.frames import Frame, close_frame, frame
from trio_ohws.testing.handshake import HandshakeRequest
from trio_ohws.testing.hearing import ClientClose
from trio_ohws.testing.network import MemoryNetwork, open_memory_network
from trio_ohws.testing.peer import ClientGone, MemoryPeer
from trio_ohws.testing.violation import Violation

__all__ = [
    "ClientClose",
    "ClientGone",
    "Frame",
    "HandshakeRequest",
    "MemoryNetwork",
    "MemoryPeer",
    "Violation",
    "close_frame",
    "frame",
    "open_memory_network",
]

for _name in __all__:
    # The public name is the one to be seen in reprs, tracebacks and docs.
    globals()[_name].__module__ = __name__
del _name
