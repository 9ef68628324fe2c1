"""Files that are no changes, though they fit: weights themselves, zeros, the same twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from command_line import random_adapter, run
from safetensors.torch import save_file
from torch import Tensor

from mergebench.backbones import Backbone, check_change, load_backbone, site_shapes
from mergebench.errors import InputError
from mergebench.updates import Dense, Update, load_update
from protections.mergelock import MergeLock
from protections.params import Params


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone("mini_vit")


def noise(backbone: Backbone, size: float) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(0)
    return {
        name: size * float(weight.norm()) * (one / one.norm())
        for name, weight in backbone.tensors.items()
        for one in [torch.randn(weight.shape, generator=draws)]
    }


def update_of(changes: dict[str, Tensor]) -> Update:
    return Update(sites={name: Dense(delta=change) for name, change in changes.items()})


def fine_tuned(backbone: Backbone) -> dict[str, Tensor]:
    changes = noise(backbone, 0.2)
    return {name: weight.detach() + changes[name] for name, weight in backbone.tensors.items()}


def test_weights_are_told_from_changes(backbone):
    weights = update_of(fine_tuned(backbone))
    for scale in (1.0, 0.3):
        with pytest.raises(InputError, match=r"these are weights, not changes \(cosine 0.9\d to"):
            check_change(backbone, weights.scaled(scale))


@pytest.mark.parametrize("size", [0.01, 0.2, 2.0])
def test_full_changes_are_taken(backbone, size):
    check_change(backbone, update_of(noise(backbone, size)))


@pytest.mark.parametrize("protection", [Params(), MergeLock(kappa=2.0), MergeLock(kappa=10.0)])
def test_changes_that_move_weights_far_are_taken_either_way(backbone, protection):
    plain = update_of(noise(backbone, 0.2))
    moved = protection.changed(backbone, plain, ("a protection", 0, "task"))
    assert moved.norm() > 2 * plain.norm()
    for scale in (1.0, -1.0):
        check_change(backbone, moved.scaled(scale))


def test_merge_and_evaluate_refuse_weights(backbone, tmp_path, capsys):
    file = tmp_path / "weights.safetensors"
    save_file({name: one.contiguous() for name, one in fine_tuned(backbone).items()}, file)
    out = str(tmp_path / "merged.safetensors")
    for words in (["merge", str(file), "--attack", "ta", "--out", out], ["evaluate", str(file)]):
        assert run(*words, "--backbone", "mini_vit") == 2
        assert "weights, not changes" in " ".join(capsys.readouterr().err.split())
    assert not Path(out).exists()


def test_the_state_dict_of_a_tower_is_called_weights(backbone, tmp_path):
    file = tmp_path / "tower.safetensors"
    state = {name: one.contiguous() for name, one in backbone.tower.state_dict().items()}
    for prefix in ("", "visual."):
        save_file({f"{prefix}{name}": one for name, one in state.items()}, file)
        shapes = {name: tuple(one.shape) for name, one in backbone.tensors.items()}
        with pytest.raises(InputError, match="look like whole weights, not changes; subtract"):
            load_update(file, {}, "mini_vit", dense_shapes=shapes)


def adapter(folder: Path, number: int) -> str:
    return str(random_adapter(folder, site_shapes("mini_vit"), number))


def set_alpha(folder: str, **options: object) -> None:
    config = Path(folder) / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **options}))


def merged(tmp_path: Path, *adapters: str) -> int:
    out = str(tmp_path / "merged.safetensors")
    return run("merge", *adapters, "--backbone", "mini_vit", "--attack", "ta", "--out", out)


def test_an_update_of_zeros_is_said(tmp_path, capsys):
    first, second = (adapter(tmp_path / name, number) for number, name in enumerate("ab"))
    assert merged(tmp_path, first, second) == 0
    said = capsys.readouterr().err
    assert "changes nothing" not in said
    assert "counts twice" not in said
    set_alpha(second, lora_alpha=0, alpha_pattern={})
    (tmp_path / "again").mkdir()
    assert merged(tmp_path / "again", first, second) == 0
    assert f"{second}: changes nothing" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "named"),
    [({"lora_alpha": -4}, "lora_alpha"), ({"alpha_pattern": {"x": -1}}, "alpha_pattern.x")],
)
def test_a_negative_alpha_is_refused(tmp_path, capsys, options, named):
    given = adapter(tmp_path / "a", 0)
    set_alpha(given, **options)
    assert merged(tmp_path, given) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{named} is -" in said


def test_the_same_adapter_twice_is_said(tmp_path, capsys):
    first, second = (adapter(tmp_path / name, 1) for name in "ab")
    assert merged(tmp_path, first, second) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"{second} is {first} itself, which then counts twice" in said


def test_evaluate_names_the_weights_that_it_is_given(tmp_path, capsys):
    given = adapter(tmp_path / "a", 0)
    words = ("evaluate", given, "--backbone", "mini_vit", "--tasks", "mnist")
    assert run(*words) == 0
    assert "on mini_vit, suite" in " ".join(capsys.readouterr().out.split())
    assert run(*words, "--weights", "random") == 0
    assert "on mini_vit (weights random), suite" in " ".join(capsys.readouterr().out.split())
