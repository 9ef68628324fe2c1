"""`mergebench protect`: what it writes, and that it goes on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from command_line import run
from few_images import load_few
from huggingface_hub import ModelCard
from protect_command import few_steps, words, write_shapes
from safetensors.torch import load_file

import mergebench
from mergebench.backbones import load_backbone, site_shapes
from mergebench.commands.runs.protecting import _trained
from mergebench.errors import InputError
from mergebench.measure import deployed
from mergebench.protecting.result import Written
from mergebench.registry import registry
from mergebench.suites import SUITES
from mergebench.updates import load_update
from protections.trap2 import Trap2

SWEEP = ("--sweep", "0.05", "0.1", "--margin", "100")


@pytest.fixture(autouse=True, scope="module")
def _few_steps(tmp_path_factory):
    with few_steps(tmp_path_factory.mktemp("cache")):
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("user"))


@pytest.fixture(scope="module")
def made(root) -> Path:
    assert run(*words(root, *SWEEP)) == 0
    return root / "adapter"


# --- what is written ------------------------------------------------------------------------


def test_both_folders_are_complete(made):
    files = ["README.md", "adapter_config.json", "adapter_model.safetensors", "record.json"]
    for name in ("plain", "trap2"):
        assert sorted(file.name for file in (made / name).iterdir()) == [
            *files,
            "scale_curve.png",
        ]
    plain, trap = (load_file(made / n / "adapter_model.safetensors") for n in ("plain", "trap2"))
    assert plain.keys() == trap.keys()
    assert any(not torch.equal(plain[key], trap[key]) for key in plain)


def test_peft_loads_them_as_the_card_says(made, monkeypatch):
    monkeypatch.chdir(made)
    (code,) = re.findall(r"```python\n(.+?)```", (made / "trap2" / "README.md").read_text(), re.S)
    names: dict[str, object] = {}
    exec(code, names)
    backbone = load_backbone("mini_vit")
    update = load_update(made / "trap2", site_shapes("mini_vit"), "mini_vit")
    draws = torch.Generator().manual_seed(0)
    inputs = torch.rand(4, 3, 32, 32, generator=draws)
    with torch.no_grad(), deployed(backbone, update):
        ours = backbone.tower.eval()(inputs)
    with torch.no_grad():
        theirs = names["tower"].eval()(inputs)
        without = load_backbone("mini_vit").tower.eval()(inputs)
    torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(theirs, without, rtol=1e-4, atol=1e-5)


def test_the_card_agrees_with_the_record(made, root, capsys):
    record = json.loads((made / "trap2" / "record.json").read_text())
    card = ModelCard.load(made / "trap2" / "README.md")
    test = record["test"]["trap2"]
    assert card.data.eval_results[0].metric_value == pytest.approx(test["correct"] / test["size"])
    curve = record["scale_curves"]["trap2"]
    assert curve["correct"][curve["scales"].index(1)] == test["correct"]
    assert record["sizes"] == {"train": 12, "val": 2, "test": 2}
    assert [one["strength"] for one in record["sweep"]["validation"]] == [None, 0.05, 0.1]
    assert record["strength"] == record["sweep"]["chosen"] in (0.05, 0.1)
    assert record["options"]["data"] == "shapes"
    assert str(root) not in json.dumps(record) + card.content
    plain = json.loads((made / "plain" / "record.json").read_text())
    assert [*plain["scale_curves"]] == ["none"]
    assert "trap2" not in (made / "plain" / "README.md").read_text()
    words = ["evaluate", made / "trap2", "--backbone", "mini_vit", "--data", root / "shapes"]
    assert run(*words, "--json") == 0
    counted = json.loads(capsys.readouterr().out)["tasks"]["shapes"]["update"]
    assert counted["correct"] == test["correct"]


def test_the_card_of_the_plain_one_is_silent_on_the_protection(made):
    plain, trap = ((made / name / "README.md").read_text() for name in ("plain", "trap2"))
    assert "Options of trap2" in trap
    assert "trap2" not in plain.lower()


def test_the_choice_reads_no_test_input(root, made):
    """Of the strength that was not chosen nothing is counted on test."""
    cells = [json.loads(file.read_text()) for file in (root / "runs" / "cells").iterdir()]
    of_trap = [one for one in cells if (one["inputs"]["protection"] or {}).get("name") == "trap2"]
    tested = {
        one["inputs"]["protection"]["options"]["strength"]
        for one in of_trap
        if "test" in one["results"]["sizes"]
    }
    chosen = json.loads((made / "trap2" / "record.json").read_text())["strength"]
    assert tested == {chosen}
    assert len({one["inputs"]["updates"][0] for one in of_trap}) == 2


# --- again, and interrupted -----------------------------------------------------------------


def test_what_is_there_is_replaced_only_with_force(root, made, capsys):
    before = (made / "trap2" / "record.json").read_bytes()
    (made / "trap2" / "mine.txt").write_text("kept")
    assert run(*words(root, *SWEEP)) == 2
    message = capsys.readouterr().err
    assert "is there already: choose another name, or replace it with --force" in message
    (made / "trap2" / "README.md").write_text("edited")
    assert run(*words(root, *SWEEP, "--force")) == 0
    assert "adapters: 0 measured, 3 recalled" in capsys.readouterr().out
    assert (made / "trap2" / "mine.txt").read_text() == "kept"
    (made / "trap2" / "mine.txt").unlink()
    assert (made / "trap2" / "README.md").read_text() != "edited"
    after = json.loads((made / "trap2" / "record.json").read_bytes())
    first = json.loads(before)
    assert after.pop("command") == first.pop("command") + " --force"
    assert after == first


def test_an_interrupted_run_goes_on(root, monkeypatch, capsys):
    given = words(root, "--sweep", 0.3, 0.4, "--margin", 100, "--seed", 1, out="interrupted")

    def interrupt(self, step):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trap2, "backward", interrupt)
        assert run(*given) == 130
    assert "interrupted; what was measured is kept" in capsys.readouterr().err
    assert not (root / "interrupted").exists()
    assert run(*given) == 0
    assert "adapters: 2 measured, 1 recalled" in capsys.readouterr().out
    assert (root / "interrupted" / "trap2" / "README.md").exists()


def test_no_strength_within_the_margin_keeps_the_trainings(root, made, monkeypatch):
    monkeypatch.setattr("mergebench.measure.strength_choice.allowed_loss", lambda *_: -100)
    assert run(*words(root, *SWEEP, out="worse")) == 2
    assert not (root / "worse").exists()


# --- one of them, and from Python -----------------------------------------------------------


def test_only_a_protected_one_of_a_given_strength_trains_nothing_else(root):
    store = root / "alone"
    made = mergebench.protect(
        backbone="mini_vit",
        data=root / "shapes",
        out=root / "one",
        only="trap2",
        sweep=[0.2],
        store=store,
    )
    assert (made.strength, made.sweep) == (0.2, None)
    assert [one.steps for one in made.adapters] == [2]
    assert [one.folder for one in made.adapters] == [root / "one" / "trap2"]
    assert [folder.name.split("-")[1] for folder in (store / "releases").iterdir()] == ["trap2"]
    text = (root / "one" / "trap2" / "README.md").read_text()
    assert "mergebench.protect(backbone='mini_vit', data='shapes', only='trap2'" in text
    assert not (root / "one" / "plain").exists()


def test_only_a_plain_one(root):
    made = mergebench.protect(
        backbone="mini_vit", data=root / "shapes", out=root / "p", only="plain", store=root / "runs"
    )
    assert (made.strength, [one.release for one in made.adapters]) == (None, ["none"])
    with pytest.raises(InputError, match="is there already"):
        mergebench.protect(backbone="mini_vit", data=root / "shapes", out=root / "p", only="plain")


def test_a_task_of_the_suite(root, monkeypatch):
    monkeypatch.setitem(SUITES, "few", load_few)
    made = mergebench.protect(
        backbone="mini_vit", task="fashion", out=root / "f", only="plain", store=root / "runs"
    )
    assert (made.task, made.sizes) == ("fashion", {"train": 64, "val": 16, "test": 24})
    with pytest.raises(InputError, match="unknown task 'fashio'"):
        mergebench.protect(backbone="mini_vit", task="fashio", out=root / "g")


# --- another protection ---------------------------------------------------------------------

PLUGIN = """
from dataclasses import dataclass
from typing import ClassVar

