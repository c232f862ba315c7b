"""Bytes to messages and back: RFC 6455 without I/O. Nothing here awaits or knows Trio."""
