"""The file that says what classes are called: label -> class name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from mergebench.errors import InputError, unknown_name
from mergebench.files import read_bounded

_LARGEST = 1 << 24
_BETWEEN = ("\t", "=", ",")


def read_names(file: Path | None) -> dict[str, str]:
    """Return the class names by label; none without a file.

    JSON: an object, or a list whose n-th entry, from 0, names the label n. Else lines: a label and
    its name, with a tab, `=` or comma between them, or names alone, as a list. Raises `InputError`
    for a file that is neither, and for a label that is there twice or has no name.
    """
    if file is None:
        return {}
    try:
        text = read_bounded(file, _LARGEST).decode("utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"--names {file}: there is no such file") from error
    except InputError as error:  # which names the file, but not the option
        raise InputError(f"--names: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"--names {file}: not UTF-8 ({error.reason}); convert it") from error
    pairs = _of_json(text, file) if text.lstrip()[:1] in ("{", "[") else _of_lines(text, file)
    names: dict[str, str] = {}
    for label, name in pairs:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"--names {file}: label {label!r} has no name; expected some words")
        if label in names:
            raise InputError(f"--names {file}: names the label {label!r} twice; keep one line")
        names[label] = name.strip()
    if not names:
        raise InputError(f"--names {file}: names no class; expected a label and its name a line")
    return names


def check_all_known(names: Mapping[str, str], labels: Iterable[str], file: Path | None) -> None:
    """Raise `InputError` for the first label in `file`, `names`, that no data have."""
    known = list(dict.fromkeys(labels))
    for label in names:
        if label not in known:
            raise InputError(f"--names {file}: {unknown_name('label', label, known)}")


def _of_json(text: str, file: Path) -> list[tuple[str, object]]:
    def once(pairs: list[tuple[str, object]]) -> object:
        return pairs

    try:
        found = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--names {file}: not JSON ({error}); correct it") from error
    if text.lstrip().startswith("["):
        return [(str(number), name) for number, name in enumerate(found)]
    return [(str(label).strip(), name) for label, name in found]


def _of_lines(text: str, file: Path) -> list[tuple[str, object]]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    between = next((mark for mark in _BETWEEN if all(mark in line for line in lines)), None)
    if between is None and any(mark in line for line in lines for mark in "\t="):
        raise InputError(
            f"--names {file}: some lines have a label and a name, and some do not; correct them"
        )
    if between is None:
        return [(str(number), name) for number, name in enumerate(lines)]
    parts = (line.partition(between) for line in lines)
    return [(label.strip(), name.strip()) for label, _, name in parts]
