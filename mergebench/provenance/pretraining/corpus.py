"""The pretraining corpus: general image-name pairs and captioned images of the tasks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from mergebench.errors import InputError
from mergebench.seeding import generator

BORDER = 4
"""Pixels around a task's image in the corpus, where its edges are repeated: 32 become 40."""
HELD_OUT = 0.1
"""Share of each task's captioned images that is never trained on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CaptionedTask:
    """Captioned images of one task, disjoint from its train, validation and test splits.

    `images`: `(N, 4, 40, 40)` uint8 RGBA; `labels`: `(N,)` int64; `held_out`: `(M, 3, 32, 32)`
    uint8 RGB with `held_out_labels` `(M,)`, for measuring zero-shot accuracy during training.
    """

    name: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]
    images: Tensor
    labels: Tensor
    held_out: Tensor
    held_out_labels: Tensor

    def captions(self) -> list[list[str]]:
        """Return for each class its name in every template."""
        return [[template.format(name) for template in self.templates] for name in self.classes]


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """General pairs (`images` `(N, 4, 40, 40)` uint8 RGBA, one caption each) and the tasks.

    Stickers are general pairs: like pictures they have transparent surroundings.
    """

    images: Tensor
    captions: tuple[str, ...]
    tasks: tuple[CaptionedTask, ...]

    def task_captions(self) -> list[str]:
        """Return every caption of every task, in order."""
        return [text for task in self.tasks for texts in task.captions() for text in texts]


def read_corpus(
    folder: Path, captions_per_task: int, seed: int, stickers_per_caption: int | None = None
) -> Corpus:
    """Read `pretraining.safetensors` and `pretraining.json` as the suite's builder writes them.

    The first holds `images` `(N, 4, 40, 40)` uint8 RGBA; the second per image its caption (of a
    task image: the class) and its source ("general", "sticker" or a task), and the tasks' classes
    and templates. Of each task a random tenth is held out and at most `captions_per_task` of the
    others are kept; of the stickers with one caption the first `stickers_per_caption` (None: all).
    Raises InputError if a file is missing.
    """
    file, description = folder / "pretraining.safetensors", folder / "pretraining.json"
    if not file.is_file() or not description.is_file():
        raise InputError(f"no pretraining corpus in {folder}: build the suite first")
    images = load_file(file)["images"]
    described = json.loads(description.read_text(encoding="utf-8"))
    places: dict[str, list[int]] = {}
    for place, source in enumerate(described["source"]):
        places.setdefault(source, []).append(place)
    captions = described["captions"]
    stickers = _first_per_caption(places.pop("sticker", []), captions, stickers_per_caption)
    general = places.pop("general") + stickers
    tasks = []
    for name in sorted(places):
        prompts = described["tasks"][name]
        labels = torch.tensor([prompts["classes"].index(captions[i]) for i in places[name]])
        order = torch.randperm(len(labels), generator=generator(seed, "captioned", name))
        shuffled = images[places[name]][order], labels[order]
        tasks.append(_captioned_task(name, prompts, *shuffled, captions_per_task))
    return Corpus(
        images=images[general],
        captions=tuple(captions[place] for place in general),
        tasks=tuple(tasks),
    )


def _first_per_caption(
    places: Sequence[int], captions: Sequence[str], most: int | None
) -> list[int]:
    """Return the places in order, of each caption only the first `most`."""
    uses: Counter[str] = Counter()
    kept = []
    for place in places:
        uses[captions[place]] += 1
        if most is None or uses[captions[place]] <= most:
            kept.append(place)
    return kept


def _captioned_task(
    name: str,
    prompts: Mapping[str, Sequence[str]],
    images: Tensor,
    labels: Tensor,
    captions_per_task: int,
) -> CaptionedTask:
    """Hold out the first tenth of shuffled images and keep `captions_per_task` of the others."""
    held_out = round(HELD_OUT * len(images))
    kept = slice(held_out, held_out + captions_per_task)
    inner = slice(BORDER, images.shape[-1] - BORDER)
    return CaptionedTask(
        name=name,
        classes=tuple(prompts["classes"]),
        templates=tuple(prompts["templates"]),
        images=images[kept],
        labels=labels[kept],
        held_out=images[:held_out, :3, inner, inner].contiguous(),
        held_out_labels=labels[:held_out],
    )
