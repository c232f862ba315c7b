"""Tests of `trio_ohws.reconnect`."""
