"""Tests of `trio_ohws.nursery`."""
