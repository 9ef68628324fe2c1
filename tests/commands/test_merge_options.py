"""Merging with factors of adapters, adapters of different sites, and a rank for the result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from command_line import random_adapter, run
from safetensors import safe_open
from safetensors.torch import load_file
from synthetic import distance

from mergebench.backbones import site_shapes
from mergebench.contracts import Merger, Space
from mergebench.merging import MergeProblem
from mergebench.registry import registry
from mergebench.updates import LowRank, load_update

SHAPES = site_shapes("mini_vit")
FIRST, *_, LAST = SHAPES


@pytest.fixture
def adapters(tmp_path) -> list[str]:
    """Two adapters of all sites and one of the last site alone."""
    whole = [str(random_adapter(tmp_path / f"adapter-{n}", SHAPES, n)) for n in range(2)]
    return [*whole, str(random_adapter(tmp_path / "last", {LAST: SHAPES[LAST]}, 7))]


def merge(out: Path, *words: object) -> int:
    return run("merge", "--backbone", "mini_vit", "--out", out, *words)


def refusal(capsys) -> str:
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


# Factors


def test_factors_are_applied_before_the_rule(adapters, tmp_path):
    out = tmp_path / "merged.safetensors"
    words = [f"{adapters[0]}:0.7", f"{adapters[1]}:-1.5"]
    assert merge(out, "--attack", "ties@core", *words) == 0
    updates = [load_update(adapter, SHAPES, "mini_vit") for adapter in adapters[:2]]
    core = registry().get(Space, "core")()
    problem = MergeProblem(updates, space=core, coefficients=[0.7, -1.5])
    expected = problem.merge(registry().get(Merger, "ties")())
    for site, delta in load_file(out).items():
        assert torch.equal(delta, expected.sites[site].dense())
    with safe_open(out, "pt") as opened:
        about = json.loads(opened.metadata()["mergebench"])
    assert about["adapters"] == adapters[:2]
    assert about["weights"] == [0.7, -1.5]


def test_a_factor_of_one_changes_nothing(adapters, tmp_path):
    files = [tmp_path / "plain.safetensors", tmp_path / "named.safetensors"]
    assert merge(files[0], "--attack", "tsv", *adapters[:2]) == 0
    assert merge(files[1], "--attack", "tsv", f"{adapters[0]}:1", f"{adapters[1]}:1.0") == 0
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_name_with_a_colon_is_a_name(tmp_path):
    odd = random_adapter(tmp_path / "task:3", SHAPES, 0)
    out = tmp_path / "merged.safetensors"
    assert merge(out, "--attack", "ta", odd) == 0
    once = load_file(out)[FIRST]
    assert merge(out, "--attack", "ta", f"{odd}:2") == 0
    torch.testing.assert_close(load_file(out)[FIRST], 2 * once)


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        (":half", ":half: expected ADAPTER:WEIGHT with a number"),
        (":nan", ":nan: expected ADAPTER:WEIGHT with a number"),
        (":1e99", ":1e99: expected ADAPTER:WEIGHT with a number"),
        (":", ":: expected ADAPTER:WEIGHT with a number"),
        ("x:0.5", "x: no such adapter folder or safetensors file"),
        ("x:half", "x:half: no such adapter folder or safetensors file"),
    ],
)
def test_wrong_factors_are_one_line(adapters, tmp_path, capsys, suffix, message):
    assert merge(tmp_path / "m.safetensors", "--attack", "ta", adapters[0] + suffix) == 2
    assert message in refusal(capsys)


def test_an_informed_attack_takes_no_factors(adapters, tmp_path, capsys):
    words = ["--attack", "hold", "--protected", adapters[0], adapters[0], f"{adapters[1]}:0.5"]
    assert merge(tmp_path / "m.safetensors", *words) == 2
    assert "attack hold:ta weighs the protected adapter by itself" in refusal(capsys)
    words[-1] = adapters[1]
    assert merge(tmp_path / "m.safetensors", *words) == 0


# Different sites


def test_different_sites_are_refused_with_a_hint(adapters, tmp_path, capsys):
    assert merge(tmp_path / "m.safetensors", "--attack", "ta", *adapters) == 2
    error = refusal(capsys)
    assert "missing, 0 extra: merge adapters with the same target modules" in error
    assert "or what is missing as zero (--missing zero)" in error


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_missing_sites_are_zero(adapters, tmp_path, order):
    out = tmp_path / "m.safetensors"
    given = [adapters[place] for place in order]
    assert merge(out, "--attack", "ta", "--missing", "zero", *given) == 0
    parts = [load_update(adapter, SHAPES, "mini_vit").sites for adapter in adapters]
    found = load_file(out)
    assert found.keys() == SHAPES.keys()
    for site, delta in found.items():
        expected = sum(part[site].dense() for part in parts if site in part)
        torch.testing.assert_close(delta, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("attack", ["tsv@knots", "peft_linear", "ties@core"])
def test_missing_sites_in_every_space(adapters, tmp_path, attack):
    out = tmp_path / "m.safetensors"
    words = ["--attack", attack, "--missing", "zero", adapters[0], f"{adapters[2]}:2"]
    assert merge(out, *words) == 0
    whole = load_update(adapters[0], SHAPES, "mini_vit").sites[FIRST].dense()
    if attack == "peft_linear":
        torch.testing.assert_close(load_file(out)[FIRST], whole, rtol=1e-4, atol=1e-6)


def test_dense_updates_lack_sites_too(adapters, tmp_path):
    dense, out = tmp_path / "dense.safetensors", tmp_path / "m.safetensors"
    assert merge(dense, "--attack", "ta", adapters[2]) == 0
    assert merge(out, "--attack", "ta", "--missing", "zero", dense, adapters[0]) == 0
    assert load_file(out).keys() == SHAPES.keys()


# A rank


def test_a_rank_gives_an_adapter(adapters, tmp_path, capsys):
    out, dense = tmp_path / "adapter", tmp_path / "dense.safetensors"
    words = ["--attack", "ta", "--alpha", "0.5", *adapters[:2]]
    assert merge(out, *words, "--rank", 3) == 0
    assert merge(dense, *words) == 0
    shown = capsys.readouterr().out
    assert ", alpha 0.5, rank 3 (" in shown
    assert "% of its squared norm): " in shown
    assert {file.name for file in out.iterdir()} >= {"adapter_config.json", "mergebench.json"}
    whole = load_file(dense)
    kept = before = 0.0
    for site, change in load_update(out, SHAPES, "mini_vit").sites.items():
        assert isinstance(change, LowRank)
        assert change.rank == 3
        left, values, right = torch.linalg.svd(whole[site].double(), full_matrices=False)
        best = left[:, :3] * values[:3] @ right[:3]
        assert distance(change.dense(), best) < 1e-5
        kept, before = kept + values[:3].square().sum(), before + values.square().sum()
    note = json.loads((out / "mergebench.json").read_text())
    assert note["rank"] == 3
    assert note["attack"] == "ta@full"
    assert note["kept"] == pytest.approx(float(kept / before), abs=1e-5)


def test_a_larger_rank_cuts_nothing_and_the_adapter_is_merged_again(adapters, tmp_path, capsys):
    out = tmp_path / "adapter"
    assert merge(out, "--attack", "ta", "--rank", 8, *adapters[:2]) == 0
    assert "rank 8 (100.0 % of its squared norm)" in capsys.readouterr().out
    assert merge(out, "--attack", "ta", "--rank", 2, *adapters[:2]) == 0, "its own is replaced"
    assert merge(tmp_path / "m.safetensors", "--attack", "tsv", out, adapters[0]) == 0
    assert merge(adapters[1], "--attack", "ta", "--rank", 2, adapters[0]) == 2
    assert "is there already, and not as this command writes it" in refusal(capsys)


def test_a_dense_result_is_cut_too(adapters, tmp_path):
    out = tmp_path / "adapter"
    assert merge(out, "--attack", "ties", "--rank", 5, *adapters[:2]) == 0
    assert {one.rank for one in load_update(out, SHAPES, "mini_vit").sites.values()} == {5}


def test_a_cut_among_equal_singular_values_is_warned_of(adapters, tmp_path, capsys):
    assert merge(tmp_path / "a", "--attack", "iso_c", "--rank", 3, *adapters[:2]) == 0
    error = refusal(capsys)
    assert "degenerate bases: smallest relative gap at the cut to rank 3 " in error
    assert merge(tmp_path / "b", "--attack", "ta", "--rank", 3, *adapters[:2]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("rank", ["0", "-1", "two"])
def test_a_rank_is_a_whole_number(adapters, tmp_path, capsys, rank):
    assert merge(tmp_path / "a", "--attack", "ta", "--rank", rank, *adapters[:2]) == 2
    assert "no whole number from 1" in refusal(capsys)
