"""The model card of an adapter: read by the hub's parser, and honest about what was measured."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from mergebench.measure import OFF_NOMINAL, Context, Measurements, OnValidation, ScaleCurve
from mergebench.measure import Standalone as Row
from mergebench.report import CardFacts, Sweep, write_model_card, write_scale_picture
from mergebench.report.model_card import model_card
from mergebench.train import CURVE_SCALES

CONTEXT = Context(
    command="mergebench protect --backbone mini_vit --data shapes --out adapter",
    date="2026-01-02",
    backbone="mini_vit",
    backbone_sha256="a" * 64,
    suite="own",
    suite_sha256="b" * 64,
    tasks=("shapes",),
    protocol="paper",
    seeds=(0,),
    precision="bf16",
    device="cpu",
    versions={"python": "3.12"},
)


def curve(release: str, elsewhere: int, size: int) -> ScaleCurve:
    counts = tuple(size * 9 // 10 if scale == 1 else elsewhere for scale in CURVE_SCALES)
    return ScaleCurve(
        seed=0, release=release, task="shapes", scales=CURVE_SCALES, correct=counts, size=size
    )


def facts(*, trapped: int = 6, size: int = 20, **changes: object) -> CardFacts:
    counts = {"zero_shot": 40, "none": 95, "trap2": 90}
    rows = tuple(
        Row(seed=0, release=name, task="shapes", correct=size * percent // 100, size=size)
        for name, percent in counts.items()
    )
    curves = curve("none", size * 17 // 20, size), curve("trap2", trapped, size)
    measured = Measurements(context=CONTEXT, standalone=rows, curves=curves)
    plain, chosen = (
        OnValidation(strength=one, correct=9, off_nominal=dict.fromkeys(OFF_NOMINAL, 4), size=10)
        for one in (None, 0.2)
    )
    given = {
        "release": "trap2",
        "task": "shapes",
        "classes": ("circle", "square"),
        "backbone": "mini_vit",
        "base_model": "mini_vit",
        "licence": "",
        "loading": "pass",
        "rank": 16,
        "measurements": measured,
        "method": "Trap² (a paper)",
        "strength": 0.2,
        "sweep": Sweep(tried=(chosen,), chosen=chosen, plain=plain, margin=2.0),
        "sizes": {"train": 60, "val": 10, "test": 20},
        "sha256": {"the update": "c" * 64},
    }
    return CardFacts(**{**given, **changes})


def test_the_hub_reads_its_front_matter(tmp_path):
    file = write_model_card(facts(licence="apache-2.0"), tmp_path / "README.md")
    data = ModelCard.load(file).data
    assert (data.base_model, data.library_name, data.license) == ("mini_vit", "peft", "apache-2.0")
    assert data.datasets == ["shapes"]
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value) == ("accuracy", 0.9)
    assert (result.task_type, result.dataset_split) == ("image-classification", "test")


def test_a_licence_is_to_be_filled_in():
    text = model_card(facts())
    assert ModelCard(text).data.to_dict()["license_name"] == "to-be-filled-in"
    assert "Licence: **to be filled in**" in text


def test_numbers_come_with_intervals_and_the_curve():
    text = model_card(facts())
    assert "| **this adapter** | 18 | 90.0 % | 69.9 to 97.2 % |" in text
    assert "| base model, no adapter | 8 | 40.0 % |" in text
    assert "| s | this adapter | plain adapter |" in text
    assert "| 0.6 | 30.0 % | 85.0 % |" in text
    assert "![Test accuracy against the scale of the update](scale_curve.png)" in text
    assert "| λ = 0.2 | 90.0 % | 40.0 % | chosen |" in text
    assert CONTEXT.command in text


@pytest.mark.parametrize(
    ("inputs", "trapped", "verdict"),
    [
        (2000, 600, "loses 55.0 points (95 %: 52.4 to 57.5) against the plain one and is worse"),
        (2000, 800, "45.0 points (95 %: 42.3 to 47.6) against the plain one and cannot be told"),
        (2000, 1200, "and is still better than the base model."),
        (2000, 1690, "**No trap to rely on has formed.** Re-scaled, it loses 0.5 points"),
        (20, 6, "loses 55.0 points (95 %: 24.6 to 73.3) against the plain one and cannot be told"),
        (20, 14, "it loses 15.0 points (95 %: -11.1 to 39.0) against the plain one, **which may"),
        (20, 17, "**No trap to rely on has formed.**"),
    ],
)
def test_the_verdict_is_no_surer_than_its_inputs_allow(inputs, trapped, verdict):
    text = " ".join(model_card(facts(trapped=trapped, size=inputs)).split())
    assert verdict in text
    assert ("denies: mixtures" in text) == ("against the plain one and" in text)
    assert ("denies: nothing" in text) != ("denies: mixtures" in text)
    assert "It works at s = 1 for everybody who has it" in text


@pytest.mark.parametrize(
    ("percent", "verdict"),
    [
        (20, "**At s = 1 it is worse than the base model**, its difference from it is -20.0"),
        (41, "**At s = 1 it cannot be told from the base model**, its difference from it is 1.0"),
        (60, ""),
    ],
)
def test_an_adapter_without_skill_is_not_called_protected(percent, verdict):
    whole = facts(size=2000).measurements
    *rows, own = whole.standalone
    own = replace(own, correct=2000 * percent // 100)
    given = facts(size=2000, trapped=300, measurements=replace(whole, standalone=(*rows, own)))
    text = " ".join(model_card(given).split())
    assert verdict in text
    assert ("no skill that a protection could protect" in text) == bool(verdict)
    assert ("denies: nothing" in text) == bool(verdict)
    assert ("It works at s = 1 for everybody" in text) != bool(verdict)


def test_a_plain_adapter_claims_no_protection():
    text = model_card(facts(release="none", strength=None, sweep=None))
    assert "**None.**" in text
    assert "λ" not in text
    assert "trap" not in ModelCard(text).data.to_yaml()


def test_without_a_plain_adapter_nothing_is_compared():
    whole = facts().measurements
    alone = replace(whole, standalone=whole.standalone[::2], curves=whole.curves[1:])
    text = model_card(facts(measurements=alone, sweep=None))
    assert "No plain adapter was made beside it" in text
    assert "What this denies is not known" in text
    assert "λ = 0.2 was given, not chosen" in text


def test_text_from_outside_stays_text():
    hostile = "<img src=x> [a](https://b) | `c`\x1b[2J\n---\n# d: !!python/object"
    measured = replace(
        facts().measurements, context=replace(CONTEXT, command=f"mergebench {hostile}")
    )
    named = facts(task=hostile, classes=(hostile, "b"), licence=hostile, measurements=measured)
    text = model_card(named)
    card = ModelCard(text)
    assert card.data.base_model == "mini_vit"
    assert len(card.data.datasets) == 1
    assert "\x1b" not in text
    shown = MarkdownIt("commonmark").enable("table").render(card.text)
    assert re.findall("<img[^>]*>", shown) == [
        '<img src="scale_curve.png" alt="Test accuracy against the scale of the update" />'
    ]
    assert "<a " not in shown
    assert [*map(len, (re.findall("<h1>", shown), re.findall("<hr", shown)))] == [1, 0]


def test_the_picture_is_a_png(tmp_path):
    file = write_scale_picture(facts().measurements, tmp_path / "scale_curve.png")
    assert file.read_bytes().startswith(b"\x89PNG")
