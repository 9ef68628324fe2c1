"""Labels of a source, names or numbers, as places in the task's list of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mergebench.errors import InputError
from mergebench.suites.text8.prompts import prompts_of
from mergebench.suites.text8.source import SourceFile
from mergebench.suites.text8.tasks import TextRow
from mergebench.suites.texts import Place, Record, Texts

_LEFT_OUT = -1


@dataclass(frozen=True, kw_only=True)
class LabelReader:
    """Reads the labels of one file of a task.

    `names`: those of the classes by number, if the file notes them. With `partial` classes may be
    lacking.
    """

    row: TextRow
    file: Path
    names: Sequence[str] | None
    partial: bool

    def labelled(self, records: Sequence[Record]) -> SourceFile:
        """Return the texts in scope with their labels.

        Raises `InputError` naming the first label that is unknown, or the classes that are lacking.
        """
        known: dict[str | int, int] = {}
        for record in records:
            if record.label not in known:
                known[record.label] = self._label(record)
        self._check(known)
        pairs = [(record.text, known[record.label]) for record in records]
        kept = [(text, label) for text, label in pairs if label != _LEFT_OUT]
        return SourceFile(
            texts=Texts(
                texts=tuple(text for text, _ in kept), labels=tuple(label for _, label in kept)
            ),
            out_of_scope=len(pairs) - len(kept),
            by_number=self.names is None and any(isinstance(label, int) for label in known),
        )

    def _label(self, record: Record) -> int:
        name = record.label
        if isinstance(name, int):
            name = self._name_of(name, record.place)
        if name in self.row.out_of_scope:
            return _LEFT_OUT
        return prompts_of(self.row.name).order_of([name], str(record.place), partial=True)[0]

    def _name_of(self, number: int, place: Place) -> str:
        names = self.names
        if names is None and not self.row.numbered:
            raise InputError(
                f"{place}: has the label {number} without a name; give the names of the classes as "
                "'label_text'"
            )
        if names is None:
            names = prompts_of(self.row.name).labels
        if not 0 <= number < len(names):
            raise InputError(f"{place}: has the label {number}; expected 0 to {len(names) - 1}")
        return names[number]

    def _check(self, known: dict[str | int, int]) -> None:
        """Hold the list of classes against the task's: each one name, none twice, none lacking."""
        if len({type(label) for label in known}) > 1:
            raise InputError(f"{self.file}: has labels that are names, and numbers; use one kind")
        prompts, where = prompts_of(self.row.name), str(self.file)
        names = self.names or [label for label in known if isinstance(label, str)]
        listed = [name for name in names if name not in self.row.out_of_scope]
        prompts.order_of(listed, where, partial=True)
        if not self.partial:
            prompts.require_all(set(known.values()), where)
