"""A task of texts from the files that hold it."""

from __future__ import annotations

from mergebench.suites.options import OwnData
from mergebench.suites.own.classes import checked_templates, class_names
from mergebench.suites.own.enough import check_enough, gap_notes
from mergebench.suites.own.held_out import caps_of
from mergebench.suites.own.names_file import read_names
from mergebench.suites.own.rows import OwnRow
from mergebench.suites.own.text_files import TextFiles
from mergebench.suites.splitting import distinct, notes_of, roles_of, splits_of
from mergebench.suites.texts import TextTask, examples_of, texts_of


def text_task(row: OwnRow, found: TextFiles, own: OwnData, *, partial: bool) -> TextTask:
    """Return the task that was found; `InputError` for too few texts and for names as of labels."""
    where = str(row.path)
    names = {**found.names, **read_names(own.names).of(row.name)}
    classes = class_names(found.labels, names, where)
    roles = roles_of(where, found.files)
    kept = distinct({name: examples_of(found.files[file]) for name, file in roles.files.items()})
    splits = splits_of(row.name, kept.examples, caps_of(roles))
    check_enough(where, "texts", found.labels, splits, roles, partial=partial)
    return TextTask(
        name=row.name,
        classes=classes,
        templates=checked_templates(own.templates, "texts"),
        splits={name: texts_of(examples) for name, examples in splits.items()},
        source=found.format,
        notes=(
            *notes_of(row.name, "texts", roles, kept, splits),
            *gap_notes(row.name, found.labels, splits),
        ),
    )
