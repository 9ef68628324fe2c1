"""Plug-ins by name: a scan of `attacks/` and `protections/`, entry points, and single files.

Nothing here names a concrete plug-in. A module that fails to import is remembered with its error
and breaks no other; two plug-ins of one kind and name are an error.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from mergebench.contracts import (
    Attack,
    DataMerger,
    InformedMerger,
    Merger,
    Plugin,
    Protection,
    Space,
    blaming,
)
from mergebench.errors import InputError, lacks_memory, reason, unknown_name

PluginT = TypeVar("PluginT", bound=Plugin)

PACKAGES = ("attacks", "attacks.spaces", "protections")
_KINDS: tuple[type[Plugin], ...] = (Attack, Merger, InformedMerger, DataMerger, Space, Protection)
_LARGEST: Mapping[Any, float] = {int: 2**31 - 1, float: 3e38}
"""The largest magnitude of an option by its type: what 32 bits hold, about."""

ENTRY_POINT_GROUPS = ("mergebench.attacks", "mergebench.protections")


@dataclass(frozen=True, kw_only=True)
class Found(Generic[PluginT]):
    """A plug-in class and where it came from (module, entry point or file)."""

    plugin: type[PluginT]
    origin: str


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A plug-in module that cannot be used, and why."""

    origin: str
    error: str


class Registry:
    """The plug-ins of all kinds that were found, and those that cannot be used."""

    def __init__(self) -> None:
        self.broken: list[Broken] = []
        self._found: dict[tuple[type[Plugin], str], Found[Any]] = {}
        self._files: set[Path] = set()

    @property
    def files(self) -> tuple[Path, ...]:
        """The single files that were added, resolved, for other processes to add too."""
        return tuple(sorted(self._files))

    def add_module(self, module: ModuleType, origin: str) -> int:
        """Register every concrete plug-in class that `module` itself defines; return how many.

        Raises `InputError`, and registers none, if one does not say what it is.
        """
        plugins = _checked_plugins(module, origin)
        for plugin in plugins:
            self._add_class(plugin, origin)
        return len(plugins)

    def add_file(self, path: Path) -> None:
        """Register the plug-ins of one Python file; `InputError` if it cannot be imported.

        A file that was added before is not imported again.
        """
        if path.resolve() in self._files:
            return
        if not path.is_file():
            raise InputError(f"--plugin {path}: no such file")
        spec = importlib.util.spec_from_file_location(_module_name(path), path)
        if spec is None or spec.loader is None:
            raise InputError(f"--plugin {path}: not a Python file (.py)")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            raise InputError(f"--plugin {path}: {reason(error)}") from error
        if self.add_module(module, str(path)) == 0:
            raise InputError(f"--plugin {path}: defines no attack, space or protection")
        self._files.add(path.resolve())

    def scan(self) -> None:
        """Register what the packages of this distribution and installed entry points offer."""
        for package in PACKAGES:
            for name in _module_names(package):
                self._import(name, origin=name.replace(".", "/") + ".py")
        for group in ENTRY_POINT_GROUPS:
            for point in entry_points(group=group):
                self._import(point.module, origin=f"entry point {group}: {point.name}")

    def all(self, kind: type[PluginT]) -> list[Found[PluginT]]:
        """Return the plug-ins of one kind, sorted by name."""
        return [found for (of, _), found in sorted(self._found.items(), key=_by_name) if of is kind]

    def get(self, kind: type[PluginT], name: str) -> type[PluginT]:
        """Return the plug-in class called `name`; `InputError` with the nearest names otherwise."""
        found = self._found.get((kind, name))
        if found is not None:
            plugin: type[PluginT] = found.plugin
            return plugin
        raise InputError(self.unknown(name, kind))

    def unknown(self, name: str, *kinds: type[Plugin]) -> str:
        """Return the line for a name that is no plug-in of these kinds, with the nearest names."""
        what = " or ".join(kind.kind for kind in kinds)
        known = [entry.plugin.name for kind in kinds for entry in self.all(kind)]
        lost = ", ".join(broken.origin for broken in self.broken)
        lists = " and ".join(f"`mergebench list {kind.kind}s`" for kind in kinds)
        hint = f"; not usable, see {lists}: {lost}" if lost else ""
        return unknown_name(what, name, known) + hint

    def heading(self, kind: type[Plugin], name: str) -> str:
        """Return what tables call the plug-in `name`: the name itself where none is called so."""
        found = self._found.get((kind, name))
        return name if found is None else found.plugin.heading()

    def _import(self, name: str, *, origin: str) -> None:
        try:
            module = importlib.import_module(name)
            _checked_plugins(module, origin)
        except (Exception, SystemExit) as error:
            if lacks_memory(error):
                raise
            self.broken.append(Broken(origin=origin, error=reason(error)))
            return
        self.add_module(module, origin)

    def _add_class(self, member: type[Plugin], origin: str) -> None:
        for kind in _KINDS:
            if not issubclass(member, kind):
                continue
            known = self._found.get((kind, member.name))
            if known is not None and known.plugin is not member:
                raise InputError(
                    f"two {kind.kind}s are called {member.name}: "
                    f"{known.origin} and {origin}; rename one"
                )
            self._found[kind, member.name] = Found(plugin=member, origin=origin)


