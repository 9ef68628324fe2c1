"""The reference's defects: each switch changes its own input and no other."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from training import TINY, synthetic_task, tiny_backbone

from mergebench.commands.runs.suite_data import suite_options
from mergebench.contracts import Merger, Protection
from mergebench.errors import InputError
from mergebench.experiment import reproducing
from mergebench.experiment.context import _notes
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.settings import SETTINGS
from mergebench.measure.cell import Method
from mergebench.measure.defects import NO_DEFECTS, Defects
from mergebench.measure.protocols import PAPER, PROTOCOLS
from mergebench.progress import Silent
from mergebench.registry import registry
from mergebench.train import FineTuned, Losses, PaperRecipe, train

NAMES = [item.name for item in fields(Defects)]
SETTING = SETTINGS["vit_b32"]
NO_OPTIONS = argparse.Namespace(
    data_root=Path(), cache=Path(), partial=False, drop_leaks=False, template=[], names=None
)


def inputs_under(defects: Defects) -> dict[str, object]:
    """Return every input of a measurement that a defect may change."""
    setting = reproducing(defects, SETTING)
    found: dict[str, object] = {}
    for name in ("none", "trap2"):
        protection = registry().get(Protection, name)(**setting.options(name))
        for item in fields(protection):
            found[f"{name}.{item.name}"] = getattr(protection, item.name)
        recipe = found.pop(f"{name}.recipe")
        found |= {f"{name}.{item.name}": getattr(recipe, item.name) for item in fields(recipe)}
    for name in ("ta", "tsv"):
        merger = registry().get(Merger, name)(**defects.attack_options(name))
        found |= {f"{name}.{key}": value for key, value in Method.of(merger).options.items()}
    data = suite_options(NO_OPTIONS, suite="vision8", backbone="vit_b32", defects=defects)
    return found | {f"images.{item.name}": getattr(data, item.name) for item in fields(data)}


CHANGES = {
    "noise_rank_tsv": {"tsv.rank_mode": "reference"},
    "doubled_logit_scale": {
        "none.logit_scale": 10_000,
        "trap2.logit_scale": 10_000,
        "trap2.strength": 0.01,
    },
    "cars_leak": {"images.cars_leak": True},
    "leaks_kept": {"images.leaks": "keep"},
    "unshuffled_dtd": {"none.unshuffled": ("dtd",), "trap2.unshuffled": ("dtd",)},
    "shared_initial_a": {"none.shared_init": True, "trap2.shared_init": True},
    "unequal_recipes": {
        "none.weight_decay": 0.1,
        "none.betas": (0.9, 0.999),
        "none.eps": 1e-8,
        "none.clip_norm": None,
    },
    "schedule_offset": {"none.schedule_offset": True, "trap2.schedule_offset": True},
}


@pytest.mark.parametrize("name", NAMES)
def test_a_switch_changes_its_own_inputs_only(name):
    before, after = inputs_under(NO_DEFECTS), inputs_under(replace(NO_DEFECTS, **{name: True}))
    assert {key: after[key] for key in after if after[key] != before[key]} == CHANGES[name]


def test_all_switches_are_the_sum_of_each():
    before, after = inputs_under(NO_DEFECTS), inputs_under(Defects.all())
    together = {key: value for changes in CHANGES.values() for key, value in changes.items()}
    assert {key: after[key] for key in after if after[key] != before[key]} == together


def test_without_defects_a_setting_stays_as_it_is():
    assert reproducing(NO_DEFECTS, SETTING) == SETTING


def test_protocols_have_all_defects_or_none():
    on = {name for name, protocol in PROTOCOLS.items() if protocol.defects != NO_DEFECTS}
    assert on == {"paper-exact"}
    exact = PROTOCOLS["paper-exact"]
    assert exact.defects == Defects.all()
    assert replace(exact, name="paper", defects=NO_DEFECTS) == PAPER
    assert set(PAPER.record()) == {item.name for item in fields(PAPER)} - {"defects"}


@pytest.mark.parametrize("protocol", ["paper", "paper-exact"])
def test_captions_state_every_switch(protocol):
    experiment = Experiment(
        backbone="vit_b32",
        setting=reproducing(PROTOCOLS[protocol].defects, SETTING),
        protocol=PROTOCOLS[protocol],
        seeds=(0,),
        store=Path(),
        command="",
    )
    notes = [*_notes(experiment, [], "images")]
    value = "on" if protocol == "paper-exact" else "off"
    assert all(f"{name} {value}" in notes[0] for name in NAMES)
    assert "at most 100000 steps of 32 images" in notes[1]
    unequal = "Adapters of none: " in " ".join(notes)
    assert unequal == (protocol == "paper-exact")
    if unequal:
        assert "weight decay 0.1, gradients not clipped" in notes[2]
        assert "logit scale 10000" in notes[1]


def test_captions_state_what_attacks_train_in():
    experiment = Experiment(
        backbone="vit_b32",
        setting=SETTING,
        protocol=PAPER,
        seeds=(0,),
        store=Path(),
        command="",
        attacks=("finetune@full", "regmean@full"),
    )
    notes = [*_notes(experiment, [], "images")]
    assert "finetune trains in bf16." in notes, "its recipe has its own precision"
    assert "Training computes in fp32." in notes
    asked = replace(experiment, setting=SETTING.trained_in("fp32"))
    assert not [note for note in _notes(asked, [], "images") if "trains in" in note]


@pytest.mark.parametrize("backbone", ["vit_b32", "mini_convnext"])
def test_every_recipe_trains_in_the_asked_precision(backbone):
    setting = reproducing(Defects.all(), SETTING) if backbone == "vit_b32" else SETTINGS[backbone]
    for precision in ("fp32", "bf16"):
        changed = setting.trained_in(precision)
        for protection in ("none", "trap2"):
            before, after = setting.options(protection), changed.options(protection)
            assert after["recipe"] == replace(before["recipe"], precision=precision)
            assert {**after, "recipe": 0} == {**before, "recipe": 0}
        for attack in ("finetune", "distil:ta", "flatten:tsv", "relearn:ta"):
            before, after = setting.attack(attack), changed.attack(attack)
            recipe = replace(before.recipe, precision=precision)
            assert after == before.with_options(recipe=recipe), "an attack that trains, too"
        assert changed.attack("ties") == setting.attack("ties")


def test_embedded_backbones_have_no_defects_to_reproduce():
    with pytest.raises(ValueError, match="those of the paper's backbones"):
        reproducing(Defects.all(), SETTINGS["mini_vit"])


@pytest.mark.parametrize(
    ("backbone", "side"), [("vit_b32", 224), ("vit_l14", 224), ("convnext", 256)]
)
def test_images_have_the_resolution_of_the_backbone(backbone, side):
    data = suite_options(NO_OPTIONS, suite="vision8", backbone=backbone, defects=NO_DEFECTS)
    assert (data.resolution, data.leaks, data.cars_leak) == (side, "refuse", False)


def test_dropping_leaks_contradicts_keeping_them():
    words = argparse.Namespace(**{**vars(NO_OPTIONS), "drop_leaks": True})
    with pytest.raises(InputError, match="--drop-leaks: protocol paper-exact trains on them"):
        suite_options(words, suite="vision8", backbone="vit_b32", defects=Defects.all())


def test_the_offset_schedule_lags_one_step():
    plain, late = PaperRecipe(steps=50), PaperRecipe(steps=50, schedule_offset=True)
    assert late.learning_rate_at(0) == plain.learning_rate
    for step in range(1, 50):
        assert late.learning_rate_at(step) == plain.learning_rate_at(step - 1)


class _Watching(FineTuned):
    """Plain fine-tuning that keeps the labels of every batch."""

    name = "watching"

    def backward(self, step):
        self.seen.append(step.labels.clone())
        loss = step.losses(1.0).mean()
        loss.backward()
        return Losses(nominal=float(loss.detach()))


@pytest.mark.parametrize("unshuffled", [(), ("stripes",), ("other",)])
def test_an_unshuffled_task_is_visited_class_by_class(unshuffled):
    options = {item.name: getattr(TINY, item.name) for item in fields(TINY)}
    recipe = PaperRecipe(**{**options, "steps": 10, "unshuffled": unshuffled})
    watching = _Watching(recipe=recipe)
    object.__setattr__(watching, "seen", [])
    task = synthetic_task()
    train(tiny_backbone(), task, watching, recipe, 0, Silent())
    seen = torch.cat(watching.seen)
    sorted_labels = task.splits["train"].labels.sort().values
    assert torch.equal(seen, sorted_labels.repeat(2)) == (unshuffled == ("stripes",))
    assert torch.equal(seen.sort().values, sorted_labels.repeat_interleave(2))
