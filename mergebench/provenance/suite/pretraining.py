"""The pretraining corpus: pictures with captions, none of which is in a suite's splits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from mergebench.files import replacing
from mergebench.provenance.suite.corpus import SIDE, Corpus
from mergebench.provenance.suite.task_images import TaskImages


def write_pretraining(
    folder: Path, corpus: Corpus, stickers: Corpus, tasks: Sequence[TaskImages]
) -> None:
    """Write `pretraining.safetensors` and `pretraining.json` into `folder`.

    The first holds `images` `(N, 4, 40, 40)` uint8 RGBA: the general corpus, the stickers, then the
    `captioned` images of each task, whose edge pixels are repeated outwards to 40 px. The second
    holds per image its caption (of a task image: the class name) and its source (`general`,
    `sticker` or a task name), and per task the classes and templates, from which a text tower
    learns the prompts.
    """
    images = [corpus.images, stickers.images]
    captions = [*corpus.captions, *stickers.captions]
    source = ["general"] * len(corpus.captions) + ["sticker"] * len(stickers.captions)
    for task in tasks:
        captioned = task.splits["captioned"]
        images.append(_extended(captioned.images))
        captions += [task.classes[label] for label in captioned.labels]
        source += [task.name] * len(captioned.labels)
    prompts = {task.name: {"classes": task.classes, "templates": task.templates} for task in tasks}
    # Not written over: a training run that is reading the old file keeps it.
    with replacing(folder / "pretraining.safetensors") as temporary:
        save_file({"images": np.concatenate(images)}, temporary)
    described = {"captions": captions, "source": source, "tasks": prompts}
    with replacing(folder / "pretraining.json") as temporary:
        temporary.write_text(json.dumps(described, indent=0), encoding="utf-8")


def _extended(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Opaque `(N, 4, 40, 40)` from `(N, 32, 32, 3)`, with repeated edge pixels around."""
    margin = (SIDE - images.shape[1]) // 2
    around = ((0, 0), (margin, margin), (margin, margin), (0, 0))
    opaque = np.pad(
        np.pad(images, around, mode="edge"), ((0, 0),) * 3 + ((0, 1),), constant_values=255
    )
    return np.ascontiguousarray(opaque.transpose(0, 3, 1, 2))
