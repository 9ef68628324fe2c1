"""Which file or folder of a source each split is cut from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mergebench.errors import InputError
from mergebench.suites.split_names import SPLIT_NAMES, SplitName


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Which file of a source each split is cut from; None: held out of the training inputs."""

    train: str
    val: str | None
    test: str | None

    @property
    def files(self) -> dict[SplitName, str]:
        """Return the files by the split that they are used for."""
        files = zip(SPLIT_NAMES, (self.train, self.val, self.test), strict=True)
        return {name: file for name, file in files if file is not None}


def roles_of(what: str, names: Collection[str]) -> Roles:
    """Return what the files `names` of a source are used as; `what`: the source, for an error.

    Where there is no test file, the validation file is the test split, and where there is one file
    alone, it is split into all three. Raises `InputError` when there are no training inputs.
    """
    if len(names) == 1:
        return Roles(train=next(iter(names)), val=None, test=None)
    if "train" not in names or "all" in names:
        raise InputError(
            f"{what} has the files {', '.join(sorted(names))}; expected train and "
            "test, or one file alone"
        )
    if "test" in names:
        return Roles(train="train", val="val" if "val" in names else None, test="test")
    return Roles(train="train", val=None, test="val")
