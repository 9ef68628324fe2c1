"""Factors are those of the modules that the config targets; PEFT would ignore the others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from adapter_files import configure, load, low_rank_update

from mergebench.errors import InputError
from mergebench.updates.adapters import save_adapter


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_adapter(low_rank_update(), tmp_path / "adapter")
    return tmp_path / "adapter"


ALL = {"target_modules": ["q_proj", "k_proj", "fc1"]}


@pytest.mark.parametrize(
    ("options", "site"),
    [
        ({"target_modules": ["fc1", "q_proj"]}, "blocks.2.attn.k_proj"),
        ({"target_modules": r"^(?!.*10).*(q_proj|k_proj|fc1)$"}, "blocks.10.attn.q_proj"),
        ({"exclude_modules": ["2.mlp.fc1"]}, "blocks.2.mlp.fc1"),
        (
            {"target_modules": "all-linear", "exclude_modules": r".*\.10\..*"},
            "blocks.10.attn.q_proj",
        ),
        (
            {**ALL, "layers_to_transform": [10], "layers_pattern": "blocks"},
            "blocks.2.attn.q_proj",
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else value,
)
def test_factors_of_what_is_not_targeted_are_refused(
    folder: Path, options: dict[str, Any], site: str
) -> None:
    configure(folder, **options)
    file = folder / "adapter_model.safetensors"
    told = f"^{re.escape(str(file))}: site {re.escape(site)} of toy has factors, which PEFT ignores"
    with pytest.raises(InputError, match=f"{told} by target_modules, .*: correct these, or delete"):
        load(folder)


@pytest.mark.parametrize("targets", [None, r"visual\.blocks\..*", ["tower.blocks.2.mlp.fc1"]])
def test_a_config_of_other_names_leaves_sites_to_the_keys(folder: Path, targets: Any) -> None:
    before = load(folder).sha256
    configure(folder, target_modules=targets)
    assert load(folder).sha256 == before
