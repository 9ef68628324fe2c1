"""Processes as the system lists them."""

from __future__ import annotations

import re
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Processes whose parent is `pid`, but for multiprocessing's own."""
    children = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rsplit(")", 1)[1].split()[1])
            command = entry.with_name("cmdline").read_text()
        except OSError:
            continue
        if parent == pid and not re.search("resource_tracker|forkserver", command):
            children.append(int(entry.parent.name))
    return children
