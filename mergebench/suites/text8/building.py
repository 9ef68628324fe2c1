"""A task from its source: duplicates left out, splits drawn, everything stated in notes."""

from __future__ import annotations

from collections.abc import Mapping

from mergebench.errors import InputError
from mergebench.suites.split_names import SplitName
from mergebench.suites.text8.duplicates import Example, distinct
from mergebench.suites.text8.labelled_texts import Texts, TextTask
from mergebench.suites.text8.notes import notes_of, source_text
from mergebench.suites.text8.prompts import prompts_of
from mergebench.suites.text8.source import Source
from mergebench.suites.text8.splitting import roles_of, splits_of
from mergebench.suites.text8.tasks import TextRow


def task_of(row: TextRow, source: Source, *, partial: bool) -> TextTask:
    """Return the task that a source holds.

    Raises `InputError` when a split is empty or (unless `partial`) lacks a class, and when there
    are no training texts.
    """
    roles = roles_of(row, source)
    found = distinct({name: source.files[file].texts for name, file in roles.files.items()})
    splits = splits_of(row, found.examples)
    prompts = prompts_of(row.name)
    _check(row, source, splits, partial=partial)
    return TextTask(
        name=row.name,
        classes=prompts.classes,
        templates=prompts.templates,
        splits={name: _texts(examples) for name, examples in splits.items()},
        source=source_text(row, source),
        notes=tuple(notes_of(row, source, roles, found, splits)),
    )


def _texts(examples: list[Example]) -> Texts:
    return Texts(
        texts=tuple(example.text for example in examples),
        labels=tuple(example.label for example in examples),
    )


def _check(
    row: TextRow, source: Source, splits: Mapping[SplitName, list[Example]], *, partial: bool
) -> None:
    for name, examples in splits.items():
        if not examples:
            raise InputError(f"{row.name}: {source} leaves no texts for {name}; add some")
        if not partial:
            labels = {example.label for example in examples}
            prompts_of(row.name).require_all(labels, f"{source}: {name}")
