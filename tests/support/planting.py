"""How to make the mistakes that `test_planted_defects.py` makes: each undone with its `Patch`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from attacks import dare_ties, ties, tsv
from attacks.parts import sparsification
from attacks.spaces.knots import KnOTS
from mergebench.contracts import Encoded, Site
from mergebench.measure import evaluate
from mergebench.measure.evaluate import Evaluator
from mergebench.measure.search import _Search
from mergebench.suites import Split, Task
from mergebench.suites.mini8 import loading
from mergebench.train import LoraTower, classifier, loop
from mergebench.updates.adapter_promises import Promise
from mergebench.updates.update import LowRank, SiteUpdate, Update
from protections.trap2 import Trap2

Patch = pytest.MonkeyPatch

# Merging.


def keep_k(patch: Patch) -> None:
    original = sparsification.trimming

    def exclusive(thresholds: torch.Tensor, *, inclusive: bool = True) -> Any:
        return original(thresholds, inclusive=False)

    for module in (sparsification, ties, dare_ties):
        patch.setattr(module, "trimming", exclusive)


def leave_vectors_as_they_are(patch: Patch) -> None:
    patch.setattr(tsv, "polar_factor", lambda vectors: (vectors, 1.0))


def fold_singular_values(patch: Patch) -> None:
    original = KnOTS.encode

    def encode(self: KnOTS, updates: Sequence[SiteUpdate], **options: bool) -> Encoded:
        return original(replace(self, fold_singular_values=True), updates, **options)

    patch.setattr(KnOTS, "encode", encode)


def lose_singular_values(patch: Patch) -> None:
    original = KnOTS.encode

    def encode(self: KnOTS, updates: Sequence[SiteUpdate], **options: bool) -> Encoded:
        encoded = original(self, updates, **options)
        return replace(encoded, left=encoded.left / encoded.left.norm(dim=0))

    patch.setattr(KnOTS, "encode", encode)


def _draw_with(patch: Patch, change: Callable[[Site, str], tuple[Site, str]]) -> None:
    original = Site.generator

    def generator(self: Site, purpose: str, task: int) -> torch.Generator:
        site, purpose = change(self, purpose)
        return original(site, purpose, task)

    patch.setattr(Site, "generator", generator)


def draw_from_the_next_seed(patch: Patch) -> None:
    _draw_with(patch, lambda site, purpose: (replace(site, seed=site.seed + 1), purpose))


def draw_for_another_purpose(patch: Patch) -> None:
    _draw_with(patch, lambda site, purpose: (site, f"{purpose} mask"))


def draw_on_and_on(patch: Patch) -> None:
    calls = itertools.count()
    _draw_with(patch, lambda site, purpose: (replace(site, seed=next(calls)), purpose))


def search_on_test_images(patch: Patch) -> None:
    original = _Search.__init__

    def start(self: _Search, *parts: Any) -> None:
        original(self, *parts)
        self.evaluator = _OnTestImages(self.evaluator)  # type: ignore[assignment]

    patch.setattr(_Search, "__init__", start)


class _OnTestImages:
    """An evaluator that looks at the test split, whichever was asked for."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.backbone, self._evaluator = evaluator.backbone, evaluator

    def correct(self, split: str) -> dict[str, int]:
        return self._evaluator.correct("test")


# Adapters.


def load_without_scaling(patch: Patch) -> None:
    patch.setattr(Promise, "scaling", 1.0)


def release_without_scaling(patch: Patch) -> None:
    original = LoraTower.update

    def update(self: LoraTower, label: str) -> Update:
        scaling = self.recipe.lora_alpha / self.recipe.rank
        sites = original(self, label).sites.items()
        bare = {site: LowRank(up=one.up / scaling, down=one.down) for site, one in sites}
        return Update(sites=bare, label=label)

    patch.setattr(LoraTower, "update", update)


# Trap².


def scale_both_factors(patch: Patch) -> None:
    original = LoraTower.embed

    def embed(self: LoraTower, hidden: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        return original(self, hidden, scale * scale)  # (s B)(s A)

    patch.setattr(LoraTower, "embed", embed)


def weigh_all_scales_alike(patch: Patch) -> None:
    patch.setattr(Trap2, "weight", lambda self, scale: 1.0)


# Images and labels.


def load_a_test_image_to_train_on(patch: Patch) -> None:
    _load_with(patch, _with_test_image)


def load_shifted_test_labels(patch: Patch) -> None:
    _load_with(patch, _with_shifted_labels)


def _with_test_image(task: Task) -> Task:
    train, test = task.splits["train"], task.splits["test"]
    leaking = Split(
        inputs=torch.cat([test.inputs[:1], train.inputs[1:]]),
        labels=torch.cat([test.labels[:1], train.labels[1:]]),
    )
    return replace(task, splits={**task.splits, "train": leaking})


def _with_shifted_labels(task: Task) -> Task:
    test = task.splits["test"]
    shifted = Split(inputs=test.inputs, labels=(test.labels + 1) % len(task.classes))
    return replace(task, splits={**task.splits, "test": shifted})


def _load_with(patch: Patch, change: Callable[[Task], Task]) -> None:
    original = loading._load_task
    patch.setattr(loading, "_load_task", lambda *files: change(original(*files)))


def train_on_a_test_image(patch: Patch) -> None:
    original = loop._Run
    patch.setattr(
        loop, "_Run", lambda backbone, task, *how: original(backbone, _with_test_image(task), *how)
    )


def shift_heads_in_training(patch: Patch) -> None:
    _shift_heads(patch, classifier)


def shift_heads_in_evaluation(patch: Patch) -> None:
    _shift_heads(patch, evaluate)


def _shift_heads(patch: Patch, module: Any) -> None:
    original = module.text_head
    patch.setattr(module, "text_head", lambda *texts: original(*texts).roll(1, dims=0))
