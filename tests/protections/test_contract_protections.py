"""What every registered protection owes its users."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from narrow_towers import narrow_backbone
from training import TINY, assert_unchanged, synthetic_task, weights_of

from mergebench.contracts import Protection
from mergebench.progress import Silent
from mergebench.registry import registry
from mergebench.train import FineTuned, PostHoc
from mergebench.updates import Dense

PROTECTIONS = [found.plugin for found in registry().all(Protection)]


def test_the_registry_finds_the_protections() -> None:
    assert {plugin.name for plugin in PROTECTIONS} >= {"none", "trap2"}


@pytest.mark.parametrize("kind", PROTECTIONS, ids=lambda plugin: plugin.name)
def test_contract(kind: type[Protection]) -> None:
    protection = kind()
    assert kind.paper
    assert kind.__doc__
    assert all(f"{name}=" in repr(protection) for name in protection.options())
    with pytest.raises(FrozenInstanceError):
        protection.name = "other"  # type: ignore[misc]
    if isinstance(protection, FineTuned):
        protection = protection.with_options(recipe=replace(TINY, steps=3))
    backbone = narrow_backbone()
    before, state = weights_of(backbone), torch.get_rng_state()
    task = synthetic_task()
    first = protection.protect(backbone, task, seed=0, progress=Silent())
    second = protection.protect(backbone, task, seed=0, progress=Silent())
    assert_unchanged(backbone, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.update.sha256 == second.update.sha256
    if isinstance(protection, PostHoc):  # a LoRA is released as a full checkpoint
        assert backbone.sites.keys() <= first.update.sites.keys() <= backbone.tensors.keys()
        assert all(isinstance(change, Dense) for change in first.update.sites.values())
    else:
        assert first.update.sites.keys() == backbone.sites.keys()
    for site, change in first.update.sites.items():
        assert change.shape == tuple(backbone.tensors[site].shape)
        assert change.dtype == torch.float32
    assert first.update.norm() > 0
