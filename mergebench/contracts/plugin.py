"""A named method with hyper-parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any, ClassVar, Self

from mergebench.contracts.faults import blaming
from mergebench.errors import InputError

_NAME = re.compile(r"\w[\w+-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A named method with hyper-parameters; `repr` prints them all and serves as its identity.

    `version` is raised whenever the same inputs may give other numbers than before. `kind` is what
    users call it; tables may say its `title` in place of its `name`, which is what they say without
    one. `stored_as`: what records call options that were renamed since; `left_out_at`:
    values at which they leave options out that came later. Where a kind of
    plug-in is called (`merger(stack, site)`), the base class holds what the method returns to the
    contract and raises `PluginError` otherwise.
    """

    kind: ClassVar[str] = "plug-in"
    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    version: ClassVar[int] = 1
    stored_as: ClassVar[Mapping[str, str]] = {}
    left_out_at: ClassVar[Mapping[str, Any]] = {}

    def __post_init__(self) -> None:
        """Check the hyper-parameters, which a class with several bases does for all of them.

        Raises `InputError` for a fraction where a whole number belongs.
        """
        for item in fields(self):
            value = getattr(self, item.name)
            if item.type in ("int", int) and not isinstance(value, int):
                raise InputError(
                    f"{self.kind} {self.name}: {item.name} is {value!r}; give a whole number"
                )

    @classmethod
    def check_class(cls) -> None:
        """Raise `InputError`, naming the attribute, unless the class says what it is."""
        if not hasattr(cls, "name"):
            raise InputError("it has no name; set the class's `name`")
        require(
            isinstance(cls.name, str) and _NAME.fullmatch(cls.name) is not None,
            f"name is {cls.name!r}; give up to 64 letters, digits, _, + and -",
        )
        heading: object = cls.heading()
        shown = isinstance(heading, str) and heading != "" and heading.isprintable()
        require(shown, f"title is {heading!r}; give a text of one line")
        paper = getattr(cls, "paper", None)
        require(isinstance(paper, str) and paper != "", f"paper is {paper!r}; give a text")
        version = cls.version
        whole = isinstance(version, int) and not isinstance(version, bool)
        require(whole and version >= 1, f"version is {version!r}; give a whole number from 1")
        own = vars(cls).get("__dataclass_params__")
        require(
            own is not None and own.frozen and all(item.kw_only for item in fields(cls)),
            "decorate the class with @dataclass(frozen=True, kw_only=True)",
        )

    @classmethod
    def heading(cls) -> str:
        """Return what tables call it: the title that it has with its name, else the name.

        A class with a name of its own and no title does not go by its parent's.
        """
        own = next(base for base in cls.__mro__ if "name" in vars(base))
        title: str = vars(own).get("title", cls.name)
        return title

    @classmethod
    def configured(cls, **options: Any) -> Self:
        """Return the plug-in with these hyper-parameters; `PluginError` if it cannot be made.

        `InputError`, naming it, for those that it refuses.
        """
        with _naming(cls), blaming(cls, f"made with {', '.join(options) or 'no options'}"):
            return cls(**options)

    def options(self) -> dict[str, Any]:
        """Return the hyper-parameters by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def named(self) -> Mapping[str, Plugin]:
        """Return the plug-ins that options name, by option, for records to hold them whole."""
        return {}

    def with_options(self, **options: Any) -> Self:
        """Return a copy with some hyper-parameters changed; errors as of `configured`."""
        with _naming(type(self)), blaming(type(self), f"made with {', '.join(options)}"):
            return replace(self, **options)


@contextmanager
def _naming(plugin: type[Plugin]) -> Iterator[None]:
    """Let an `InputError` begin with kind and name of a plug-in, or its name, if it does not."""
    try:
        yield
    except InputError as error:
        whole = f"{plugin.kind} {plugin.name}"
        if str(error).startswith((f"{whole}:", f"{whole} ", f"{plugin.name}:")):
            raise
        raise InputError(f"{whole}: {error}") from error


def require(holds: bool, otherwise: str) -> None:
    """Raise `InputError(otherwise)` unless a condition holds."""
    if not holds:
        raise InputError(otherwise)


def is_number(value: object) -> bool:
    """Whether a value is a finite number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def fault_of_notes(notes: Mapping[str, float]) -> str | None:
    """Return what is wrong with what a plug-in noted, if anything."""
    for name, value in notes.items():
        if not isinstance(name, str) or not is_number(value):
            return f"notes[{name!r}] is {value!r}; expected a finite number"
    return None


def are_numbers(values: object) -> bool:
    """Whether a value is a tuple of at least one finite number."""
    return isinstance(values, tuple) and len(values) > 0 and all(map(is_number, values))
