"""A harness that measures how well protections of fine-tuned updates resist model merging."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mergebench.auditing import audit as audit

__version__ = "0.1.0"

_FUNCTIONS = {"audit": "mergebench.auditing"}
"""What programs call, and the room that hands it out, imported when it is first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _FUNCTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_FUNCTIONS[name]), name)
