"""Attacks that look at inputs run where the backbone is, with updates as files give them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from few_updates import merge_data, random_update
from training import TINY, tiny_backbone

from mergebench.backbones import Backbone
from mergebench.contracts import DataMerger
from mergebench.registry import registry
from mergebench.updates import Update

pytestmark = pytest.mark.gpu

ATTACKS = {found.plugin.name: found.plugin for found in registry().all(DataMerger)}
FEW = {"epochs": 1, "recipe": replace(TINY, precision="fp32")}
"""What attacks that train are given, so that they end soon."""


def few(name: str) -> DataMerger:
    known = ATTACKS[name]().options()
    options = {field: value for field, value in FEW.items() if field in known}
    return ATTACKS[name](inputs_per_task=4, inputs_per_class=0, **options)


def backbone_on(device: torch.device | str) -> Backbone:
    backbone = tiny_backbone()
    backbone.model.to(device)
    return backbone


def merged_on(device: torch.device | str, merger: DataMerger) -> Update:
    backbone = backbone_on("cpu")
    start = None if merger.starts_from is None else random_update(backbone, 7).scaled(0.3)
    return merger.merge(merge_data(merger, backbone_on(device), start=start))


@pytest.mark.parametrize("name", ATTACKS)
def test_what_comes_back(name: str, device: torch.device) -> None:
    """A fit by equations is the same up to rounding; of training only the size is compared."""
    merger = few(name)
    there, here = (merged_on(one, merger) for one in (device, "cpu"))
    assert tuple(there.sites) == tuple(here.sites)
    trains = any(field in merger.options() for field in FEW)
    for site, change in there.sites.items():
        found, expected = change.dense().double(), here.sites[site].dense().double()
        assert found.device.type == "cpu"
        if trains:
            assert 0.5 <= float(found.norm() / expected.norm()) <= 2, site
        else:
            assert float((found - expected).norm()) <= 1e-2 * float(expected.norm()), site
