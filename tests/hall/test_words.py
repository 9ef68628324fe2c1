"""The core says inputs: what a task is made of is known to its suite and its backbone alone."""

from __future__ import annotations

import re

from repository import ROOT

ABOUT_IMAGES = (
    *("backbones/clip/", "backbones/architecture_facts.py", "backbones/sources.py"),
    *("suites/", "provenance/", "measure/defects.py", "updates/adapter_layout.py"),
    "gpu_check/",  # of the paper's backbones
)
"""Rooms and files below `mergebench/` whose subject are images, or what others call them."""

STORED = re.compile(r'"(images|images_per_\w+|probe_images)"')
"""Names in records and committed files, which are older than the core's word."""

KNOWN = {
    "mergebench/commands/data.py": 1,  # --resolution is that of images
    "mergebench/experiment/zero_shot_gate.py": 1,  # published values are those of images
    "attacks/prodistill.py": 1,  # memory, by the example of ViT-L/14
}
"""Lines that name images for a reason, by file."""


def test_the_core_says_inputs() -> None:
    found = {}
    for package in ("mergebench", "attacks", "protections"):
        for source in sorted((ROOT / package).rglob("*.py")):
            name = source.relative_to(ROOT).as_posix()
            if name.removeprefix("mergebench/").startswith(ABOUT_IMAGES):
                continue
            lines = STORED.sub("", source.read_text()).splitlines()
            count = sum("image" in line.lower() for line in lines)
            if count:
                found[name] = count
    assert found == KNOWN
