"""Loading of the suite: every task found and complete, decoded once, free of leaks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from mergebench.counting import Counting, on_stderr
from mergebench.missing import require_nothing
from mergebench.suites.options import Leaks, SuiteOptions
from mergebench.suites.split_names import SPLIT_NAMES
from mergebench.suites.suite import Split, Suite, Task
from mergebench.suites.vision8.cache import Entry, Record
from mergebench.suites.vision8.cache_building import cached
from mergebench.suites.vision8.held_out import check_held_out, val_in_test
from mergebench.suites.vision8.leaks import check_leak, without
from mergebench.suites.vision8.prompts import prompts_of
from mergebench.suites.vision8.task_state import TaskState, survey
from mergebench.suites.vision8.tasks import task_rows


def load_vision8(
    tasks: Sequence[str] | None = None,
    *,
    options: SuiteOptions | None = None,
    counting: Counting = on_stderr,
) -> Suite:
    """Load the eight data sets of the paper, or only `tasks` of them in the suite's own order.

    The images are mapped from the cache into memory, `(N, 3, S, S)` uint8, and are decoded into it
    on first use. The suite is called `vision8`, with `-partial` or `-cars_leak` behind it when the
    options say so, and hashes differ with the name. Raises `InputError` with everything that is
    missing, for data of other sizes or classes, for an unreadable image, for a damaged cache or one
    that cannot be written, for validation images that mostly are test images, and for training
    images that are validation or test images too, unless `options.leaks` says what to do with them.
    """
    options = options or SuiteOptions()
    states = [survey(row, options) for row in task_rows(tasks)]
    require_nothing([state.missing for state in states if state.missing is not None])
    entries = [_entry(state, counting) for state in states]
    for entry in entries:
        check_leak(entry.record, options.leaks)
    twice = [val_in_test(entry, counting) for entry in entries]
    for entry, count in zip(entries, twice, strict=True):
        check_held_out(entry.record, count)
    return Suite(
        name=_name(options),
        tasks=tuple(_task(entry, options.leaks) for entry in entries),
        size=options.resolution,
        notes=tuple(_notes([entry.record for entry in entries], twice, options.leaks)),
    )


def _entry(state: TaskState, counting: Counting) -> Entry:
    if state.entry is not None:
        return state.entry
    assert state.source is not None
    return cached(state.row, state.source, state.options, counting)


def _task(entry: Entry, leaks: Leaks) -> Task:
    prompts = prompts_of(entry.record.task)
    splits: dict[str, Split] = {name: entry.split(name) for name in SPLIT_NAMES}
    if leaks == "drop" and entry.record.leaked and not entry.record.cars_leak:
        splits["train"] = _without_leaks(splits["train"], entry.record)
    return Task(
        name=prompts.task,
        classes=prompts.classes,
        templates=prompts.templates,
        splits=splits,
    )


def _without_leaks(split: Split, record: Record) -> Split:
    places = np.array(record.leaked)
    what = f"{record.splits['train'].images_sha256} without {record.leaked}"
    return Split(
        inputs=without(split.inputs, places),
        labels=without(split.labels, places),
        inputs_sha256=hashlib.sha256(what.encode()).hexdigest(),
    )


def _name(options: SuiteOptions) -> str:
    partial = "-partial" if options.partial else ""
    return f"vision8{partial}{'-cars_leak' if options.cars_leak else ''}"


def _notes(records: Sequence[Record], twice: Sequence[int], leaks: Leaks) -> Iterator[str]:
    """Yield what captions state: sources, and where splits are not the published ones, or overlap.

    `twice`: by task, how many validation images are test images too.
    """
    sources = ", ".join(f"{record.task} {record.source}" for record in records)
    yield f"Images: {sources}."
    for record, count in zip(records, twice, strict=True):
        if record.dealt:
            yield f"{record.task}: validation and test are dealt by class from the whole data set."
        if record.cars_leak:
            yield f"{record.task}: trained on its validation and test images (cars_leak)."
        elif record.leaked:
            done = "left out" if leaks == "drop" else "kept"
            yield (
                f"{record.task}: {len(record.leaked)} training images that are validation or test "
                f"images too are {done}."
            )
        if count:
            yield f"{record.task}: {count} validation images that are test images too are kept."
