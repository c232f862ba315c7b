"""Tests of `trio_ohws.instruments`."""
