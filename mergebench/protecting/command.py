"""The call that a model card states, where it was no command."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from mergebench.protecting.request import Request


def stated_command(request: Request) -> str:
    """Return the command of a request, or the call of Python that makes the same.

    Paths are named, not located: where they lie is nobody else's business.
    """
    if request.command:
        return request.command
    stated: dict[str, object] = {
        "backbone": request.backbone,
        "data": request.data and _name(request.data),
        "task": request.task,
        "protection": request.protection,
        "only": request.only,
        "sweep": request.sweep,
        "margin": request.margin,
        "steps": request.steps,
        "seed": request.seed,
        "names": request.names and _name(request.names),
        "templates": request.templates,
        "partial": request.partial,
        "plugins": tuple(map(_name, request.plugins)),
        "weights": request.weights and _name(Path(request.weights)),
        "out": _name(request.out),
    }
    usual = {item.name: item.default for item in fields(request)}
    shown = (f"{name}={value!r}" for name, value in stated.items() if value != usual[name])
    return f"mergebench.protect({', '.join(shown)})"


def _name(path: Path) -> str:
    return path.resolve().name or str(path)
