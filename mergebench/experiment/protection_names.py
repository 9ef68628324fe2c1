"""Protections by name, `protection` or `protection[option=value,...]`: several forms of one."""

from __future__ import annotations

import re
from typing import Any

from mergebench.contracts import Protection
from mergebench.errors import InputError
from mergebench.registry import parse_options, registry

_FORM = re.compile(r"([^\[\]]*)\[([^\[\]]+)\]")


def protection_class(name: str) -> type[Protection]:
    """Return the class of a protection; errors as of `named_options`."""
    return registry().get(Protection, _parts(name)[0])


def plain_name(name: str) -> str:
    """Return the name of a protection without the options in brackets."""
    return name.partition("[")[0]


def named_options(name: str) -> dict[str, Any]:
    """Return the options in the brackets of a name; none without brackets, of any name.

    Raises `InputError` for an unknown protection or option, for a value of another type, and for
    brackets that are no list of options.
    """
    plain, settings = _parts(name)
    if not settings:
        return {}  # plug-ins, which are heavy to import, need not be known
    found = registry().get(Protection, plain)
    return parse_options(found, settings, said=f"protection {name}: ")


def is_post_hoc(name: str) -> bool:
    """Whether a protection acts on full checkpoints, and so releases no low-rank factors."""
    return protection_class(name).of_checkpoints


def _parts(name: str) -> tuple[str, list[str]]:
    """Return the plain name and the options as they were written."""
    if not set("[]").intersection(name):
        return name, []
    found = _FORM.fullmatch(name)
    if found is None:
        raise InputError(f"protection {name}: expected NAME or NAME[OPTION=VALUE,...]")
    return found[1], [option.strip() for option in found[2].split(",")]
