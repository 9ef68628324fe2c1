"""A task from its source: duplicates left out, splits drawn, everything stated in notes."""

from __future__ import annotations

from mergebench.errors import InputError
from mergebench.suites.splitting import Labelled, distinct, roles_of, splits_of
from mergebench.suites.text8.notes import all_notes, source_text, with_origin
from mergebench.suites.text8.prompts import prompts_of
from mergebench.suites.text8.source import Source
from mergebench.suites.text8.tasks import TextRow
from mergebench.suites.texts import TextTask, examples_of, texts_of


def task_of(row: TextRow, source: Source, *, partial: bool) -> TextTask:
    """Return the task that a source holds.

    Its notes say if its texts are others than the committed results are of, unless it is `partial`.

    Raises `InputError` when a split is empty or (unless `partial`) lacks a class, and when there
    are no training texts.
    """
    roles = roles_of(f"{row.name}: {source}", source.files)
    found = distinct(
        {name: examples_of(source.files[file].texts) for name, file in roles.files.items()}
    )
    splits = splits_of(row.name, found.examples, row.caps)
    prompts = prompts_of(row.name)
    _check(row, source, splits, partial=partial)
    task = TextTask(
        name=row.name,
        classes=prompts.classes,
        templates=prompts.templates,
        splits={name: texts_of(examples) for name, examples in splits.items()},
        source=source_text(row, source),
        notes=tuple(all_notes(row, source, roles, found, splits)),
    )
    return task if partial else with_origin(task, row)


def _check(row: TextRow, source: Source, splits: Labelled[str], *, partial: bool) -> None:
    for name, examples in splits.items():
        if not examples:
            raise InputError(f"{row.name}: {source} leaves no texts for {name}; add some")
        if not partial:
            labels = {example.label for example in examples}
            prompts_of(row.name).require_all(labels, f"{source}: {name}")
