"""Which model an update is of, as its provider noted it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PureWindowsPath

from mergebench.errors import InputError

_HUB = re.compile(r"^(?:https?://)?(?:huggingface\.co/|hf\.co/)|^hf-hub:")
_BETWEEN = re.compile(r"[\s,:]+")
_LOCAL = (".", "/", "~", "local-dir:")


@dataclass(frozen=True, kw_only=True)
class Base:
    """How others call a backbone.

    `names`: in any case, the best known first; an architecture and its weights joined by "/".
    `towers_differ`: whether linears of its text tower have other shapes than its vision tower's.
    """

    names: tuple[str, ...] = ()
    towers_differ: bool = False


def names_base(recorded: str | None, base: Base, backbone: str) -> bool:
    """Return whether a provider's note names that backbone."""
    known = {name.lower() for name in (backbone, *base.names)}
    return bool(recorded) and _plain(str(recorded)) in known


def check_base(where: str, recorded: str | None, base: Base, backbone: str) -> None:
    """Raise `InputError` if a provider's note names another model than `backbone`.

    `where`: the file and key that hold `recorded`. None, nothing and a local path name no model; a
    relative path is one only with a dot before it, so that no working directory changes the answer.
    """
    if not recorded or is_local(recorded) or names_base(recorded, base, backbone):
        return
    called = " ".join([backbone, *(f"({name})" for name in base.names[:1] if name != backbone)])
    raise InputError(
        f"{where} is {recorded!r}, which is not {called}: choose the backbone that it was trained "
        "on, or insist with --other-base"
    )


def is_local(recorded: str) -> bool:
    """Return whether a provider's note is a path, which names no model."""
    return recorded.startswith(_LOCAL) or PureWindowsPath(recorded).is_absolute()


def _plain(recorded: str) -> str:
    name = _HUB.sub("", recorded.strip().lower()).rstrip("/")
    return _BETWEEN.sub("/", name)
