"""Autobahn's fuzzing server against a small testee on our public API."""