from mergebench.train import FineTuned, Losses, Step, TrapOptions, nominal_losses


@dataclass(frozen=True, kw_only=True)
class Narrow(TrapOptions, FineTuned):
    name: ClassVar[str] = "narrow"
    paper: ClassVar[str] = "a paper of ours"

    band: float = 0.3

    def backward(self, step: Step) -> Losses:
        return nominal_losses(step)
"""


@pytest.fixture
def plugin(tmp_path):
    """A file that defines `narrow`, of which the other tests learn nothing."""
    registry.cache_clear()
    (tmp_path / "mine.py").write_text(PLUGIN)
    yield tmp_path / "mine.py"
    registry.cache_clear()


def test_a_trap_of_a_plug_in_is_named_wherever_it_is_spoken_of(root, made, plugin, capsys):
    given = ["--plugin", plugin, "--protection", "narrow[scale_max=1.8]"]
    assert run(*words(root, *given, "--sweep", 0.2, out="narrow")) == 0
    assert sorted(one.name for one in (root / "narrow").iterdir()) == ["narrow", "plain"]
    shown = capsys.readouterr().out
    assert "narrow (scale_max 1.8), λ 0.2, model card" in shown
    folder = root / "narrow" / "narrow"
    record = json.loads((folder / "record.json").read_text())
    assert record["release"] == "narrow[scale_max=1.8]"
    assert (record["options"]["plugins"], record["strength"]) == (["mine.py"], 0.2)
    card = (folder / "README.md").read_text()
    assert "narrow (scale_max 1.8) (a paper of ours), λ = 0.2" in card
    assert "--plugin mine.py --protection 'narrow[scale_max=1.8]'" in card
    assert "'narrow')" in card  # the folder of the Python that loads it
    assert "trap2" not in (shown + card).lower()
    assert str(plugin.parent) not in json.dumps(record) + card
    plain = (root / "narrow" / "plain" / "README.md").read_text()
    assert "Options of" not in plain


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ({"plain": (400, 400), "trap2": (400, 400)}, ["400 steps of training"]),
        ({"plain": (234, 400)}, ["234 steps of training instead of 400"]),
        (
            {"plain": (400, 400), "trap2": (450, 500)},
            ["400 steps of training (plain)", "450 steps of training instead of 500 (trap2)"],
        ),
    ],
)
def test_steps_of_each_recipe_are_said(steps, said):
    adapters = [
        Written(release=name, folder=Path("out") / name, steps=own, usual_steps=usual)
        for name, (own, usual) in steps.items()
    ]
    assert [*_trained(SimpleNamespace(adapters=adapters))] == said
