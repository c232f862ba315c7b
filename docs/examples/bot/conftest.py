"""Whoever has this line has the fixture ``websocket_network``."""

pytest_plugins = ["trio_ohws.testing.fixtures"]
