"""A named method with hyper-parameters."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A named method with hyper-parameters; `repr` prints them all and serves as its identity.

    `version` is raised whenever the same inputs may give other numbers than before.
    """

    name: ClassVar[str]
    paper: ClassVar[str]
    version: ClassVar[int] = 1

    def options(self) -> dict[str, Any]:
        """Return the hyper-parameters by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def with_options(self, **options: Any) -> Self:
        """Return a copy with some hyper-parameters changed."""
        return replace(self, **options)