@cache
def registry() -> Registry:
    """Return the one registry of this process, scanned on first use."""
    found = Registry()
    found.scan()
    return found


def is_scanned() -> bool:
    """Whether plug-ins were looked for, and so imported, in this process."""
    return registry.cache_info().currsize > 0


def parse_options(
    plugin: type[PluginT], settings: Sequence[str], *, of: str = "", said: str = "--set "
) -> dict[str, Any]:
    """Return `key=value` settings as typed hyper-parameters of `plugin`.

    `of`: the name that the user wrote before each key, with a point; `said`: what stood before
    that. Raises `InputError` naming the setting as it was written when the key is unknown or the
    value has another type. So is a setting of a plug-in that has no hyper-parameters.
    """
    with blaming(plugin, "in its annotations"):
        types = get_type_hints(plugin)
    names = [item.name for item in fields(plugin)]
    options: dict[str, Any] = {}
    for setting in settings:
        key, separator, text = setting.partition("=")
        written = f"{said}{of}.{setting}" if of else f"{said}{setting}"
        if not separator:
            raise InputError(f"{written}: expected key=value")
        if not names:
            raise InputError(
                f"{written}: unknown option {key!r}: {plugin.name} has no options; leave it out"
            )
        if key not in names:
            raise InputError(f"{written}: " + unknown_name("option", key, names))
        options[key] = _parse_value(written, types[key], text)
    return options


def _parse_value(setting: str, kind: Any, text: str) -> Any:
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise InputError(f"{setting}: expected true or false")
        return text.lower() == "true"
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            choices = ", ".join(get_args(kind))
            raise InputError(f"{setting}: choose from: {choices}")
        return text
    if get_origin(kind) is tuple and get_args(kind)[1:] == (...,):
        return tuple(_parse_value(setting, get_args(kind)[0], part) for part in text.split(","))
    if kind in (int, float):
        try:
            value = kind(text)
        except ValueError as error:
            raise InputError(f"{setting}: expected {kind.__name__}") from error
        if not -_LARGEST[kind] <= value <= _LARGEST[kind]:
            raise InputError(
                f"{setting}: expected a finite number, from -{_LARGEST[kind]} to {_LARGEST[kind]}"
            )
        return value
    if kind is not str:
        raise InputError(f"{setting}: this option is no single value; it cannot be set here")
    return text


def _checked_plugins(module: ModuleType, origin: str) -> list[type[Plugin]]:
    """Return the concrete plug-in classes that `module` itself defines, each of which is one."""
    plugins = [
        member
        for _, member in sorted(inspect.getmembers(module, inspect.isclass))
        if member.__module__ == module.__name__
        and issubclass(member, Plugin)
        and not inspect.isabstract(member)
    ]
    for plugin in plugins:
        try:
            plugin.check_class()
        except InputError as error:
            raise InputError(f"{plugin.__name__} in {origin}: {error}") from error
    return plugins


def _module_name(path: Path) -> str:
    """Return a name that files of one name in several folders do not share."""
    folder = hashlib.sha256(str(path.resolve().parent).encode()).hexdigest()[:8]
    return f"mergebench_plugin_{path.stem}_{folder}"


def _module_names(package: str) -> Iterator[str]:
    try:
        root = importlib.import_module(package)
    except ModuleNotFoundError:
        return
    for info in pkgutil.iter_modules(root.__path__):
        if not info.ispkg:
            yield f"{package}.{info.name}"


def _by_name(entry: tuple[tuple[type[Plugin], str], Found[Any]]) -> tuple[str, str]:
    (kind, name), _ = entry
    return kind.__name__, name
