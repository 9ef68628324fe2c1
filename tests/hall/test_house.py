"""The rooms of the house: what stands in the hall, and that imports go through a room's face."""

from __future__ import annotations

import ast
import importlib
import re
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
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [name.name for name in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            room = max((room for room in rooms if name.startswith(f"{room}.")), default="")
            if name not in rooms and room and not f"{own}.".startswith(f"{room}."):
                yield name


def test_the_page_shows_every_room_and_the_whole_hall() -> None:
    page = (ROOT / "docs" / "house.md").read_text()
    rows = "\n".join(line for line in page.splitlines() if line.startswith("|"))
    rooms = {path.name for path in HALL.iterdir() if (path / "__init__.py").is_file()}
    hall = {file.stem for file in HALL.glob("*.py")} - {"__init__", "__main__"}
    assert {room for room in rooms if f"`{room}/`" not in rows} == set()
    assert {module for module in hall if not re.search(rf"`{module}(\.py)?`", rows)} == set()


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
