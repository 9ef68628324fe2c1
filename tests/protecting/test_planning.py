"""What `mergebench.protect` plans to train: which strengths, under which options."""

from __future__ import annotations

from pathlib import Path

import pytest
from protect_command import FEW_STEPS, few_steps, write_shapes

from mergebench.protecting import planning
from mergebench.protecting.request import Request


@pytest.fixture(autouse=True, scope="module")
def _few_steps(tmp_path_factory):
    with few_steps(tmp_path_factory.mktemp("cache")):
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("user"))


@pytest.mark.parametrize(
    ("protection", "options", "strengths"),
    [
        ("trap2", {}, (0.025, 0.05, 0.1)),  # of the setting
        ("trap2_capped", {}, (0.25, 0.5, 1.0)),  # its own
        ("trap2_capped", {"strength": 0.2}, (0.1, 0.2, 0.4)),
    ],
)
def test_what_is_tried_is_around_what_the_setting_says(
    root, monkeypatch, protection, options, strengths
):
    setting = FEW_STEPS.with_options("trap2_capped", until=0.7, **options)
    monkeypatch.setattr(planning, "get_setting", lambda name: setting)
    request = Request(
        backbone="mini_vit", data=root / "shapes", out=root / "x", protection=protection
    )
    plan = planning.make_plan(request)
    assert plan.strengths == strengths
    trained = plan.with_strength(3.0).setting
    assert trained.protection("trap2_capped").until == 0.7
    assert trained.protection(protection).strength == 3.0


def test_a_card_states_every_option_that_is_not_the_papers(root):
    """Which the defaults of a class may be, so that tables need not state them."""
    request = Request(
        backbone="mini_vit", data=root / "shapes", out=root / "x", protection="trap2_capped"
    )
    trapped = planning.make_plan(request).with_strength(0.4).setting
    assert trapped.changed_options("trap2_capped") == {
        "strength": 0.4,
        "scale_max": 1.5,
        "band": 0.2,
        "cap": 1.2,
        "until": 0.5,
    }
