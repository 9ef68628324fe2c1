"""Pinned versions and archive hashes of the packages that the rendered tasks and corpus read."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import cast

from mergebench.provenance.suite.packages import Package, Registry

_PINS = Path(__file__).with_name("pins.txt")


@cache
def _pins() -> dict[tuple[str, str], Package]:
    pins = {}
    for line in _PINS.read_text(encoding="utf-8").splitlines():
        registry, name, version, sha256 = line.split()
        pins[registry, name] = Package(
            registry=cast(Registry, registry), name=name, version=version, sha256=sha256
        )
    return pins


def pinned(registry: Registry, name: str) -> Package:
    """Return the package that `pins.txt` (a line `registry name version sha256` each) pins.

    Raises `KeyError` for a package without a pin: every download is pinned.
    """
    return _pins()[registry, name]
