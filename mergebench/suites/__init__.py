"""Suites of image classification tasks: what is merged, protected and measured on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mergebench.errors import InputError
from mergebench.suites.mini8 import load_mini8
from mergebench.suites.suite import SPLIT_NAMES, Split, Suite, Task, tensor_sha256

#: Suite name -> loader; a loader takes the wanted task names, or `None` for all of them.
SUITES: Mapping[str, Callable[[Sequence[str] | None], Suite]] = {"mini8": load_mini8}

__all__ = [
    "SPLIT_NAMES",
    "SUITES",
    "Split",
    "Suite",
    "Task",
    "load_mini8",
    "load_suite",
    "tensor_sha256",
]


def load_suite(name: str, tasks: Sequence[str] | None = None) -> Suite:
    """Load a suite by name, or only `tasks` of it in the suite's own order.

    Raises `InputError` for an unknown suite or task and for files that fail verification.
    """
    if name not in SUITES:
        raise InputError(f"unknown suite {name!r}: choose one of {', '.join(SUITES)}")
    return SUITES[name](tasks)
