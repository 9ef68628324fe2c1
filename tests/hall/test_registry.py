"""Finding plug-ins by name, and telling what is wrong with those that cannot be found."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from mergebench.contracts import InformedMerger, Merger, Protection, Space, described
from mergebench.errors import InputError
from mergebench.registry import Registry, parse_options, registry

PLUGIN = '''
from dataclasses import dataclass

from mergebench.contracts import Merger


@dataclass(frozen=True, kw_only=True)
class Average(Merger):
    """The mean of the updates."""

    name = {name!r}
    paper = "none"
    weight: float = 1.0

    def combine(self, stack, site):
        return stack.mean(dim=0)
'''


def plugin_file(folder: Path, name: str, stem: str = "average") -> Path:
    path = folder / f"{stem}.py"
    path.write_text(PLUGIN.format(name=name))
    return path


def scanned(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return a registry of the files in `folder` and of one that is intact."""
    package = ModuleType("some_attacks")
    package.__path__ = [str(folder)]
    plugin_file(folder, "intact", stem="intact")
    for name in [name for name in sys.modules if name.startswith("some_attacks")]:
        del sys.modules[name]
    monkeypatch.setitem(sys.modules, "some_attacks", package)
    monkeypatch.setattr("mergebench.registry.PACKAGES", ("some_attacks",))
    monkeypatch.setattr("mergebench.registry.ENTRY_POINT_GROUPS", ())
    found = Registry()
    found.scan()
    return found


def test_finds_the_attacks_and_spaces_of_this_distribution() -> None:
    names = [found.plugin.name for found in registry().all(Merger)]
    assert {"ta", "ties", "dare", "dare_ties", "tsv", "cart"} <= set(names)
    assert names == sorted(names)
    assert {"full", "knots", "core"} <= {found.plugin.name for found in registry().all(Space)}


def test_origin_is_the_file() -> None:
    origins = {found.plugin.name: found.origin for found in registry().all(Merger)}
    assert origins["ties"] == "attacks/ties.py"


@pytest.mark.parametrize(
    ("typed", "meant"), [("tie", "ties"), ("tsc", "tsv"), ("dareties", "dare_ties")]
)
def test_wrong_name_gets_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(InputError, match=rf"unknown attack '{typed}'; did you mean .*{meant}"):
        registry().get(Merger, typed)


def test_name_far_from_all_gets_the_list() -> None:
    with pytest.raises(InputError, match="choose from: core, full, knots"):
        registry().get(Space, "zzzzzz")


def test_a_file_adds_its_attack(tmp_path: Path) -> None:
    found = Registry()
    found.add_file(plugin_file(tmp_path, "average"))
    assert found.get(Merger, "average")().options() == {"weight": 1.0}
    assert found.all(Merger)[0].origin == str(tmp_path / "average.py")


def test_a_second_plugin_of_the_same_name_is_refused(tmp_path: Path) -> None:
    found = Registry()
    found.scan()
    with pytest.raises(InputError, match=r"two attacks are called ties: attacks/ties.py and .*"):
        found.add_file(plugin_file(tmp_path, "ties"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("def (", "SyntaxError"),
        ("x = 1", "defines no attack, space or protection"),
    ],
)
def test_a_useless_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        Registry().add_file(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        Registry().add_file(tmp_path / "absent.py")


def test_a_plugin_without_a_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nameless.py"
    path.write_text(PLUGIN.replace("name = {name!r}", ""))
    with pytest.raises(InputError, match=r"Average in .*nameless.py: it has no name"):
        Registry().add_file(path)


def test_a_module_that_fails_to_import_breaks_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = ModuleType("broken_attacks")
    package.__path__ = [str(tmp_path)]
    (tmp_path / "half.py").write_text("raise RuntimeError('no licence')")
    plugin_file(tmp_path, "average")
    monkeypatch.setitem(__import__("sys").modules, "broken_attacks", package)
    monkeypatch.setattr("mergebench.registry.PACKAGES", ("broken_attacks",))
    found = Registry()
    found.scan()
    assert [(b.origin, b.error) for b in found.broken] == [
        ("broken_attacks/half.py", "RuntimeError: no licence")
    ]
    assert found.get(Merger, "average").name == "average"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name = {name!r}", "name = 5", "name is 5; give up to 64 letters"),
        ("name = {name!r}", "name = ''", "name is ''; give up"),
        ("name = {name!r}", "name = 'a b'", "name is 'a b'; give up"),
        ("name = {name!r}", "name = 'a@full'", "name is 'a@full'; give up"),
        ("name = {name!r}", "name = 'a.b'", "name is 'a.b'; give up"),
        ("name = {name!r}", "name = 'a\\n'", r"name is 'a\n'; give up"),
        ('paper = "none"', 'paper = "none"; title = 3', "title is 3; give a text"),
        ('paper = "none"', 'paper = "none"; title = ""', "title is ''; give a text"),
        ('paper = "none"', 'paper = "none"; title = "a\\nb"', r"title is 'a\nb'; give a text"),
        ('paper = "none"', "", "paper is None; give a text"),
        ('paper = "none"', "paper = 3", "paper is 3; give a text"),
        ('paper = "none"', "paper = '-'; version = 0", "version is 0; give a whole number from 1"),
        ('paper = "none"', "paper = '-'; version = True", "version is True; give a whole number"),
        (
            'paper = "none"',
            "paper = '-'; spaces = 'full'",
            "spaces is 'full'; give a tuple of names",
        ),
        ('paper = "none"', "paper = '-'; spaces = ()", "spaces is (); give a tuple of names"),
        ('paper = "none"', "paper = '-'; grid = (1,)", "grid is (1,); give a mapping of tuples"),
        (
            'paper = "none"',
            "paper = '-'; grid = {{'w': (1,)}}",
            "grid has 'w', which is no field: weight",
        ),
        (
            'paper = "none"',
            "paper = '-'; grid = {{'weight': ('a',)}}",
            "grid['weight'] is ('a',); give a tuple of numbers",
        ),
        ('paper = "none"', "paper = '-'; smallest = 1", "smallest is 1; give a mapping of numbers"),
        ("@dataclass(frozen=True, kw_only=True)", "", "decorate the class with @dataclass(frozen"),
        ("(frozen=True, kw_only=True)", "(frozen=True)", "decorate the class with @dataclass(froz"),
    ],
)
def test_what_a_class_says_of_itself_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    content = PLUGIN.replace(old, new).format(name="average")
    (tmp_path / "wrong.py").write_text(content)
    with pytest.raises(InputError) as error:
        Registry().add_file(tmp_path / "wrong.py")
    assert f"Average in {tmp_path}/wrong.py: {message}" in str(error.value)
    # Beside others it breaks none of them.
    found = scanned(tmp_path, monkeypatch)
    assert [one.origin for one in found.broken] == ["some_attacks/wrong.py"]
    assert f"Average in some_attacks/wrong.py: {message}" in found.broken[0].error
    assert found.get(Merger, "intact").name == "intact"
    with pytest.raises(InputError, match=r"see `mergebench list attacks`: some_attacks/wrong\.py"):
        found.get(Merger, "average")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("raise TimeoutError", "TimeoutError"),
        ("raise RuntimeError('a\\n  b')", "RuntimeError: a b"),
    ],
)
def test_whatever_an_import_raises_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, message: str
) -> None:
    (tmp_path / "wrong.py").write_text(content)
    with pytest.raises(InputError) as error:
        Registry().add_file(tmp_path / "wrong.py")
    assert str(error.value) == f"--plugin {tmp_path}/wrong.py: {message}"
    found = scanned(tmp_path, monkeypatch)
    assert [one.error for one in found.broken] == [message]


