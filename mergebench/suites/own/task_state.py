"""What there is of the user's own data, found without decoding an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mergebench.counting import on_stderr
from mergebench.suites.data_state import DataState, sizes_text
from mergebench.suites.images import check_decodable
from mergebench.suites.options import OwnData, SuiteOptions
from mergebench.suites.own.classes import checked_templates, class_names
from mergebench.suites.own.dealing import dealt
from mergebench.suites.own.finding import find
from mergebench.suites.own.image_folders import ImageFolders
from mergebench.suites.own.names_file import check_known, check_told_apart, read_names
from mergebench.suites.own.rows import OwnRow, task_rows
from mergebench.suites.own.text_files import TextFiles
from mergebench.suites.own.text_tasks import text_task
from mergebench.suites.split_names import SPLIT_NAMES, SplitName
from mergebench.suites.texts import TextTask


@dataclass(frozen=True, kw_only=True)
class OwnState(DataState):
    """A task of the user's own: what was found, and `task`, if it is one of texts.

    `sizes`: inputs by split; of images those that are the same as others still count. `notes`: what
    captions will state of the splits, as far as is known before images are decoded.
    Whatever is wrong with the data is an error of its own, so that there is never a `problem`.
    """

    suite = "own"
    fetching = ""

    row: OwnRow
    found: ImageFolders | TextFiles
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    sizes: Mapping[SplitName, int]
    task: TextTask | None = None

    @property
    def facts(self) -> Mapping[str, str]:
        """Return what was found, its sizes and its classes."""
        return {
            "task": self.row.name,
            "source": self.outcome,
            "/".join(SPLIT_NAMES): sizes_text(self.sizes.values()),
            "classes": f"{len(self.classes)}: {', '.join(self.classes)}",
            "prompts": "; ".join(self.templates),
        }

    @property
    def outcome(self) -> str:
        """Return the format and the place."""
        format = "image folders" if self.task is None else self.task.source
        return f"{format} in {self.row.path}"

    def verify(self) -> None:
        """Decode all images; `InputError` naming those that cannot be. Texts were read before."""
        if isinstance(self.found, ImageFolders):
            check_decodable(self.found.files, self.row.name, on_stderr)


def check_names(states: Sequence[OwnState], options: SuiteOptions, *, whole: bool) -> None:
    """Raise `InputError` for names of unknown tasks or labels, or of numbers of several tasks.

    `states`: of the tasks that are used; `whole`: whether that is all of them.
    """
    names = read_names(options.own.names if options.own else None)
    labels = {
        state.row.name: [str(label).strip() for label in state.found.labels] for state in states
    }
    check_known(names, labels, [row.name for row in task_rows(None, options)], whole=whole)
    check_told_apart(names, labels)


def survey(row: OwnRow, options: SuiteOptions) -> OwnState:
    """Look at one task's files, and read its texts; raises `InputError` for what is wrong there."""
    own = options.own or OwnData(paths=(row.path,))
    found = find(row, own)
    task = None
    if isinstance(found, TextFiles):
        task = text_task(row, found, own, partial=options.partial)
        return OwnState(
            row=row,
            options=options,
            problem="",
            found=found,
            classes=task.classes,
            templates=task.templates,
            sizes={name: len(texts) for name, texts in task.splits.items()},
            notes=task.notes,
            task=task,
        )
    splits, notes = dealt(row, found, partial=options.partial)
    unseen = f"{row.name}: images that are the same are left out when they are decoded."
    return OwnState(
        row=row,
        options=options,
        problem="",
        found=found,
        sizes={name: len(examples) for name, examples in splits.items()},
        classes=class_names(found.labels, read_names(own.names).of(row.name), str(row.path)),
        templates=checked_templates(own.templates, "images"),
        notes=(*notes, unseen),
    )
