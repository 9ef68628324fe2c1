"""What captions state of a task's splits, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mergebench.suites.split_names import SPLIT_NAMES, SplitName
from mergebench.suites.text8.completeness import form_of
from mergebench.suites.text8.duplicates import Distinct, Example
from mergebench.suites.text8.prompts import prompts_of
from mergebench.suites.text8.source import Source
from mergebench.suites.text8.splitting import Roles
from mergebench.suites.text8.tasks import TextRow

_WORDS: Mapping[str, str] = {"train": "training", "val": "validation", "test": "test"}


def source_text(row: TextRow, source: Source) -> str:
    """Return what captions call a source: format, repository and the form of its sizes."""
    form = form_of(row, source)
    return f"{source.format} ({'partial' if form is None else form.name})"


def notes_of(
    row: TextRow,
    source: Source,
    roles: Roles,
    found: Distinct,
    splits: Mapping[SplitName, list[Example]],
) -> Iterator[str]:
    """Yield how the splits were made of the source, and what was left out of it."""
    if any(file.by_number for file in source.files.values()):
        order = ", ".join(prompts_of(row.name).labels)
        yield f"{row.name}: labels are numbers without names, read as {order}."
    yield from _splits(row, roles)
    left_out = sum(file.out_of_scope for file in source.files.values())
    if left_out:
        yield f"{row.name}: {left_out:,} texts that are out of scope are left out."
    yield from _duplicates(row, found)
    yield f"{row.name}: {_used(found, splits)} texts are used, drawn by class."


def _splits(row: TextRow, roles: Roles) -> Iterator[str]:
    if roles.test is None:
        yield f"{row.name}: the file {roles.train!r} alone is split into all three."
    elif roles.test == "val":
        yield (
            f"{row.name}: the validation file is the test split; validation is held out of "
            "training."
        )
    elif roles.val is None:
        yield f"{row.name}: validation is held out of training."


def _duplicates(row: TextRow, found: Distinct) -> Iterator[str]:
    phrases = [
        f"{count:,} within {_WORDS[split]}"
        if split == home
        else f"{count:,} of {_WORDS[split]} that {_WORDS[home]} has too"
        for (split, home), count in sorted(found.left_out.items())
    ]
    if phrases:
        other = f"; {found.contradicting} with another label" if found.contradicting else ""
        yield f"{row.name}: duplicates left out: {', '.join(phrases)}{other}."


def _used(found: Distinct, splits: Mapping[SplitName, list[Example]]) -> str:
    """Return the sizes of the splits and, where there were more texts, of what they are cut from.

    A split that is held out is as large as it is meant to be.
    """
    held_out = sum(len(splits[name]) for name in splits if name not in found.examples)
    phrases = []
    for name in SPLIT_NAMES:
        used = len(splits[name])
        there = len(found.examples.get(name, splits[name])) - (held_out if name == "train" else 0)
        phrases.append(f"{used:,}{f' of {there:,}' if there > used else ''} {_WORDS[name]}")
    return ", ".join(phrases)
