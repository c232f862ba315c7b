"""Many connections, many messages, a long time: does anything grow? `python -m benchmarks.soak --help`."""
