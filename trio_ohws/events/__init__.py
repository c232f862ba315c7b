"""What happened, and who hears of it: event names and payloads, callbacks, bounded streams."""
