"""Stand-ins for the protected update that are adapters, trained on few inputs."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from attacks.parts.supervised import CLIP_RECIPE
from mergebench.contracts import MergeData, ReplacingMerger, SweptMerger, UnfitUpdateError
from mergebench.errors import check_range
from mergebench.seeding import derived_seed
from mergebench.suites import Split, Task
from mergebench.train import LoraTower, Recipe
from mergebench.updates import LowRank, SiteUpdate, Update


@dataclass(frozen=True, kw_only=True)
class TrainedStandIn(SweptMerger, ReplacingMerger, ABC):
    """`recipe` says how it is trained, but for the number of `steps`.

    `learning_rate` replaces that of the recipe unless it is 0, and the protected update gives the
    rank. Raises `InputError` for values outside their range.
    """

    needs_factors: ClassVar[bool] = True

    split: Literal["train", "val"] = "train"
    inputs_per_task: int = 64
    recipe: Recipe = field(default_factory=lambda: CLIP_RECIPE)
    learning_rate: float = 0.0
    steps: int = 200

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        check_range(f"attack {self.name}: learning_rate", self.learning_rate, 0, 100)
        check_range(f"attack {self.name}: steps", self.steps, 0, 1_000_000)

    def stated(self) -> Mapping[str, Any]:
        """Return the hyper-parameters for a caption, the recipe as it is used."""
        told = dict(super().stated())
        if self.steps > 0:
            told["recipe"] = self.used_recipe
            del told["steps"], told["learning_rate"]
        return told

    @property
    def used_recipe(self) -> Recipe:
        """The recipe with the attack's own steps and learning rate."""
        rate = (self.learning_rate or self.recipe.learning_rate) * self.learning_rate_factor
        return replace(self.recipe, steps=max(1, self.steps), learning_rate=rate)

    def fresh_tower(self, given: MergeData, protected: Update) -> LoraTower:
        """Return W0 with an adapter of the rank of `protected` that changes nothing yet.

        Raises `UnfitUpdateError` for an update that is no adapter.
        """
        recipe = replace(self.used_recipe, rank=self._rank(protected, self.place(given)))
        # Not the seed of the released adapters, whose initial A the fresh one would share.
        seed = derived_seed(given.seed, self.name)
        return LoraTower(given.backbone, recipe, seed=seed, task=given.target or "")

    def protected_tower(self, given: MergeData, protected: Update) -> LoraTower:
        """Return W0 with the factors of `protected` as its adapter; errors as of `fresh_tower`."""
        tower = self.fresh_tower(given, protected)
        sites = {
            site: _filled(protected.sites.get(site), change, tower.recipe.rank)
            for site, change in tower.update("").sites.items()
        }
        tower.load(Update(sites=sites, label=protected.label))
        return tower

    def _rank(self, protected: Update, place: int) -> int:
        ranks = [change.rank for change in protected.sites.values() if isinstance(change, LowRank)]
        if len(ranks) < len(protected.sites) or not ranks:
            raise UnfitUpdateError(
                place,
                f"no adapter, which is what attack {self.name} trains: it is for LoRA releases, "
                "not for full fine-tuning",
            )
        return max(1, *ranks)


def with_inputs(task: Task, inputs: Tensor, labels: Tensor | None = None) -> Task:
    """Return `task` with these inputs to train on; `labels`: `(N,)` int64, unknown if None."""
    if labels is None:
        labels = torch.full((len(inputs),), -1)
    splits = {**task.splits, "train": Split(inputs=inputs, labels=labels)}
    return replace(task, splits=splits)


def _filled(known: SiteUpdate | None, like: SiteUpdate, rank: int) -> LowRank:
    """Return the factors of a site with zeros up to `rank`, all zeros where it is unchanged."""
    rows, columns = like.shape
    up, down = torch.zeros(rows, rank), torch.zeros(rank, columns)
    if isinstance(known, LowRank):
        up[:, : known.rank], down[: known.rank] = known.up, known.down
    return LowRank(up=up, down=down)
