"""Merging by an attack that knows which adapter may be protected."""

from __future__ import annotations

import pytest
import torch
from command_line import random_adapter, run

from mergebench.backbones import site_shapes
from mergebench.updates import load_update

SHAPES = site_shapes("mini_vit")


@pytest.fixture
def adapters(tmp_path) -> list[str]:
    return [str(random_adapter(tmp_path / f"adapter-{n}", SHAPES, n)) for n in range(3)]


def words(adapters, tmp_path, attack, *rest) -> list[str]:
    out = str(tmp_path / "merged.safetensors")
    return ["merge", "--backbone", "mini_vit", "--attack", attack, "--out", out, *rest, *adapters]


def test_held_at_nominal_scale(adapters, tmp_path, capsys):
    rest = ["--protected", adapters[1], "--alpha", "0.5", "--set", "nominal=0.9"]
    assert run(*words(adapters, tmp_path, "hold", *rest)) == 0
    assert "Hold(" in capsys.readouterr().out
    merged = load_update(tmp_path / "merged.safetensors", SHAPES, "mini_vit")
    parts = [load_update(adapter, SHAPES, "mini_vit") for adapter in adapters]
    for site, change in merged.sites.items():
        first, held, last = (part.sites[site].dense() for part in parts)
        expected = 0.9 * held + 0.5 * (first + last)
        torch.testing.assert_close(change.dense(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        ("coefficients=0.9,0.2,0.4",),
        ("coefficients=0.9,0.7,0.4", "moving=1", "value=0.2"),
        ("moving=2", "coefficients=0.9,0.2,0.4"),
    ],
)
def test_a_coefficient_for_every_update(adapters, tmp_path, settings):
    """Without a `value`, none of them gives way to it."""
    rest = ["--protected", adapters[1], "--alpha", "1"]
    rest += [word for setting in settings for word in ("--set", setting)]
    assert run(*words(adapters, tmp_path, "per_task_coefficients", *rest)) == 0
    merged = load_update(tmp_path / "merged.safetensors", SHAPES, "mini_vit")
    parts = [load_update(adapter, SHAPES, "mini_vit") for adapter in adapters]
    for site, change in merged.sites.items():
        first, own, last = (part.sites[site].dense() for part in parts)
        expected = 0.2 * first + 0.9 * own + 0.4 * last
        torch.testing.assert_close(change.dense(), expected, rtol=1e-5, atol=1e-6)


def test_more_coefficients_than_updates_are_refused_before_anything_is_trained(tmp_path, capsys):
    setting = "per_task_coefficients.coefficients=1,0.3,0.3"
    words = ["table2", "--backbone", "mini_vit", "--tasks", "mnist fashion", "--set", setting]
    store = tmp_path / "runs"
    assert run(*words, "--attacks", "per_task_coefficients:ta", "--store", store) == 2
    shown = capsys.readouterr()
    assert "2 updates have 2 coefficients, and coefficients has 3 numbers" in shown.err
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert not any(file.is_file() for file in store.rglob("*"))


def test_an_adapter_is_realigned_to_itself(adapters, tmp_path, capsys):
    """The backbone is loaded for it; an adapter was not rearranged, and stays."""
    for attack in ("ta", "realign:ta"):
        rest = ["--force", *(["--protected", adapters[1]] if attack != "ta" else [])]
        assert run(*words(adapters, tmp_path, attack, *rest)) == 0
        merged = load_update(tmp_path / "merged.safetensors", SHAPES, "mini_vit")
        if attack == "ta":
            expected = merged.sha256
    assert merged.sha256 == expected
    rest = ["--force", "--protected", adapters[1], "--weights", str(tmp_path / "none.pt")]
    assert run(*words(adapters, tmp_path, "realign:ta", *rest)) == 2
    assert "none.pt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("attack", "rest", "message"),
    [
        ("hold", [], "--attack hold:ta knows which update may be protected"),
        ("ta", ["--protected", "one"], "--protected: attack ta treats all updates alike"),
        ("hold:tsv@core", ["--protected", "one"], "--protected one: not one of the adapters"),
        ("hold:tsw", [], "unknown attack 'tsw'"),
        (
            "per_task_coefficients",
            ["--set", "coefficients=1,x"],
            "--set coefficients=1,x: expected float",
        ),
        ("hold:ta", ["--set", "nominl=1"], "--set nominl=1: unknown option"),
    ],
)
def test_wrong_words_are_one_line(adapters, tmp_path, capsys, attack, rest, message):
    assert run(*words(adapters, tmp_path, attack, *rest)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
