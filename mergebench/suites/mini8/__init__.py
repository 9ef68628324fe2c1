"""The embedded suite: small tasks as sprite sheets, labels and a manifest, verified on load."""

from __future__ import annotations

from mergebench.suites.mini8.loading import FOLDER, load_mini8, read_manifest

__all__ = ["FOLDER", "load_mini8", "read_manifest"]
