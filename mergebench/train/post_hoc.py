"""The base of protections that change what plain fine-tuning left, without any input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, final

from mergebench.backbones import Backbone
from mergebench.contracts import Release
from mergebench.progress import Progress
from mergebench.suites import Task
from mergebench.train.classifier import Classifier
from mergebench.train.fine_tuned import FineTuned
from mergebench.train.full import FullTower
from mergebench.train.objective import Losses, Step, nominal_losses
from mergebench.train.recipe import FullRecipe, TrainingRecipe
from mergebench.train.record import norm_ratios, probe_split, scale_curve
from mergebench.updates import Dense, Update


@dataclass(frozen=True, kw_only=True)
class PostHoc(FineTuned, ABC):
    """A protection of full checkpoints: a trained update is changed afterwards, then released.

    A subclass implements `changed`. What is released is dense: a full fine-tuning, or a LoRA as the
    checkpoint `W0 + BA`. Training is plain unless a subclass has an objective of its own.
    """

    of_checkpoints: ClassVar[bool] = True

    recipe: TrainingRecipe = field(default_factory=FullRecipe)

    def backward(self, step: Step) -> Losses:
        """Minimise the mean loss of the batch."""
        return nominal_losses(step)

    @property
    def starts_from_plain(self) -> bool:
        """Whether its training is that of an unprotected update, which may then serve as well."""
        return True

    @final
    def protect(self, backbone: Backbone, task: Task, *, seed: int, progress: Progress) -> Release:
        """Fine-tune on `task` and return the changed update with its record."""
        trained = super().protect(backbone, task, seed=seed, progress=progress)
        return self._after(trained, backbone, task, seed)

    @final
    def after(self, trained: Release, backbone: Backbone, task: Task, *, seed: int) -> Release:
        """Return what becomes of an update that was trained already, held to the contract."""
        return self.held(backbone, task, lambda: self._after(trained, backbone, task, seed))

    @abstractmethod
    def changed(self, backbone: Backbone, update: Update, key: tuple[object, ...]) -> Update:
        """Return the update that is released: of tensors of the backbone, all changes dense.

        `key`: what every random draw of this seed and task is derived from.
        """

    def _after(self, trained: Release, backbone: Backbone, task: Task, seed: int) -> Release:
        update = self.changed(backbone, trained.update, (self.name, seed, task.name))
        told = {
            **trained.record,
            "objective": repr(self),
            "trained": {name: trained.record.get(name) for name in ("objective", "validation")},
            **_measured(backbone, task, update, self.recipe, seed),
        }
        return Release(update=update, record=told)


def _measured(
    backbone: Backbone, task: Task, update: Update, recipe: TrainingRecipe, seed: int
) -> dict[str, Any]:
    """Return what a record says of the update itself."""
    sites = {
        name: update.sites.get(name) or Dense(delta=weight.new_zeros(weight.shape).cpu())
        for name, weight in backbone.tensors.items()
    }
    precise = FullRecipe(logit_scale=recipe.logit_scale, precision=recipe.precision)
    tower = FullTower(backbone, precise)
    tower.load(replace(update, sites=sites))
    classifier = Classifier(tower, task)
    validation = classifier.examples(task.splits["val"])
    probe = classifier.examples(probe_split(task.splits["val"], recipe.probe_inputs, seed))
    correct = classifier.correct(validation)
    return {
        "validation": {"correct": correct, "images": len(validation)},
        "scale_curve": scale_curve(classifier, probe),
        "norm_ratio": norm_ratios(backbone, update),
    }
