"""The call that a model card states makes the same adapters again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mergebench.protecting.command import stated_command
from mergebench.protecting.request import Request


@pytest.mark.parametrize(
    ("given", "stated"),
    [
        ({}, ""),
        ({"margin": 0.0}, "margin=0.0, "),
        ({"seed": 3, "steps": 40}, "steps=40, seed=3, "),
        ({"sweep": (0.1,), "partial": True}, "sweep=(0.1,), partial=True, "),
        ({"weights": "/there/model.safetensors"}, "weights='model.safetensors', "),
    ],
)
def test_what_is_not_as_by_default_is_stated(given: dict[str, object], stated: str) -> None:
    request = Request(backbone="mini_vit", task="flags", out=Path("/here/adapter"), **given)
    call = f"mergebench.protect(backbone='mini_vit', task='flags', {stated}out='adapter')"
    assert stated_command(request) == call
