"""Tests of `trio_ohws.events`."""
