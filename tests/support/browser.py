"""A real browser for tests of pages; tests are skipped, with the reason, where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@contextmanager
def browser() -> Iterator[Any]:
    """Start Chromium: Playwright's own, or the system's."""
    library = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with library.sync_playwright() as running:
        own = Path(running.chromium.executable_path)
        found = None if own.is_file() else next(filter(None, map(shutil.which, NAMES)), None)
        if not own.is_file() and found is None:
            pytest.skip("no Chromium: `playwright install chromium`, or a package of the system's")
        # Where tests run as root, as in containers, the sandbox of Chromium cannot.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = running.chromium.launch(executable_path=found, args=options)
        try:
            yield started
        finally:
            started.close()


def axe_script() -> Path:
    """Return the file of axe-core, from `npm install axe-core` or where AXE_CORE says."""
    named = os.environ.get("AXE_CORE", "")
    file = Path(named or "node_modules/axe-core/axe.min.js")
    if not file.is_file():
        pytest.skip("no axe-core: `npm install --no-save axe-core`, or AXE_CORE=axe.min.js")
    return file
