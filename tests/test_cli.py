"""The command line: what it writes, and one line with status 2 for every wrong input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from miniature import FEW_IMAGES, PROTOCOL, SETTING
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mergebench import cli
from mergebench.adapters import WEIGHTS_NAME, load_update, save_adapter
from mergebench.backbones import load_backbone
from mergebench.commands import tables
from mergebench.contracts import Merger, Protection, Space
from mergebench.merging import merge
from mergebench.registry import registry
from mergebench.seeding import generator
from mergebench.suites.mini8 import read_manifest
from mergebench.update import LowRank, Update

SITE = "transformer.resblocks.0.mlp.c_fc"
A_KEY, B_KEY = (f"base_model.model.{SITE}.lora_{factor}.weight" for factor in "AB")


@pytest.fixture(autouse=True)
def _fresh_registry():
    """Forget the plug-in files of a test after it."""
    registry.cache_clear()
    yield
    registry.cache_clear()


@pytest.fixture(scope="module")
def shapes() -> dict[str, dict[str, tuple[int, int]]]:
    return {
        name: {
            path: (site.out_features, site.in_features)
            for path, site in load_backbone(name, weights="random").sites.items()
        }
        for name in ("mini_vit", "mini_convnext")
    }


def random_adapter(folder: Path, shapes: dict[str, tuple[int, int]], number: int) -> Path:
    """Write a LoRA adapter of rank 4 on all sites."""
    sites = {}
    for name, (rows, columns) in shapes.items():
        draws = generator(number, "cli", name)
        up = 0.1 * torch.randn(rows, 4, generator=draws)
        sites[name] = LowRank(up=up, down=torch.randn(4, columns, generator=draws))
    save_adapter(Update(sites=sites), folder)
    return folder


@pytest.fixture(scope="module")
def adapters(tmp_path_factory, shapes) -> list[str]:
    root = tmp_path_factory.mktemp("adapters")
    return [str(random_adapter(root / f"task{n}", shapes["mini_vit"], n)) for n in range(3)]


def run(*words: object) -> int:
    """Return the exit status of the command."""
    try:
        return cli.main([str(word) for word in words])
    except SystemExit as leaving:
        return int(leaving.code or 0)


@pytest.fixture
def complaint(capsys) -> Callable[..., str]:
    """Run a wrong command and return the one line that it prints."""

    def refused(*words: object) -> str:
        status = run(*words)
        shown = capsys.readouterr()
        assert status == 2, shown.err
        assert shown.out == ""
        assert shown.err.startswith("mergebench: ")
        assert shown.err.endswith("\n")
        assert shown.err.count("\n") == 1, shown.err
        return shown.err

    return refused


# --- merge ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "words", "attack", "space", "options", "alpha"),
    [
        (2, ["--attack", "ta"], "ta", "full", {}, 1.0),
        (3, ["--attack", "ties@core", "--set", "top_k=20"], "ties", "core", {"top_k": 20.0}, 1.0),
        (2, ["--attack", "tsv@knots", "--alpha", "0.3"], "tsv", "knots", {}, 0.3),
        (3, ["--attack", "dare@full", "--set", "drop=0.5"], "dare", "full", {"drop": 0.5}, 1.0),
    ],
)
def test_merge_writes_what_the_api_merges(
    tmp_path, capsys, adapters, shapes, count, words, attack, space, options, alpha
):
    out = tmp_path / "merged.safetensors"
    command = ["merge", "--backbone", "mini_vit", *words, *adapters[:count], "--out", out]
    assert run(*command) == 0
    assert capsys.readouterr().out.startswith(f"{count} updates merged by ")
    updates = [load_update(path, shapes["mini_vit"], "mini_vit") for path in adapters[:count]]
    merger = registry().get(Merger, attack)(**options)
    expected = merge(merger, updates, space=registry().get(Space, space)()).scaled(alpha)
    written = load_file(out)
    assert written.keys() == shapes["mini_vit"].keys()
    for site, tensor in written.items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, expected.sites[site].dense(), rtol=0, atol=0)


def test_merge_notes_how_and_repeats_its_bytes(tmp_path, adapters):
    files = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for file in files:
        words = ["merge", "--backbone", "mini_vit", "--attack", "dare", "--alpha", "0.5"]
        assert run(*words, *adapters, "--out", file) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    with safe_open(files[0], "pt") as opened:
        about = json.loads(opened.metadata()["mergebench"])
    assert about == {
        "backbone": "mini_vit",
        "attack": "dare@full",
        "options": {"drop": 1e-05},
        "alpha": 0.5,
        "seed": 0,
        "adapters": adapters,
    }


def test_merged_updates_can_be_merged_again(tmp_path, adapters):
    out = tmp_path / "merged.safetensors"
    words = ["merge", "--backbone", "mini_vit", "--attack", "ta"]
    assert run(*words, *adapters[:2], "--out", out) == 0
    assert run(*words, out, adapters[2], "--out", tmp_path / "again.safetensors") == 0


def test_a_dropped_file_adds_an_attack(tmp_path, capsys, adapters, shapes):
    out = tmp_path / "merged.safetensors"
    words = ["--attack", "weighted_sum", "--set", "weight=0.25", "--plugin", FEW_IMAGES]
    assert run("merge", "--backbone", "mini_vit", *words, *adapters[:2], "--out", out) == 0
    updates = [load_update(path, shapes["mini_vit"], "mini_vit") for path in adapters[:2]]
    first, second = (update.sites[SITE].dense() for update in updates)
    torch.testing.assert_close(load_file(out)[SITE], 0.25 * (first + second))
    capsys.readouterr()
    assert run("list", "attacks", "--plugin", FEW_IMAGES) == 0
    assert "weighted_sum" in capsys.readouterr().out


# --- list -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "plugin"), [("attacks", Merger), ("spaces", Space), ("protections", Protection)]
)
def test_list_shows_every_plugin_with_paper_options_and_file(capsys, kind, plugin):
    assert run("list", kind) == 0
    shown = "".join(capsys.readouterr().out.split())
    for found in registry().all(plugin):
        assert found.plugin.name in shown
        assert found.origin in shown
        for option in found.plugin().options():
            assert option in shown


def test_list_backbones(capsys):
    assert run("list", "backbones") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("mini_vit", "mini_convnext", "vit_b32"))


def test_list_suites(capsys):
    assert run("list", "suites") == 0
    shown = capsys.readouterr().out
    tasks = [entry.name for entry in read_manifest().tasks]
    assert all(name in shown for name in ("mini8", *tasks))


# --- tables ---------------------------------------------------------------------------------


@pytest.fixture
def miniature(monkeypatch, tmp_path) -> list[object]:
    """Let the command measure on few images; return its options."""
    monkeypatch.setattr(tables, "get_setting", lambda name: SETTING)
    monkeypatch.setattr(tables, "get_protocol", lambda name: PROTOCOL)
    folders = ["--store", tmp_path / "runs", "--results", tmp_path / "results"]
    return ["--plugin", FEW_IMAGES, "--tasks", "mnist fashion", *folders]


def test_table2_is_measured_once_and_captioned_without_what_changes_nothing(
    tmp_path, capsys, miniature
):
    words = ["table2", *miniature, "--attacks", "ta ties@core", "--protections", "none"]
    assert run(*words, "--jobs", 1) == 0
    first = {file.name: file.read_bytes() for file in (tmp_path / "results/mini_vit").iterdir()}
    assert "merges: 2 measured, 0 recalled" in capsys.readouterr().out
    assert run(*words) == 0
    assert "merges: 0 measured, 2 recalled" in capsys.readouterr().out
    again = {file.name: file.read_bytes() for file in (tmp_path / "results/mini_vit").iterdir()}
    assert again == first
    assert {"table2.md", "table2.csv", "table2.tex"} <= first.keys()
    caption = first["table2.md"].decode()
    assert "mergebench table2" in caption
    assert "--jobs" not in caption
    assert "--store" not in caption


# --- wrong input: names ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["table2", "--backbone", "mini_vti"],
            "unknown backbone 'mini_vti'; did you mean mini_vit",
        ),
        (["table2", "--backbone", "vit_b32", "--weights", "no.pt"], "no weights at no.pt: give a"),
        (["table2", "--device", "gpu"], "--device gpu: expected auto | cpu | cuda | cuda:N"),
        (["table2", "--attacks", "tie@full"], "unknown attack 'tie'; did you mean ties"),
        (["table2", "--attacks", "ties@cor"], "unknown space 'cor'; did you mean core"),
        (["table1", "--protections", "trap"], "unknown protection 'trap'; did you mean trap2"),
        (["table2", "--protocol", "papper"], "unknown protocol 'papper'; did you mean paper"),
        (["table1", "--tasks", "mnits"], "unknown task 'mnits'; did you mean mnist"),
        (["table1", "--seeds", "0"], "--seeds and --jobs must be at least 1"),
        (["table1", "--jobs", "two"], "invalid int value: 'two'"),
        (["table1", "--plugin", "absent.py"], "--plugin absent.py: no such file"),
        (["list", "atacks"], "unknown kind 'atacks'; did you mean attacks"),
        (["tabel2"], "unknown word 'tabel2'; did you mean table2"),
        ([], "required: VERB"),
    ],
)
def test_wrong_names_are_told(tmp_path, complaint, words, message):
    folders = ["--store", tmp_path / "runs", "--results", tmp_path / "results"]
    measures = words and words[0].startswith("table") and words[0] != "tabel2"
    assert message in complaint(*words, *(folders if measures else ()))


@pytest.mark.parametrize("option", ["--store", "--results"])
def test_a_folder_that_cannot_be_written(tmp_path, complaint, miniature, option):
    (tmp_path / "file").write_text("not a folder")
    error = complaint("table1", *miniature, option, tmp_path / "file" / "below")
    assert f"cannot write in {tmp_path}/file/below" in error
    assert "choose another directory" in error


# --- wrong input: merge ---------------------------------------------------------------------


@pytest.fixture
def merge_complaint(tmp_path, complaint, adapters) -> Callable[..., str]:
    """Run `merge` on two adapters with further words and return its one line."""

    def refused(*words: object, last: object = None, attack: str = "ta") -> str:
        out = tmp_path / "merged.safetensors"
        command = ["merge", "--backbone", "mini_vit", "--attack", attack, "--out", out]
        error = complaint(*command, *words, adapters[0], last or adapters[1])
        assert not out.exists()
        return error

    return refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--backbone", "mini_vut"], "unknown backbone 'mini_vut': did you mean 'mini_vit'"),
        (["--attack", "tia"], "unknown attack 'tia'; did you mean ta"),
        (["--attack", "ta@coer"], "unknown space 'coer'; did you mean core"),
        (["--alpha", "much"], "--alpha much: expected a finite number"),
        (["--alpha", "nan"], "--alpha nan: expected a finite number"),
        (["--alpha", "1e39"], "--alpha 1e39: expected a finite number within float32"),
        (["--set", "top_k"], "--set top_k: expected key=value"),
        (["--set", "topk=20"], "--set topk=20: unknown option 'topk'"),
        (["--attack", "ties", "--set", "topk=20"], "did you mean top_k"),
        (["--attack", "ties", "--set", "top_k=lots"], "--set top_k=lots: expected float"),
        (["--attack", "ties", "--set", "top_k=0"], "top_k"),
        (["--seed", "x"], "invalid int value: 'x'"),
    ],
)
def test_wrong_options_of_merge(merge_complaint, words, message):
    assert message in merge_complaint(*words)


def test_an_output_that_cannot_be_written(tmp_path, merge_complaint):
    (tmp_path / "file").write_text("not a folder")
    error = merge_complaint("--out", tmp_path / "file" / "merged.safetensors")
    assert f"cannot write {tmp_path}/file/merged.safetensors" in error


@pytest.mark.parametrize(
    ("content", "message"),
    [("import absent_module_x", "ModuleNotFoundError"), ("raise ValueError('a\\nb')", "a b")],
)
def test_a_broken_plugin(tmp_path, merge_complaint, content, message):
    (tmp_path / "broken.py").write_text(content)
    error = merge_complaint("--plugin", tmp_path / "broken.py")
    assert f"--plugin {tmp_path}/broken.py: " in error
    assert message in error


# --- wrong input: adapters ------------------------------------------------------------------


def drop_factor(tensors):
    del tensors[A_KEY]


def drop_site(tensors):
    del tensors[A_KEY], tensors[B_KEY]


def add_key(tensors):
    tensors["base_model.model.head.lora_A.weight"] = torch.zeros(4, 8)


def widen(tensors):
    tensors[A_KEY] = torch.zeros(4, tensors[A_KEY].shape[1] + 1)


def add_nan(tensors):
    tensors[B_KEY][0, 0] = float("nan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_factor, f"site {SITE} has no lora_A.weight"),
        (drop_site, f"site {SITE} of backbone mini_vit is missing"),
        (add_key, "backbone mini_vit has no site 'head'"),
        (widen, f"{SITE}.lora_A has shape 4×"),
        (add_nan, f"site {SITE} holds a NaN or an infinity"),
    ],
)
def test_a_damaged_adapter_is_named(tmp_path, merge_complaint, shapes, change, message):
    folder = random_adapter(tmp_path / "damaged", shapes["mini_vit"], 7)
    tensors = load_file(folder / WEIGHTS_NAME)
    change(tensors)
    save_file(tensors, folder / WEIGHTS_NAME)
    error = merge_complaint(last=folder)
    assert str(folder) in error
    assert message in error


def test_an_adapter_for_another_backbone(tmp_path, merge_complaint, shapes):
    folder = random_adapter(tmp_path / "convnext", shapes["mini_convnext"], 7)
    error = merge_complaint(last=folder)
    assert f"{folder}/{WEIGHTS_NAME}: backbone mini_vit has no site 'trunk." in error
    assert "expected an adapter for mini_vit" in error


def test_a_truncated_file(tmp_path, merge_complaint, shapes):
    folder = random_adapter(tmp_path / "truncated", shapes["mini_vit"], 7)
    weights = folder / WEIGHTS_NAME
    weights.write_bytes(weights.read_bytes()[:-100])
    assert f"{weights} is truncated or not a safetensors file" in merge_complaint(last=folder)


@pytest.mark.parametrize("in_folder", [True, False])
def test_a_pickle_gets_the_conversion_hint(tmp_path, merge_complaint, in_folder):
    file = tmp_path / "adapter_model.bin"
    torch.save({}, file)
    error = merge_complaint(last=tmp_path if in_folder else file)
    assert f"{file} is a pickle" in error
    assert "safe_serialization=True" in error


def test_an_adapter_that_is_not_there(tmp_path, merge_complaint):
    error = merge_complaint(last=tmp_path / "absent")
    assert f"{tmp_path}/absent: no such adapter folder or safetensors file" in error
