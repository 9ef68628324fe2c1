"""The file that says what classes are called: label -> class name, of every task or by task."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mergebench.errors import InputError, unknown_name
from mergebench.files import read_bounded

_LARGEST = 1 << 24
_BETWEEN = ("\t", "=", ",")
_NUMBER = re.compile(r"-?\d+")


@dataclass(frozen=True, kw_only=True)
class Names:
    """What `file` calls classes, by label: those of `every` task, or `by_task`; not both."""

    file: Path | None = None
    every: Mapping[str, str] = field(default_factory=dict)
    by_task: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, task: str) -> Mapping[str, str]:
        """Return the names that a task's labels have here."""
        return self.by_task.get(task, self.every)


class _Object(list[tuple[str, object]]):
    """A JSON object as its pairs, so that what is there twice is seen."""


def read_names(file: Path | None) -> Names:
    """Return the class names by label; none without a file.

    JSON: an object, or a list whose n-th entry, from 0, names the label n; or an object that has
    one of these for each task. Else lines: a label and its name, with a tab, `=` or comma between
    them, or names alone, as a list. Raises `InputError` for a file that is none of these, and for a
    label or task that is there twice or has no name.
    """
    if file is None:
        return Names()
    text, where = _text_of(file), f"--names {file}"
    found = _of_json(text, where) if text.lstrip()[:1] in ("{", "[") else _of_lines(text, where)
    if isinstance(found, _Object) and any(isinstance(named, list) for _, named in found):
        return Names(file=file, by_task=_by_task(found, where))
    return Names(file=file, every=_checked(_pairs(found), where))


def check_known(
    names: Names, labels: Mapping[str, Iterable[str]], tasks: Sequence[str], *, whole: bool
) -> None:
    """Raise `InputError` for the first task or label in `names` that no data have.

    `labels`: by task, of the tasks that are used; `tasks`: all there are; `whole`: whether all of
    them are used, without which a label for every task may be one of the others.
    """
    where = f"--names {names.file}"
    for task, own in names.by_task.items():
        if task not in tasks:
            raise InputError(f"{where}: {unknown_name('task', task, tasks)}")
        if task in labels:
            _check_labels(own, labels[task], f"{where}: task {task}")
    if whole:
        _check_labels(names.every, (one for own in labels.values() for one in own), where)


def check_told_apart(names: Names, labels: Mapping[str, Iterable[str]]) -> None:
    """Raise `InputError` where one name is given to the same numbers of several tasks.

    `labels`: by task. A word means the same everywhere; what 0 means is each task's own.
    """
    numbered = [
        task
        for task, own in labels.items()
        if any(_NUMBER.fullmatch(label) and label in names.every for label in own)
    ]
    if len(numbered) > 1:
        example = json.dumps({task: {"0": "..."} for task in numbered[:2]}, ensure_ascii=False)
        raise InputError(
            f"--names {names.file}: names the numbers of {' and '.join(numbered)} alike; name "
            f"those of each task, in JSON: {example}"
        )


def _check_labels(named: Iterable[str], labels: Iterable[str], where: str) -> None:
    known = list(dict.fromkeys(labels))
    for label in named:
        if label not in known:
            raise InputError(f"{where}: {unknown_name('label', label, known)}")


def _text_of(file: Path) -> str:
    try:
        return read_bounded(file, _LARGEST).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"--names {file}: there is no such file") from error
    except InputError as error:  # which names the file, but not the option
        raise InputError(f"--names: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"--names {file}: not UTF-8 ({error.reason}); convert it") from error


def _by_task(found: _Object, where: str) -> dict[str, dict[str, str]]:
    named: dict[str, dict[str, str]] = {}
    for task, own in found:
        if not isinstance(own, list):
            raise InputError(
                f"{where}: has names of tasks, and {task!r} beside them; give each task an object "
                "of labels and names, or a list"
            )
        if task in named:
            raise InputError(f"{where}: names the task {task!r} twice; keep one")
        named[task] = _checked(_pairs(own), f"{where}: task {task}")
    return named


def _checked(pairs: Sequence[tuple[str, object]], where: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for label, name in pairs:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{where}: label {label!r} has no name; expected some words")
        if label in names:
            raise InputError(f"{where}: names the label {label!r} twice; keep one")
        names[label] = name.strip()
    if not names:
        raise InputError(f"{where}: names no class; expected labels and their names")
    return names


def _pairs(found: Sequence[object] | _Object) -> list[tuple[str, object]]:
    """Return labels and names: those of an object, or of a list, which names 0, 1, 2, ..."""
    if isinstance(found, _Object):
        return [(label.strip(), name) for label, name in found]
    return [(str(number), name) for number, name in enumerate(found)]


def _of_json(text: str, where: str) -> Sequence[object] | _Object:
    try:
        found: Sequence[object] | _Object = json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({error}); correct it") from error
    return found


def _of_lines(text: str, where: str) -> Sequence[object] | _Object:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    between = next((mark for mark in _BETWEEN if all(mark in line for line in lines)), None)
    if between is None and any(mark in line for line in lines for mark in "\t="):
        raise InputError(
            f"{where}: some lines have a label and a name, and some do not; correct them"
        )
    if between is None:
        return lines
    parts = (line.partition(between) for line in lines)
    return _Object((label.strip(), name.strip()) for label, _, name in parts)
