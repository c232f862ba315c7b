"""Tests of `trio_ohws._dial`."""
