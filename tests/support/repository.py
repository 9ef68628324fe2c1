"""Where the repository is, for tests of what is committed in it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
