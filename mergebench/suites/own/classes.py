"""From labels to the classes of a task: their order, their names and their prompts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from mergebench.errors import InputError, shown

Label: TypeAlias = str | int

TEMPLATES: Mapping[str, str] = {"images": "a photo of a {}.", "texts": "{}"}
"""The prompt of a class, by what the task is made of, where the user gives none."""


def in_order(labels: Iterable[Label], where: str) -> list[Label]:
    """Return each label once: numbers by size, then names by spelling.

    Raises `InputError` unless there are two.
    """
    found = {str(label).strip(): label for label in labels}
    ordered = sorted(found.values(), key=lambda label: (isinstance(label, str), label))
    if len(ordered) < 2:
        only = f"one class, {shown(str(ordered[0]))!r}" if ordered else "no class"
        raise InputError(f"{where}: has {only}; at least two are needed")
    return ordered


def class_names(labels: Sequence[Label], names: Mapping[str, str], where: str) -> tuple[str, ...]:
    """Return what stands in the prompts, by label: its name in `names`, or the label itself.

    Underscores of a label stand for spaces. Raises `InputError` for a number without a name, for
    marks that cannot be shown, and for two labels of one name, also in two Unicode forms.
    """
    found: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for label in labels:
        key = str(label).strip()
        if key not in names and isinstance(label, int):
            raise InputError(
                f"{where}: has the label {label}, a number without a name; name the classes with "
                "--names FILE"
            )
        if not key.isprintable():
            raise InputError(f"{where}: label {key!r} has marks that cannot be shown; rename it")
        name = names.get(key, " ".join(key.replace("_", " ").split()) or key)
        if name in found:
            raise InputError(
                f"{where}: labels {shown(found[name])!r} and {shown(key)!r} are both the "
                f"class {shown(name)!r}; name them with --names FILE"
            )
        same = spelled.setdefault(unicodedata.normalize("NFC", name), key)
        if same != key:
            raise InputError(
                f"{where}: labels {shown(same)!a} and {shown(key)!a} are two spellings of one "
                "class; spell it one way"
            )
        found[name] = key
    return tuple(found)


def checked_templates(templates: Sequence[str], inputs: str) -> tuple[str, ...]:
    """Return the prompts of a task of `inputs`; `InputError` for one without exactly one `{}`."""
    for template in templates:
        rest = template.replace("{}", "", 1)
        if "{}" not in template or "{" in rest or "}" in rest:
            raise InputError(
                f"--template {shown(repr(template))}: expected one {{}}, where the class name goes"
            )
    return tuple(templates) or (TEMPLATES[inputs],)
