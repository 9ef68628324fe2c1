"""The committed facts of each architecture are those of the architecture that is built."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from mergebench.backbones import create_model, find_source, site_shapes, tensor_shapes
from mergebench.backbones.architecture_facts import FACTS_FOLDER, facts_of
from mergebench.backbones.backbone import linear_sites
from mergebench.errors import InputError
from mergebench.provenance.architecture_facts import built_facts, write_facts

REAL = ("mini_vit", "mini_convnext", "vit_b32", "vit_l14", "convnext")


@pytest.mark.parametrize("name", REAL)
def test_committed_facts_are_the_architecture_s(name: str, tmp_path: Path) -> None:
    source = find_source(name)
    write_facts(built_facts(source), tmp_path / "facts.json")
    committed = FACTS_FOLDER / f"{source.architecture}.json"
    assert committed.read_bytes() == (tmp_path / "facts.json").read_bytes(), (
        "run `python -m mergebench.provenance.architecture_facts`"
    )


@pytest.mark.parametrize("name", REAL)
def test_sites_are_the_linears_of_the_tower_in_its_order(name: str) -> None:
    source = find_source(name)
    with torch.device("meta"):
        tower: nn.Module = create_model(source.architecture, device="meta").visual
    expected = {
        path: (site.out_features, site.in_features)
        for path, site in linear_sites(tower, source.sites).items()
    }
    assert list(site_shapes(name).items()) == list(expected.items())
    every = tensor_shapes(name)
    assert list(every) == [
        path.removesuffix(".weight") if path.removesuffix(".weight") in expected else path
        for path, _ in tower.named_parameters()
        if path != "proj" and not path.startswith("head.")
    ]
    assert {site: every[site] for site in expected} == expected


def test_an_architecture_of_no_backbone_has_no_facts() -> None:
    with pytest.raises(FileNotFoundError, match=r"ViT-B-16\.json"):
        facts_of("ViT-B-16")


def test_unknown_backbones_have_no_shapes() -> None:
    with pytest.raises(InputError, match="unknown backbone 'vit_b23'; did you mean vit_b32"):
        site_shapes("vit_b23")
