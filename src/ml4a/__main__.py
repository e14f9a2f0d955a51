"""`python -m ml4a`."""

import sys

from ml4a.cli import main

if __name__ == "__main__":
    sys.exit(main())
