"""The command line: what it writes."""

from __future__ import annotations

import json

import pytest
import torch
from command_line import SITE, measure_few_images, random_adapter, run, tower_shapes
from miniature import FEW_IMAGES
from safetensors import safe_open
from safetensors.torch import load_file

from mergebench.contracts import Attack, Merger, Protection, Space
from mergebench.experiment.settings import SETTINGS
from mergebench.merging.problem import merge
from mergebench.registry import registry
from mergebench.suites.mini8 import read_manifest
from mergebench.updates.adapters import load_update


@pytest.fixture(autouse=True)
def _fresh_registry():
    """Forget the plug-in files of a test after it."""
    registry.cache_clear()
    yield
    registry.cache_clear()


@pytest.fixture(scope="module")
def shapes() -> dict[str, dict[str, tuple[int, int]]]:
    return tower_shapes()


@pytest.fixture(scope="module")
def adapters(tmp_path_factory, shapes) -> list[str]:
    root = tmp_path_factory.mktemp("adapters")
    return [str(random_adapter(root / f"task{n}", shapes["mini_vit"], n)) for n in range(3)]


@pytest.fixture
def miniature(monkeypatch, tmp_path) -> list[object]:
    return measure_few_images(monkeypatch, tmp_path)


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


def test_a_short_list_has_a_line_per_attack(capsys):
    assert run("list", "attacks", "--short") == 0
    lines = capsys.readouterr().out.splitlines()
    said = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}
    attacks = [found.plugin for found in registry().all(Attack)]
    assert list(said) == [attack.name for attack in attacks]
    assert all(said[attack.name].startswith(f"{attack.knowledge}, ") for attack in attacks)
    assert said["ta"] == "blind, no data"
    assert said["hold"] == "informed, no data, hold:RULE"
    assert said["finetune"] == "informed, labelled data"
    assert run("list", "spaces", "--short") == 2
    assert "--short is of attacks alone" in capsys.readouterr().err


def test_list_backbones(capsys):
    assert run("list", "backbones") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("mini_vit", "mini_convnext", "vit_b32"))
    assert "450 steps of 64 images" in shown
    assert f"{SETTINGS['minilm'].recipe.steps} steps of 32 texts" in shown


def test_list_suites(capsys):
    assert run("list", "suites") == 0
    shown = capsys.readouterr().out
    tasks = [entry.name for entry in read_manifest().tasks]
    assert all(name in shown for name in ("mini8", *tasks))


# --- tables ---------------------------------------------------------------------------------


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
    name = "table2_tasks-mnist-fashion_attacks-ta-ties@core_protections-none"
    assert {f"{name}.md", f"{name}.csv", f"{name}.tex"} <= first.keys()
    caption = first[f"{name}.md"].decode()
    assert "mergebench table2" in caption
    assert "--jobs" not in caption
    assert "--store" not in caption
