"""The rooms of the house: what stands in the hall, and that imports go through a room's face."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

import grimp
import pytest
from repository import ROOT

HALL = ROOT / "mergebench"
FACES = sorted(file.parent for file in HALL.rglob("__init__.pyi"))
SOURCES = sorted(
    file
    for package in ("mergebench", "attacks", "protections")
    for file in (ROOT / package).rglob("*.py")
)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def handed_out(face: Path) -> Iterator[str]:
    """Yield the names in a face's stub."""
    for node in ast.parse((face / "__init__.pyi").read_text()).body:
        assert isinstance(node, ast.ImportFrom)
        for name in node.names:
            assert name.asname == name.name, "stubs say `from .module import Name as Name`"
            yield name.name


def imports_past_faces(source: Path) -> Iterator[str]:
    """Yield the modules that a file imports out of rooms that it does not stand in."""
    rooms = [module_name(face) for face in FACES]
    own = module_name(source)
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module not in rooms:
            room = max((room for room in rooms if node.module.startswith(f"{room}.")), default="")
            if room and not f"{own}.".startswith(f"{room}."):
                yield node.module


def test_at_most_twelve_modules_stand_in_the_hall() -> None:
    assert len([file for file in HALL.glob("*.py") if file.name != "__init__.py"]) <= 12


def test_imports_go_through_the_face_of_a_room() -> None:
    past = {module_name(source): [*imports_past_faces(source)] for source in SOURCES}
    assert {source: modules for source, modules in past.items() if modules} == {}


def test_no_module_imports_itself_by_a_detour() -> None:
    """Imports for types alone count; those through a face go down a floor, which lint checks."""
    graph = grimp.build_graph("mergebench", "attacks", "protections")
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError with the circle


@pytest.mark.parametrize("face", FACES, ids=module_name)
def test_a_face_hands_out_names_that_are_there_and_no_modules(face: Path) -> None:
    """A name that is a module's too would be the one or the other, whichever was imported first."""
    room = importlib.import_module(module_name(face))
    names = list(handed_out(face))
    assert len(names) == len(set(names))
    assert not set(names) & {path.stem for path in face.iterdir()}
    assert all(hasattr(room, name) for name in names)


def test_files_have_at_most_300_lines() -> None:
    lines = {module_name(source): len(source.read_text().splitlines()) for source in SOURCES}
    assert {source: count for source, count in lines.items() if count > 300} == {}
    assert median(lines.values()) <= 90
