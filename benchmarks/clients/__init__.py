"""The clients: one module each, all with the same small interface, and none imported before its turn."""
