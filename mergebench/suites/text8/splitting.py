"""Which texts of a source are the training, validation and test texts of a task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mergebench.errors import InputError
from mergebench.seeding import derived_seed
from mergebench.suites.split_names import SPLIT_NAMES, SplitName
from mergebench.suites.text8.duplicates import Example
from mergebench.suites.text8.source import Source
from mergebench.suites.text8.tasks import TextRow

_SEED = 8
#: A split that is not published gets at most one of this many texts of a class.
_HELD_OUT = 5


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Which file of a source each split is cut from; None: held out of the training texts."""

    train: str
    val: str | None
    test: str | None

    @property
    def files(self) -> dict[SplitName, str]:
        """Return the files by the split that they are used for."""
        files = zip(SPLIT_NAMES, (self.train, self.val, self.test), strict=True)
        return {name: file for name, file in files if file is not None}


def roles_of(row: TextRow, source: Source) -> Roles:
    """Return what the files of a source are used as.

    Where there is no test file, the validation file is the test split, and where there is one file
    alone, it is split into all three. Raises `InputError` when there are no training texts.
    """
    names = set(source.files)
    if len(names) == 1:
        return Roles(train=names.pop(), val=None, test=None)
    if "train" not in names or "all" in names:
        raise InputError(
            f"{row.name}: {source} has the files {', '.join(sorted(names))}; expected train and "
            "test, or one file alone"
        )
    if "test" in names:
        return Roles(train="train", val="val" if "val" in names else None, test="test")
    return Roles(train="train", val=None, test="val")


def held_out(row: TextRow, split: SplitName, pool: Sequence[Example]) -> list[Example]:
    """Draw a split that is not published: at most a fifth of each class."""
    sizes: dict[int, int] = defaultdict(int)
    for example in pool:
        sizes[example.label] += 1
    most = {label: max(1, size // _HELD_OUT) for label, size in sizes.items() if size > 1}
    return drawn(row, split, pool, most)


def drawn(
    row: TextRow,
    split: SplitName,
    pool: Sequence[Example],
    most: Mapping[int, int] | None = None,
) -> list[Example]:
    """Draw a split, at most as many texts as the row's cap: one of each class in turn.

    Classes with fewer texts, or with fewer than `most` by label allows, leave their turns to the
    others. The draw hangs on the texts alone and not on their order in the source; so does the
    order of the result.
    """
    by_class: dict[int, list[tuple[int, Example]]] = defaultdict(list)
    for example in pool:
        by_class[example.label].append((derived_seed(_SEED, row.name, split, example.key), example))
    turns: list[tuple[int, int, Example]] = []
    for label, ranked in by_class.items():
        ranked.sort(key=lambda pair: pair[0])
        allowed = ranked if most is None else ranked[: most.get(label, 0)]
        turns += [(turn, rank, example) for turn, (rank, example) in enumerate(allowed)]
    turns.sort(key=lambda entry: entry[:2])
    chosen = sorted(turns[: row.caps[split]], key=lambda entry: entry[1])
    return [example for _, _, example in chosen]


def splits_of(
    row: TextRow, pools: Mapping[SplitName, Sequence[Example]]
) -> dict[SplitName, list[Example]]:
    """Return the splits of a task, drawn from the texts that each may be cut from.

    `pools` lacks the splits that are held out of training; test is held out first.
    """
    train = list(pools["train"])
    splits: dict[SplitName, list[Example]] = {}
    names: tuple[SplitName, ...] = ("test", "val")
    for name in names:
        if name in pools:
            splits[name] = drawn(row, name, pools[name])
            continue
        splits[name] = held_out(row, name, train)
        gone = {example.key for example in splits[name]}
        train = [example for example in train if example.key not in gone]
    splits["train"] = drawn(row, "train", train)
    return {name: splits[name] for name in SPLIT_NAMES}
