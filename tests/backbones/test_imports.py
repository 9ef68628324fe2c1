"""What names of the backbones' room load: nothing heavy before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("open_clip", "timm", "torchvision", "huggingface_hub", "PIL", "transformers")


def loaded(statements: str, *libraries: str) -> list[str]:
    """Return which of these libraries a new interpreter has loaded after the statements."""
    shown = f"{statements}\nimport sys\nprint(*(set({libraries!r}) & set(sys.modules)))"
    words = [sys.executable, "-c", shown]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize(
    "statements",
    [
        "from mergebench.backbones import BACKBONES, EMBEDDED, Precision, find_source",
        "from mergebench.backbones import missing_weights; missing_weights('mini_vit')",
        "from mergebench.backbones import find_source as f, resolution_of as r\n"
        "assert r(f('vit_b32')) == 224 and f('vit_b32').quick_gelu",
        "from mergebench.backbones import site_shapes as s, tensor_shapes as t\n"
        "assert len(s('vit_l14')) == 96 and len(t('vit_l14')) == 391",
    ],
)
def test_what_there_is_can_be_said_without_torch(statements: str) -> None:
    assert loaded(statements, "torch", *HEAVY) == []


def test_no_name_of_the_room_loads_libraries_of_models_but_the_two_that_build_them() -> None:
    every = "import mergebench.backbones as room\n[getattr(room, n) for n in set(room.__all__) - "
    builders = "{'create_model', 'create_tower'}"
    assert loaded(f"{every}{builders}]", "torch", *HEAVY) == ["torch"]
