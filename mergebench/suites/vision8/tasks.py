"""The eight tasks as data rows: sizes, where they are downloaded from, and their split rule.

Sizes: methods, section 9.1. They are those of the data sets as published; validation and test are
made from them by `mergebench.suites.vision8.splitting`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mergebench.suites.hub_copy import HubCopy
from mergebench.suites.rows import chosen_rows
from mergebench.suites.split_names import SplitName

VALIDATION_SHARE = 0.2
"""Share of the test images that is held out for validation where no split is published."""


@dataclass(frozen=True, kw_only=True)
class Hub(HubCopy):
    """A data set repository of the Hugging Face hub that holds Parquet files."""

    label_columns: tuple[str, ...] = ("label", "labels")


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """One task of the suite.

    `sizes`: images by published split; without `val`, validation is drawn from the test images.
    `download`: bytes to download, about.
    """

    name: str
    sizes: Mapping[str, int]
    hub: Hub
    download: int


TASKS: tuple[TaskRow, ...] = (
    TaskRow(
        name="cars",
        sizes={"train": 8_144, "test": 8_041},
        hub=Hub(repository="tanganke/stanford_cars"),
        download=1_960_000_000,
    ),
    TaskRow(
        name="dtd",
        sizes={"train": 1_880, "val": 1_880, "test": 1_880},
        hub=Hub(repository="tanganke/dtd"),
        download=625_000_000,
    ),
    TaskRow(
        name="eurosat",
        sizes={"train": 21_600, "val": 2_700, "test": 2_700},
        hub=Hub(repository="tanganke/eurosat"),
        download=94_000_000,
    ),
    TaskRow(
        name="gtsrb",
        sizes={"train": 26_640, "test": 12_630},
        hub=Hub(repository="tanganke/gtsrb"),
        download=280_000_000,
    ),
    TaskRow(
        name="mnist",
        sizes={"train": 60_000, "test": 10_000},
        hub=Hub(repository="ylecun/mnist", config="mnist"),
        download=12_000_000,
    ),
    TaskRow(
        name="resisc45",
        sizes={"train": 18_900, "val": 6_300, "test": 6_300},
        hub=Hub(repository="timm/resisc45"),
        download=430_000_000,
    ),
    TaskRow(
        name="aircraft",
        sizes={"train": 3_334, "val": 3_333, "test": 3_333},
        hub=Hub(repository="HuggingFaceM4/FGVC-Aircraft", label_columns=("label", "variant")),
        download=2_750_000_000,
    ),
    TaskRow(
        name="svhn",
        sizes={"train": 73_257, "test": 26_032},
        hub=Hub(repository="ufldl-stanford/svhn", config="cropped_digits"),
        download=250_000_000,
    ),
)
"""Every task, in the order of the paper's tables."""


def task_rows(names: Sequence[str] | None = None) -> tuple[TaskRow, ...]:
    """Return the rows of these tasks, or of all, in the suite's order; `InputError` if unknown."""
    return chosen_rows(TASKS, names)


def split_sizes(row: TaskRow) -> dict[SplitName, int]:
    """Return the number of images of each split that the task has when it is complete."""
    test = row.sizes["test"]
    val = row.sizes.get("val", int(VALIDATION_SHARE * test))
    if "val" not in row.sizes:
        test -= val
    return {"train": row.sizes["train"], "val": val, "test": test}
