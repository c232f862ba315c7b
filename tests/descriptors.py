"""The file descriptors that this process has open, so that a test sees whether it left one.

Compare by ``<=``: another thread (a server that all tests of a process share) may close its own meanwhile.
"""

import os
from contextlib import suppress
from pathlib import Path

#: A descriptor, and the device and inode that it is open on: a number alone is given out again.
Descriptor = tuple[int, int, int]


def open_descriptors() -> frozenset[Descriptor]:
    """Tell which are open now."""
    found = set()
    for number in [int(entry.name) for entry in Path("/dev/fd").iterdir()]:
        with suppress(OSError):  # closed since it was listed, as the listing's own is
            status = os.fstat(number)
            found.add((number, status.st_dev, status.st_ino))
    return frozenset(found)
