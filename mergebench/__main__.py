"""`python -m mergebench` is the `mergebench` command."""

from __future__ import annotations

import sys

from mergebench.cli import main

if __name__ == "__main__":
    sys.exit(main())
