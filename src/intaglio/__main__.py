"""``python -m intaglio``: the command line."""

import sys

from intaglio.cli import main

if __name__ == "__main__":
    sys.exit(main())
