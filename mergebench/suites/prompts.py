"""Class names and prompts of tasks: JSON files with where they come from."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from mergebench.errors import InputError

_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """What a task's text head is made of.

    `labels` are the data set's own names in label order, `classes` the names that stand in the
    `templates`, one `{}` each; `provenance` says where each of the three comes from.
    """

    task: str
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    provenance: dict[str, str]

    def order_of(self, names: Sequence[str], where: str, *, partial: bool) -> list[int]:
        """Return the label of each class name that a source has, in the source's order.

        A name is known by its letters and digits alone, as a label or as a class, because sources
        write "polka-dotted" or "polka_dotted" and no folder can be called "F/A-18". Raises
        `InputError` naming the names that are unknown, twice there or (unless `partial`) missing.
        """
        known = {_key(name): label for label, name in enumerate(self.labels)}
        known |= {_key(name): label for label, name in enumerate(self.classes)}
        unknown = [name for name in names if _key(name) not in known]
        if unknown:
            raise InputError(
                f"{where}: {_listed(unknown)} among its classes, not in the list of {self.task}; "
                f"expected {_listed(self.labels)}"
            )
        order = [known[_key(name)] for name in names]
        twice = sorted({self.labels[label] for label in order if order.count(label) > 1})
        if twice:
            raise InputError(f"{where}: has {_listed(twice)} twice; keep one of each class")
        if not partial:
            self.require_all(order, where)
        return order

    def require_all(self, found: Collection[int], where: str) -> None:
        """Raise `InputError` naming the classes that are not among the labels `found`."""
        absent = [name for label, name in enumerate(self.labels) if label not in found]
        if absent:
            raise InputError(
                f"{where}: has {len(self.labels) - len(absent)} of {len(self.labels)} classes; "
                f"without {_listed(absent)}; use the whole data set or --partial"
            )


def read_prompts(file: Path) -> Prompts:
    """Return the prompts of a task from a JSON file of this package."""
    content = json.loads(file.read_text(encoding="utf-8"))
    labels = tuple(content["labels"])
    return Prompts(
        task=content["task"],
        labels=labels,
        classes=tuple(content.get("classes", labels)),
        templates=tuple(content["templates"]),
        provenance=content["provenance"],
    )


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