def test_a_lack_of_memory_is_no_fault_of_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrong.py").write_text("raise MemoryError")
    with pytest.raises(MemoryError):
        scanned(tmp_path, monkeypatch)


def test_files_of_one_name_in_two_folders_are_two_modules(tmp_path: Path) -> None:
    found = Registry()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        found.add_file(plugin_file(tmp_path / name, name))
    files = {name: described(found.get(Merger, name)) for name in ("one", "other")}
    assert files["one"] == f"attack one of {tmp_path}/one/average.py"
    assert files["other"] == f"attack other of {tmp_path}/other/average.py"


def test_settings_become_typed_options() -> None:
    attack = registry().get(Merger, "ties")
    settings = ["top_k=20", "inclusive=false", "aggregation=sum"]
    assert parse_options(attack, settings) == {
        "top_k": 20.0,
        "inclusive": False,
        "aggregation": "sum",
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("top_k", "expected key=value"),
        ("topk=20", "did you mean top_k"),
        ("top_k=many", "expected float"),
        ("top_k=nan", "expected a finite number"),
        ("top_k=inf", "expected a finite number, from -3e\\+38 to 3e\\+38"),
        ("inclusive=1", "expected true or false"),
        ("aggregation=median", "choose from: mean, sum"),
    ],
)
def test_wrong_settings_are_named(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        parse_options(registry().get(Merger, "ties"), [setting])
    assert str(error.value).startswith(f"--set {setting}: ")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ties", {"top_k": 0.0}),
        ("ties", {"top_k": 101.0}),
        ("ties", {"top_k": 1.0}),
        ("ties", {"aggregation": "median"}),
        ("dare", {"drop": 1.0}),
        ("dare_ties", {"drop": -0.1}),
        ("tsv", {"rank_mode": "noise"}),
        ("cart", {"rank_fraction": 0.0}),
        ("cart", {"form": "third"}),
    ],
)
def test_values_out_of_range_are_refused(name: str, options: dict[str, object]) -> None:
    key = next(iter(options))
    with pytest.raises(InputError, match=key):
        registry().get(Merger, name)(**options)


@pytest.mark.parametrize("name", ["ties", "dare_ties", "localize_and_stitch"])
def test_a_share_in_place_of_a_percentage_is_refused(name: str) -> None:
    """Whoever knows the densities of mergekit types 0.2 for a fifth."""
    with pytest.raises(InputError) as error:
        registry().get(Merger, name)(top_k=0.2)
    assert str(error.value) == "top_k is 0.2; give a percentage: 20 for a share of 0.2"


def test_what_refuses_a_value_is_named_once() -> None:
    """Some say themselves who they are, because they are made directly too."""
    ties = registry().get(Merger, "ties")
    for make in (ties.configured, ties().with_options):
        with pytest.raises(
            InputError, match=r"^attack ties: aggregation is 'x'; choose from: mean"
        ):
            make(aggregation="x")
    smooth = registry().get(InformedMerger, "smooth")
    with pytest.raises(InputError, match=r"^attack smooth: sigma is -1"):
        smooth.configured(sigma=-1.0)
    with pytest.raises(InputError, match=r"^params: attention is 'x'; choose from: diagonal"):
        registry().get(Protection, "params").configured(attention="x")
