"""Loading of the suite: tasks of the user's own, all of images or all of texts."""

from __future__ import annotations

from collections.abc import Sequence

from mergebench.counting import Counting, on_stderr
from mergebench.errors import InputError
from mergebench.suites.images import Decoded
from mergebench.suites.options import SuiteOptions
from mergebench.suites.own.image_cache import OwnRecord, cached
from mergebench.suites.own.image_folders import ImageFolders
from mergebench.suites.own.rows import task_rows
from mergebench.suites.own.task_state import OwnState, check_names, survey
from mergebench.suites.split_names import SPLIT_NAMES
from mergebench.suites.suite import Suite, Task
from mergebench.suites.texts import cut_note, tokenised


def load_own(
    tasks: Sequence[str] | None = None,
    *,
    options: SuiteOptions | None = None,
    counting: Counting = on_stderr,
) -> Suite:
    """Load the data that `options.own` names, or only `tasks` of them in the user's order.

    Images are decoded on first use and mapped from the cache into memory, `(N, 3, S, S)` uint8;
    texts are tokenised by `options.tokenize`. The suite is called `own`, with `-partial` behind it
    when the options say so. Raises `InputError` for whatever is wrong with the data or their names,
    and ValueError for texts without a tokenizer.
    """
    options = options or SuiteOptions()
    states = [survey(row, options) for row in task_rows(tasks, options)]
    check_names(states, options, whole=tasks is None)
    name = "own-partial" if options.partial else "own"
    texts = [state.task is not None for state in states]
    if all(texts):
        return _of_texts(name, states, options)
    if any(texts):
        first, other = (states[texts.index(kind)].row.path for kind in (True, False))
        raise InputError(f"--data: {first} has texts and {other} images; a suite has one kind")
    entries = [_decoded(state, options, counting) for state in states]
    return Suite(
        name=name,
        tasks=tuple(_image_task(*pair) for pair in zip(states, entries, strict=True)),
        size=options.resolution,
        notes=(_sources(states), *(note for entry in entries for note in entry.record.notes)),
    )


def _of_texts(name: str, states: Sequence[OwnState], options: SuiteOptions) -> Suite:
    if options.tokenize is None:
        raise ValueError("texts need the tokenizer of a backbone")
    found = [state.task for state in states if state.task is not None]
    loaded = tuple(tokenised(task, options.tokenize) for task in found)
    width = loaded[0].splits["test"].inputs.shape[1]
    notes = [note for task in found for note in task.notes]
    return Suite(
        name=name,
        tasks=loaded,
        size=width,
        inputs="texts",
        unit="tokens",
        notes=(_sources(states), *notes, cut_note(loaded, width)),
    )


def _decoded(state: OwnState, options: SuiteOptions, counting: Counting) -> Decoded[OwnRecord]:
    assert isinstance(state.found, ImageFolders)
    return cached(state.row, state.found, options, counting)


def _image_task(state: OwnState, entry: Decoded[OwnRecord]) -> Task:
    return Task(
        name=state.row.name,
        classes=state.classes,
        templates=state.templates,
        splits={name: entry.split(name) for name in SPLIT_NAMES},
    )


def _sources(states: Sequence[OwnState]) -> str:
    """Return what captions state of all tasks: formats, classes and prompts."""
    formats = ", ".join(
        f"{state.row.name} ({len(state.classes)} classes, {state.outcome.partition(' in ')[0]})"
        for state in states
    )
    prompts = ", ".join(map(repr, states[0].templates))
    return f"Data of the user's own: {formats}; prompts: {prompts}."
