"""A fixture for pytest; needs pytest, and pytest-trio to run it.

It is no entry point of pytest's, on purpose: such a one would load this package at the start of every run
of pytest of everybody who has it installed, needed or not, and before pytest-cov begins to measure. A
``conftest.py`` that wants it says so::

    pytest_plugins = ["trio_ohws.testing.fixtures"]
"""

from collections.abc import AsyncIterator

import pytest

from trio_ohws.testing.network import MemoryNetwork, open_memory_network

__all__ = ["websocket_network"]


@pytest.fixture
async def websocket_network() -> AsyncIterator[MemoryNetwork]:
    """A network in memory for the sockets of a test: see `trio_ohws.testing.open_memory_network`."""
    async with open_memory_network() as network:
        yield network
