"""Class names and prompts of the tasks of vision8."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from mergebench.suites.prompts import Prompts, read_prompts

_FOLDER = Path(__file__).parent / "prompts"


@cache
def prompts_of(task: str) -> Prompts:
    """Return the prompts of a task of this suite, from its JSON file in this package."""
    return read_prompts(_FOLDER / f"{task}.json")
