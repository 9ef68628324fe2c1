"""The errors that end a command with one line, and the words that such lines share."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args

_NO_MEMORY = re.compile(
    r"not enough memory|out of memory|cannot allocate memory|failed to map segment|bad_alloc"
    r"|unable to allocate|can't allocate memory",
    re.IGNORECASE,
)
_LONGEST = 300


class InputError(ValueError):
    """Wrong outside input: one line that names the file, key, shape or option, and the fix."""


class PluginError(Exception):
    """A plug-in broke its contract: one line that names it, its file, where and how."""


class JobError(RuntimeError):
    """A job failed or its process died; the message names the job and the cause."""


_QUOTING = (ValueError, LookupError, PluginError)


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as an error line shows it.

    >>> shape_text((768, 16))
    '768×16'
    """
    return "×".join(str(size) for size in shape)


def unknown_name(what: str, name: str, known: Sequence[str]) -> str:
    """Return the one-line message for a name that is not in `known`, with the nearest ones."""
    return f"unknown {what} {name!r}; {nearest_names(name, known)}choose from: {', '.join(known)}"


def nearest_names(name: str, known: Sequence[str], most: int = 2) -> str:
    """Return a question for the `most` nearest of the known names; nothing if none is near.

    Dashes at the beginning do not count, as all options have them.

    >>> nearest_names("--attack", ["--attacks", "--out"]), nearest_names("x", ["--out"])
    ('did you mean --attacks? ', '')
    """
    words = {word.lstrip("-"): word for word in known}
    near = difflib.get_close_matches(name.lstrip("-"), words, n=most, cutoff=0.5)
    return f"did you mean {' or '.join(words[word] for word in near)}? " if near else ""


def shown(name: str) -> str:
    """Return a name out of a file as one short line, quoted where its marks would not be seen.

    >>> shown("ln_final.bias"), shown("a\\nb")
    ('ln_final.bias', "'a\\\\nb'")
    """
    text = name if name.isprintable() and name else repr(name)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def reason(error: BaseException) -> str:
    """Return what happened in one line that is never empty: the type and the message, if any.

    >>> reason(KeyError("weight")), reason(TimeoutError())
    ("KeyError: 'weight'", 'TimeoutError')
    """
    text = _one_line(error)
    if isinstance(error, JobError) and text:
        return text
    fault = _memory_fault(error)
    if fault is not None:
        return f"not enough memory ({_named(fault)})"
    return text if isinstance(error, InputError | PluginError) and text else _named(error)


def lacks_memory(error: BaseException) -> bool:
    """Whether memory ran out: Python, the loader of libraries, PyTorch each say so in their way.

    An error that was raised because of another one counts as that one. The words of an error that
    quotes what it was given (of `InputError`, `PluginError`, a failed conversion) say nothing.
    """
    return _memory_fault(error) is not None


def check_choice(what: str, value: object, choices: Any) -> None:
    """Raise `InputError`, naming `what`, unless `value` is one of a `Literal` of texts."""
    known = get_args(choices)
    if value not in known:
        raise InputError(f"{what} is {value!r}; choose from: {', '.join(known)}")


def check_range(what: str, value: float, least: float, most: float) -> None:
    """Raise `InputError`, naming `what`, unless `value` lies in `[least, most]`."""
    if not least <= value <= most:
        raise InputError(f"{what} is {value}; give a number from {least} to {most}")


def _one_line(error: BaseException) -> str:
    words = " ".join(str(error).split())
    return "".join(mark if mark.isprintable() else "?" for mark in words)


def _named(error: BaseException) -> str:
    text = _one_line(error)
    if len(text) > _LONGEST:  # some libraries append their stack
        text = f"{text[:_LONGEST]}..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _memory_fault(error: BaseException) -> BaseException | None:
    for one in _chain(error):
        if isinstance(one, MemoryError):
            return one
        if isinstance(one, OSError) and one.errno is not None:  # its words may name a file
            if one.errno == errno.ENOMEM:
                return one
        elif not isinstance(one, _QUOTING) and _NO_MEMORY.search(str(one)):
            return one
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those behind it, as a traceback shows them."""
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        yield found
        seen.append(found)
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
