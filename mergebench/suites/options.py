"""Where the data of a suite lie and how they are prepared; the embedded suite needs none of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mergebench.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

DATA_VARIABLE = "MERGEBENCH_DATA"
CACHE_VARIABLE = "MERGEBENCH_CACHE"

Leaks = Literal["refuse", "drop", "keep"]
"""What is done about training images that are validation or test images too."""


def default_cache() -> Path:
    """Return `$MERGEBENCH_CACHE`, else `$XDG_CACHE_HOME/mergebench`, else `~/.cache/mergebench`."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mergebench"


def default_data_root() -> Path:
    """Return `$MERGEBENCH_DATA`, else the folder `data` of the cache."""
    named = os.environ.get(DATA_VARIABLE)
    return Path(named) if named else default_cache() / "data"


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """What a suite of the user's own is made of: one task per folder or file of `paths`.

    `templates`: prompts with one `{}` for the class name, none for the usual one; `names`: file
    that says what classes are called. `takes`: "images" or "texts", as the backbone does, which is
    what the tasks have to have; empty if either will do.
    """

    paths: tuple[Path, ...]
    templates: tuple[str, ...] = ()
    names: Path | None = None
    takes: Literal["images", "texts", ""] = ""


@dataclass(frozen=True, kw_only=True)
class SuiteOptions:
    """How a suite of real data sets is found and prepared.

    `data_root`: folder of local copies; `cache`: folder of decoded images; `resolution`: side of an
    image in pixels; `tokenize`: texts to the token ids `(N, L)` that the backbone takes. `partial`
    accepts data sets that lack images or classes (the suite's name says so). `cars_leak` trains
    Cars on its own test images, as the public reference does (the suite's name says so). `leaks`:
    other training images that are validation or test images too stop the run ("refuse"), are left
    out of training ("drop") or stay as published ("keep"); captions count them. `own`: data that
    take the place of published ones. Raises `InputError` when the resolution is not positive.
    """

    data_root: Path = field(default_factory=default_data_root)
    cache: Path = field(default_factory=default_cache)
    resolution: int = 224
    tokenize: Callable[[Sequence[str]], Tensor] | None = None
    partial: bool = False
    cars_leak: bool = False
    leaks: Leaks = "refuse"
    own: OwnData | None = None

    def __post_init__(self) -> None:
        """Check the resolution."""
        if self.resolution < 1:
            raise InputError(f"--resolution {self.resolution}: expected a positive number of px")
