"""Supervised fine-tuning of a merge on a few labelled inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

from attacks.parts.supervised import CLIP_RECIPE, Supervised
from mergebench.contracts import DataUse, Knowledge, MergeData
from mergebench.errors import InputError, check_choice
from mergebench.measure import deployed
from mergebench.suites import Task
from mergebench.train import TrainingRecipe
from mergebench.updates import Dense, SiteUpdate, Update

FROM_BASE = "none"

Whose = Literal["target", "all"]


@dataclass(frozen=True, kw_only=True)
class SupervisedFinetuning(Supervised):
    """Train a fresh LoRA adapter, or every weight, on top of a merge: `D = D_start + ΔW`.

    `start_from`: the `attack@space` whose merge at its searched coefficient is the start, or "none"
    for W0 itself. `tasks`: "target" trains on the inputs of the target's task alone, "all" on those
    of all tasks in turn. `recipe`: how, a `Recipe` for an adapter at the sites and a `FullRecipe`
    for every weight that `Backbone.tensors` has; at most its number of steps, since the start and
    every evaluation on the validation inputs of the trained tasks are candidates (`train_in_turn`).
    These validation inputs are labelled too and no part of the budget: with few inputs per class
    the attack is stronger than the budget alone would allow, in the same way from every start.
    Raises `InputError` for unknown `tasks`.
    """

    name: ClassVar[str] = "finetune"
    title: ClassVar[str] = "SFT"
    paper: ClassVar[str] = (
        "data-driven recovery in Trap² (2026), whose recipe is not stated; "
        "LoRA (Hu et al., 2021), https://arxiv.org/abs/2106.09685"
    )

    knowledge: ClassVar[Knowledge] = "informed"
    data: ClassVar[DataUse] = "labelled"

    split: Literal["train", "val"] = "train"
    inputs_per_task: int = 64
    start_from: str = "ta@full"
    tasks: Whose = "target"
    recipe: TrainingRecipe = field(default_factory=lambda: CLIP_RECIPE)

    def __post_init__(self) -> None:
        """Check which tasks are trained on."""
        super().__post_init__()
        check_choice(f"attack {self.name}: tasks", self.tasks, Whose)

    @property
    def starts_from(self) -> str | None:
        """The merge that is fine-tuned."""
        return None if self.start_from in ("", FROM_BASE) else self.start_from

    @property
    def targeted(self) -> bool:
        """Whether the inputs of the target's task alone are looked at."""
        return self.tasks == "target"

    @property
    def looks_at_others(self) -> bool:
        """As `tasks` says."""
        return self.tasks == "all"

    def from_base(self) -> Self:
        """Return fine-tuning of W0 on the same inputs."""
        return self.with_options(start_from=FROM_BASE)

    def merge(self, given: MergeData) -> Update:
        """Return the start plus the selected change; the start itself if no step was better.

        Raises `InputError` without a target where one is needed.
        """
        tasks = self._trained(given)
        start = given.start or Update(sites={}, label="no merge")
        with deployed(given.backbone, start):
            tuned = self.tuned(given, tasks, self.recipe)
        sizes = [len(task.splits["val"]) for task in tasks]
        given.notes["validation_at_start"] = sum(tuned.first.values()) / sum(sizes)
        given.notes["validation"] = sum(tuned.correct.values()) / sum(sizes)
        return Update(sites={**start.sites, **_on_top(start, tuned.update)}, label=repr(self))

    def _trained(self, given: MergeData) -> tuple[Task, ...]:
        if not self.targeted:
            return given.tasks
        chosen = tuple(task for task in given.tasks if task.name == given.target)
        if not chosen:
            names = ", ".join(task.name for task in given.tasks)
            raise InputError(
                f"attack {self.name} with tasks='target' needs a target among {names}, "
                f"not {given.target}; use tasks='all' without one"
            )
        return chosen


def _on_top(start: Update, trained: Update) -> dict[str, SiteUpdate]:
    """Return the sum of both changes at the sites of `trained`, dense where both change one."""
    return {
        site: Dense(delta=start.sites[site].dense() + change.dense())
        if site in start.sites
        else change
        for site, change in trained.sites.items()
    }
