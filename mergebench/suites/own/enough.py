"""Whether every split of a task has something of every class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from mergebench.errors import InputError, shown
from mergebench.suites.own.classes import Label
from mergebench.suites.splitting import Labelled, Roles
from mergebench.suites.texts import key_of

_SHOWN = 3


def check_enough(
    where: str,
    inputs: str,
    labels: Sequence[Label],
    splits: Labelled[Any],
    roles: Roles,
    *,
    partial: bool,
) -> None:
    """Raise `InputError` for a split without any input and, unless `partial`, for a lacking class.

    `where`: the data, in words; `inputs`: what they are made of.
    """
    found = [f"{name} has none of {_listed(lacking)}" for name, lacking in _gaps(labels, splits)]
    empty = not all(splits.values())
    if found and (empty or not partial):
        made = len(splits) - len(roles.files)
        advice = f"at least {made + 1} different {inputs} of each" if made else "some of each"
        otherwise = "" if empty else ", or accept it by --partial"
        raise InputError(
            f"{where}: {'; '.join(found)}: {_respelled(labels, splits)}add {advice}{otherwise}"
        )


def gap_notes(task: str, labels: Sequence[Label], splits: Labelled[Any]) -> Iterator[str]:
    """Yield what captions state of classes that a split lacks."""
    for name, lacking in _gaps(labels, splits):
        yield f"{task}: {name} has none of {_listed(lacking)}."


def _respelled(labels: Sequence[Label], splits: Labelled[Any]) -> str:
    """Return what to do first where another label reads as one that a split lacks; else nothing."""
    lacking = [label for _, own in _gaps(labels, splits) for label in own]
    for label in lacking:
        others = (str(other) for other in labels if str(other) != label)
        other = next((other for other in others if key_of(other) == key_of(label)), None)
        if other is not None:
            return (
                f"{shown(label)!r} and {shown(other)!r} look like two spellings of one class; "
                "spell it one way, or "
            )
    return ""


def _gaps(labels: Sequence[Label], splits: Labelled[Any]) -> Iterator[tuple[str, list[str]]]:
    for name, examples in splits.items():
        counts = Counter(example.label for example in examples)
        lacking = [str(label) for number, label in enumerate(labels) if not counts[number]]
        if lacking:
            yield name, lacking


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(repr(shown(name)) for name in names[:_SHOWN])
    return first if len(names) <= _SHOWN else f"{first} and {len(names) - _SHOWN} more"
