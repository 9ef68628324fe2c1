"""Integer counts, which all scores are until they are printed."""

from __future__ import annotations

Counts = dict[str, int]
"""Correctly classified inputs by task name."""
