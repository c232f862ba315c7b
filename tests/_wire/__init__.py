"""Tests of `trio_ohws._wire`."""
