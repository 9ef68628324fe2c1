"""`mergebench protect` on a few small pictures and two steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from miniature import LITTLE
from own_data import write_pictures

from mergebench.protecting import planning

FEW_STEPS = replace(LITTLE, recipe=replace(LITTLE.recipe, warmup_steps=1))


@contextmanager
def few_steps(cache: Path) -> Iterator[None]:
    """Let the command train two steps, on data that are decoded into `cache`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "get_setting", lambda name: FEW_STEPS)
        patch.setenv("MERGEBENCH_CACHE", str(cache))
        yield


def write_shapes(folder: Path) -> Path:
    """Write pictures of two classes in `shapes` below the folder; return the folder."""
    write_pictures(folder / "shapes", {"circle": 8, "square": 8})
    return folder


def words(root: Path, *others: object, out: str = "adapter") -> list[object]:
    """Return the command for the `shapes` in `root`, with its store and its results there too."""
    given = ["protect", "--backbone", "mini_vit", "--data", root / "shapes"]
    return [*given, "--out", root / out, "--store", root / "runs", *others]
