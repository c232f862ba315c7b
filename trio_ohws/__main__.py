"""``python -m trio_ohws``."""

import sys

from trio_ohws.cli.command import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
