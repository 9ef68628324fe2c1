"""Which images of a source are the training, validation and test images of a task."""

from __future__ import annotations

import numpy as np

from mergebench.errors import InputError
from mergebench.suites.images import Indices, Part, Source
from mergebench.suites.split_names import SPLIT_NAMES, WHOLE, SplitName
from mergebench.suites.vision8.tasks import VALIDATION_SHARE, TaskRow

#: The reference's stored shuffles are successive draws of one legacy generator (methods, 9.1).
#: Its data set SUN397 is drawn in between and not used here.
_SHUFFLE_SEED = 420
_SHUFFLES = (
    ("cars", 8_041),
    ("gtsrb", 12_630),
    ("mnist", 10_000),
    ("sun397", 19_850),
    ("svhn", 26_032),
)
_TENTHS = 10


def parts_of(row: TaskRow, source: Source, *, cars_leak: bool = False) -> dict[SplitName, Part]:
    """Return the parts of a source that are the task's splits, in the order of `SPLIT_NAMES`.

    Official splits are taken as they are. Where the reference has no official validation split, it
    is the first fifth of a stored shuffle of the test images, the rest being the test split. A
    source that is not split (EuroSAT's archive) is dealt by class; the reference's own draw is not
    known. `cars_leak` makes the test images of Cars its training images too, in original order.
    Raises `InputError` when the source lacks a split.
    """
    if WHOLE in source.splits:
        return _dealt_by_class(source.splits[WHOLE].labels)
    absent = [name for name in row.sizes if name not in source.splits]
    if absent:
        raise InputError(f"{row.name}: {source} has no {' and no '.join(absent)} images; add them")
    whole = {name: Part(source=name, indices=np.arange(n)) for name, n in source.counts.items()}
    train = whole["test" if cars_leak and row.name == "cars" else "train"]
    if "val" in row.sizes:
        return {"train": train, "val": whole["val"], "test": whole["test"]}
    order = stored_shuffle(row.name, len(whole["test"]))
    held_out = int(VALIDATION_SHARE * len(order))
    return {
        "train": train,
        "val": Part(source="test", indices=order[:held_out]),
        "test": Part(source="test", indices=order[held_out:]),
    }


def stored_shuffle(task: str, length: int) -> Indices:
    """Return the shuffle `(length,)` int64 of a task's test images.

    With the length of the published test set it is the reference's; another length is drawn at the
    same point of the sequence.
    """
    state = np.random.RandomState(_SHUFFLE_SEED)
    for name, published in _SHUFFLES:
        order = state.permutation(length if name == task else published)
        if name == task:
            return order.astype(np.int64)
    raise ValueError(f"no shuffle is stored for {task}")


def _dealt_by_class(labels: Indices) -> dict[SplitName, Part]:
    """Deal to validation and to test as many of every class as make a tenth of all (EuroSAT: 270).

    The rest is the training split. The images of a split keep the source's order.
    """
    state = np.random.RandomState(_SHUFFLE_SEED)
    classes, counts = np.unique(labels, return_counts=True)
    each = len(labels) // (_TENTHS * max(len(classes), 1))
    if counts.min(initial=len(labels)) < 2 * each:
        raise InputError(
            f"a class has only {counts.min()} images, {2 * each} are held out; add some"
        )
    dealt: dict[SplitName, list[Indices]] = {name: [labels[:0]] for name in SPLIT_NAMES}
    for label in classes:
        own = state.permutation(np.flatnonzero(labels == label))
        dealt["val"].append(own[:each])
        dealt["test"].append(own[each : 2 * each])
        dealt["train"].append(own[2 * each :])
    return {
        name: Part(source=WHOLE, indices=np.sort(np.concatenate(chosen)))
        for name, chosen in dealt.items()
    }
