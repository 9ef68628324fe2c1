"""Processes that begin as copies of one that has imported everything, which takes seconds."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext

import pytest


@contextmanager
def copies(*modules: str) -> Iterator[ForkServerContext]:
    """Start the process, which imports `modules`; what the context given starts is a copy of it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    with pytest.MonkeyPatch.context() as patch:
        # It takes no other notice of where modules are, and none of those that it does not find.
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        forkserver.ensure_running()
    try:
        yield context
    finally:
        forkserver._forkserver._stop()  # tests of executors want no process left
