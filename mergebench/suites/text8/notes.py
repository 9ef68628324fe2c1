"""What captions state of a task's texts, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mergebench.suites.splitting import Distinct, Labelled, Roles, notes_of
from mergebench.suites.text8.completeness import form_of
from mergebench.suites.text8.prompts import prompts_of
from mergebench.suites.text8.source import Source
from mergebench.suites.text8.tasks import TextRow
from mergebench.suites.texts import TextTask


def source_text(row: TextRow, source: Source) -> str:
    """Return what captions call a source: format, repository and the form of its sizes."""
    form = form_of(row, source)
    return f"{source.format} ({'partial' if form is None else form.name})"


def all_notes(
    row: TextRow, source: Source, roles: Roles, found: Distinct[str], splits: Labelled[str]
) -> Iterator[str]:
    """Yield how labels were read, what is out of scope, and how the splits were made."""
    if any(file.by_number for file in source.files.values()):
        order = ", ".join(prompts_of(row.name).labels)
        yield f"{row.name}: labels are numbers without names, read as {order}."
    left_out = sum(file.out_of_scope for file in source.files.values())
    if left_out:
        yield f"{row.name}: {left_out:,} texts that are out of scope are left out."
    yield from notes_of(row.name, "texts", roles, found, splits)


def with_origin(task: TextTask, row: TextRow) -> TextTask:
    """Return the task, whose notes state whether its texts are others than the results are of."""
    if task.sha256 == row.measured_sha256:
        return task
    note = (
        f"{task.name}: its texts are not those of the results that come with mergebench "
        f"(SHA-256 {task.sha256[:12]}, not {row.measured_sha256[:12]})."
    )
    return replace(task, notes=(*task.notes, note))
