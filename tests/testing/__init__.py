"""Tests of `trio_ohws.testing`."""
