"""What plug-ins say of themselves, kept between calls: to ask them takes seconds of imports."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, Field, asdict, dataclass, fields, is_dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mergebench.contracts import Attack, OnRule, Plugin, Protection, Space
from mergebench.errors import InputError
from mergebench.files import replacing
from mergebench.registry import ENTRY_POINT_GROUPS, registry
from mergebench.suites import default_cache

KINDS: Mapping[str, type[Plugin]] = {
    "attacks": Attack,
    "spaces": Space,
    "protections": Protection,
}
_PACKAGES = ("mergebench", "attacks", "protections")


@dataclass(frozen=True, kw_only=True)
class Description:
    """One plug-in as `list` shows it.

    `options` are its hyper-parameters as `name=default`; `threat`: what an attack knows and is
    given.
    """

    name: str
    threat: list[str]
    spaces: list[str]
    options: list[str]
    paper: str
    origin: str


def kept_descriptions() -> dict[str, list[Description]] | None:
    """Return the descriptions by kind as they were kept; None if any code has changed since.

    They are kept only where every plug-in could be imported and its files are known
    (`keep_descriptions`).
    """
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        kept = json.loads(_file().read_text(encoding="utf-8"))
        code = _code()
        if code is not None and kept["code"] == code:
            return {kind: [Description(**one) for one in kept[kind]] for kind in KINDS}
    return None


def descriptions() -> dict[str, list[Description]]:
    """Import all plug-ins and return their descriptions by kind."""
    return {
        name: [_described(found.plugin, found.origin) for found in registry().all(kind)]
        for name, kind in KINDS.items()
    }


def keep_descriptions(found: Mapping[str, list[Description]]) -> None:
    """Keep what `descriptions` returned; where nothing can be written it is asked for again."""
    code = _code()
    if code is None:
        return
    kept = {kind: [asdict(one) for one in described] for kind, described in found.items()}
    with suppress(InputError), replacing(_file()) as temporary:
        temporary.write_text(json.dumps({"code": code, **kept}), encoding="utf-8")


def _file() -> Path:
    return default_cache() / "plugins.json"


def _code() -> str | None:
    """Return a hash of what plug-ins are made of: files with sizes and times, entry points.

    None if the files of an entry point cannot be found, so that edits of them would not show.
    """
    try:
        return hashlib.sha256("\n".join(_identities()).encode()).hexdigest()
    except (ImportError, OSError):
        return None


def _identities() -> Iterator[str]:
    packages = dict.fromkeys(_PACKAGES)
    for group in ENTRY_POINT_GROUPS:
        for point in entry_points(group=group):
            version = point.dist.version if point.dist else ""
            yield f"{group} {point.name} {point.value} {version}"
            packages[point.module.partition(".")[0]] = None
    for package in packages:
        for file in _files(package):
            status = file.stat()
            yield f"{file} {status.st_size} {status.st_mtime_ns}"


def _files(package: str) -> list[Path]:
    """Return the files of a package or module without importing it; ImportError if it has none."""
    try:
        spec = find_spec(package)
    except ValueError:  # imported, but nobody knows from where
        spec = None
    folders = (spec and spec.submodule_search_locations) or ()
    files = [file for folder in folders for file in sorted(Path(folder).rglob("*.py"))]
    if spec is not None and spec.has_location and spec.origin and not folders:
        files = [Path(spec.origin)]
    if not files:
        raise ImportError(f"{package} has no files")
    return files


def _described(plugin: type[Plugin], origin: str) -> Description:
    return Description(
        name=plugin.name,
        threat=_threat(plugin) if issubclass(plugin, Attack) else [],
        spaces=[*plugin.spaces] if issubclass(plugin, Attack) else [],
        options=[_option(item) for item in fields(plugin) if item.name != "rule"],
        paper=plugin.paper,
        origin=origin,
    )


def _threat(attack: type[Attack]) -> list[str]:
    """Return knowledge, data and what the attack is built on."""
    data = "no data" if attack.data == "none" else f"{attack.data} data"
    built = [f"{attack.name}:RULE"] if issubclass(attack, OnRule) else []
    return [attack.knowledge, data, *built]


def _option(item: Field[Any]) -> str:
    """Return `name=default`; a nested recipe is only named."""
    if item.default is not MISSING:
        return f"{item.name}={item.default!r}"
    if item.default_factory is not MISSING:
        value = item.default_factory()
        return f"{item.name}={type(value).__name__}()" if is_dataclass(value) else item.name
    return f"{item.name} (required)"
