"""Plug-ins that claim to protect and do not: what a worst case has to unmask."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch

from mergebench.backbones import Backbone, site_shapes
from mergebench.contracts import Release
from mergebench.progress import Progress
from mergebench.seeding import generator
from mergebench.suites import Task
from mergebench.train import FineTuned, Losses, Step
from mergebench.updates import LowRank, Update, load_update, save_adapter


class _Plain(FineTuned):
    """Fine-tuning as an unprotected update has it; `weakened` says what is released of it."""

    paper: ClassVar[str] = "made up for tests"

    def backward(self, step: Step) -> Losses:
        loss = step.losses(1.0).mean()
        loss.backward()
        return Losses(nominal=float(loss.detach()))

    def protect(self, backbone: Backbone, task: Task, *, seed: int, progress: Progress) -> Release:
        release = super().protect(backbone, task, seed=seed, progress=progress)
        return replace(release, update=self.released(release.update, task.name, seed))

    @classmethod
    def released(cls, update: Update, task: str, seed: int) -> Update:
        """Return what is released of the unprotected `update`."""
        sites = {
            name: cls.weakened(site, generator(seed, "weak", task, name))
            for name, site in update.sites.items()
            if isinstance(site, LowRank)
        }
        return Update(sites=sites)

    @staticmethod
    @abstractmethod
    def weakened(site: LowRank, draws: torch.Generator) -> LowRank: ...


@dataclass(frozen=True, kw_only=True)
class Permuted(_Plain):
    """Puts the components of every adapter in another order, which changes no product of them."""

    name: ClassVar[str] = "permuted"

    @staticmethod
    def weakened(site: LowRank, draws: torch.Generator) -> LowRank:
        order = torch.randperm(site.rank, generator=draws)
        return LowRank(up=site.up[:, order], down=site.down[order])


@dataclass(frozen=True, kw_only=True)
class Noisy(_Plain):
    """Adds noise of 2 % of the size of what it is added to."""

    name: ClassVar[str] = "noisy"

    @staticmethod
    def weakened(site: LowRank, draws: torch.Generator) -> LowRank:
        noise = torch.randn(site.up.shape, generator=draws)
        return LowRank(up=site.up + 0.02 * site.up.std() * noise, down=site.down)


def release_weakened(plain: Path, folder: Path, task: str) -> None:
    """Write what each of them releases for `task` into `folder`, made of the adapter `plain`."""
    update = load_update(plain, site_shapes("mini_vit"), "mini_vit")
    for protection in (Permuted, Noisy):
        save_adapter(protection.released(update, task, 0), folder / f"{task}-{protection.name}")
