"""Which protections `protect` can make: those that train a trap into an adapter, with a λ."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from mergebench.contracts import Protection
from mergebench.errors import InputError
from mergebench.experiment import Setting, named_options, plain_name
from mergebench.protecting.request import Request
from mergebench.registry import registry
from mergebench.train import FineTuned, TrapOptions


def check_protection(request: Request) -> None:
    """Add the plug-ins of a request, and raise `InputError` unless its protection can be made."""
    for plugin in request.plugins:
        registry().add_file(plugin)
    name = request.protection
    if name not in request.releases:
        return
    said = f"--protection {name}:"
    if "strength" in named_options(name):
        raise InputError(f"{said} λ is chosen, or given with --sweep; leave strength out")
    lacking = _lacking(registry().get(Protection, plain_name(name)))
    if lacking:
        raise InputError(
            f"{said} it {lacking}, and protect makes adapters that a trap is trained into, with a "
            f"λ to choose; choose from: {', '.join(_usable())}"
        )


def trap_of(setting: Setting, name: str) -> TrapOptions:
    """Return the trap of a protection that passed `check_protection`, as set on a backbone."""
    trap = setting.protection(name)
    assert isinstance(trap, TrapOptions)
    return trap


def unlike_the_paper(trap: TrapOptions) -> dict[str, Any]:
    """Return the options of a trap that are not the paper's, which those of its class may be."""
    return {
        item.name: value
        for item in fields(TrapOptions)
        if (value := getattr(trap, item.name)) != item.default
    }


def _lacking(found: type[Protection]) -> str:
    """Return why a protection cannot be made; nothing if it can."""
    if found.of_checkpoints:
        return "releases full checkpoints"
    if not all(issubclass(found, kind) for kind in (TrapOptions, FineTuned)):
        return "has no trap"
    return ""


def _usable() -> list[str]:
    every = (found.plugin for found in registry().all(Protection))
    return [plugin.name for plugin in every if not _lacking(plugin)]
