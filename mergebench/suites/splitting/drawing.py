"""Which examples of a source are the training, validation and test inputs of a task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from mergebench.seeding import derived_seed
from mergebench.suites.split_names import SPLIT_NAMES, SplitName
from mergebench.suites.splitting.examples import Example, Labelled, T

_SEED = 8
#: A split that is not published gets at most one of this many examples of a class.
_HELD_OUT = 5


def splits_of(
    task: str, pools: Labelled[T], caps: Mapping[SplitName, int]
) -> dict[SplitName, list[Example[T]]]:
    """Return the splits of a task, drawn from the examples that each may be cut from.

    `pools` lacks the splits that are held out of training; test is held out first. `caps`: the most
    examples of a split, where there is a most. The draws hang on the name of the task and on the
    examples alone, not on their order; so does the order of the result. (Which of several
    duplicates is among them hangs on the source's order: `distinct` keeps the first.)
    """
    train = list(pools["train"])
    splits: dict[SplitName, list[Example[T]]] = {}
    names: tuple[SplitName, ...] = ("test", "val")
    for name in names:
        if name in pools:
            splits[name] = _drawn(task, name, pools[name], caps.get(name))
            continue
        splits[name] = _held_out(task, name, train, caps.get(name))
        gone = {example.key for example in splits[name]}
        train = [example for example in train if example.key not in gone]
    splits["train"] = _drawn(task, "train", train, caps.get("train"))
    return {name: splits[name] for name in SPLIT_NAMES}


def _held_out(
    task: str, split: SplitName, pool: Sequence[Example[T]], cap: int | None
) -> list[Example[T]]:
    """Draw a split that is not published: at most a fifth of each class."""
    sizes: dict[int, int] = defaultdict(int)
    for example in pool:
        sizes[example.label] += 1
    most = {label: max(1, size // _HELD_OUT) for label, size in sizes.items() if size > 1}
    return _drawn(task, split, pool, cap, most)


def _drawn(
    task: str,
    split: SplitName,
    pool: Sequence[Example[T]],
    cap: int | None,
    most: Mapping[int, int] | None = None,
) -> list[Example[T]]:
    """Draw at most `cap` examples for a split: one of each class in turn.

    Classes with fewer examples, or with fewer than `most` by label allows, leave their turns to the
    others.
    """
    by_class: dict[int, list[tuple[int, Example[T]]]] = defaultdict(list)
    for example in pool:
        by_class[example.label].append((derived_seed(_SEED, task, split, example.draw), example))
    turns: list[tuple[int, int, Example[T]]] = []
    for label, ranked in by_class.items():
        ranked.sort(key=lambda pair: pair[0])
        allowed = ranked if most is None else ranked[: most.get(label, 0)]
        turns += [(turn, rank, example) for turn, (rank, example) in enumerate(allowed)]
    turns.sort(key=lambda entry: entry[:2])
    chosen = sorted(turns[:cap], key=lambda entry: entry[1])
    return [example for _, _, example in chosen]
