"""What captions state of a task's splits, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mergebench.suites.split_names import SPLIT_NAMES, WHOLE
from mergebench.suites.splitting.duplicates import Distinct
from mergebench.suites.splitting.examples import Labelled
from mergebench.suites.splitting.roles import Roles

_WORDS: Mapping[str, str] = {"train": "training", "val": "validation", "test": "test"}


def notes_of(
    task: str, inputs: str, roles: Roles, found: Distinct[Any], splits: Labelled[Any]
) -> Iterator[str]:
    """Yield how the splits were made of the files, which were left out, and how many are used.

    `inputs`: what the task is made of, "images" or "texts".
    """
    yield from _made(task, inputs, roles)
    yield from _duplicates(task, found)
    yield f"{task}: {_used(found, splits)} {inputs} are used, drawn by class."


def _made(task: str, inputs: str, roles: Roles) -> Iterator[str]:
    if roles.train == WHOLE:
        yield f"{task}: its {inputs} are not split; validation and test are held out."
    elif roles.test is None:
        yield f"{task}: the file {roles.train!r} alone is split into all three."
    elif roles.test == "val":
        yield f"{task}: the validation file is the test split; validation is held out of training."
    elif roles.val is None:
        yield f"{task}: validation is held out of training."


def _duplicates(task: str, found: Distinct[Any]) -> Iterator[str]:
    phrases = [
        f"{count:,} within {_WORDS[split]}"
        if split == home
        else f"{count:,} of {_WORDS[split]} that {_WORDS[home]} has too"
        for (split, home), count in sorted(found.left_out.items())
    ]
    if phrases:
        other = f"; {found.contradicting} with another label" if found.contradicting else ""
        yield f"{task}: duplicates left out: {', '.join(phrases)}{other}."


def _used(found: Distinct[Any], splits: Labelled[Any]) -> str:
    """Return the sizes of the splits and, where there was more, of what they are cut from.

    A split that is held out is as large as it is meant to be.
    """
    held_out = sum(len(splits[name]) for name in splits if name not in found.examples)
    phrases = []
    for name in SPLIT_NAMES:
        used = len(splits[name])
        there = len(found.examples.get(name, splits[name])) - (held_out if name == "train" else 0)
        phrases.append(f"{used:,}{f' of {there:,}' if there > used else ''} {_WORDS[name]}")
    return ", ".join(phrases)
