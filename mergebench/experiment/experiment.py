"""What a table needs: which adapters and which merges of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mergebench.backbones import find_source
from mergebench.contracts import DataMerger, Space
from mergebench.device import choose_device
from mergebench.errors import InputError, unknown_name
from mergebench.experiment.attack_names import TABLE2, check_attack
from mergebench.experiment.elsewhere import Executor
from mergebench.experiment.executors import worker_number
from mergebench.experiment.protection_names import is_post_hoc
from mergebench.experiment.settings import Setting
from mergebench.experiment.workbench import Workbench
from mergebench.measure import UNPROTECTED, Protocol
from mergebench.registry import registry
from mergebench.suites import SuiteOptions, all_tasks


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One backbone, its suite's tasks, and what is measured on them.

    `setting`: the suite and the recipes of the backbone. `tasks` None: all tasks of the suite;
    `targets` None: all of these in turn.
    `attacks`: `attack@space` names. `protections` without `none`, which every experiment includes.
    `command` is what a caption states. `adapters`: see `Workbench`. `weights`: as of
    `load_backbone`; `device`: as of `choose_device`; `data`: as of `load_suite`.
    `executor`: where jobs run; None: on this machine.
    """

    backbone: str
    setting: Setting
    protocol: Protocol
    seeds: tuple[int, ...]
    store: Path
    command: str
    tasks: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    attacks: tuple[str, ...] = TABLE2
    protections: tuple[str, ...] = ("trap2",)
    plugins: tuple[Path, ...] = ()
    adapters: Path | None = None
    weights: str | None = None
    device: str = "cpu"
    data: SuiteOptions | None = None
    executor: Executor | None = None

    def workbench(self) -> Workbench:
        """Return the workbench of this experiment; one per process."""
        return _workbench(
            self.backbone,
            self.setting,
            self.tasks,
            self.store,
            self.plugins,
            self.adapters,
            self.weights,
            self.device,
            self.data,
        )

    def releases(self, tasks: Sequence[str] | None = None) -> list[tuple[str, str, int]]:
        """Return (protection, task, seed) of every update that is needed, the slow ones first.

        `tasks`: what `task_names` are, where the suite shall not be loaded for them.
        """
        tasks = self.workbench().suite.task_names if tasks is None else tasks
        targets = self._targets_of(tasks)
        return [
            (protection, task, seed)
            for seed in self.seeds
            for protection in (*self.protections, UNPROTECTED)
            for task in (tasks if protection == UNPROTECTED else targets)
        ]

    def merges(
        self, attack: str, tasks: Sequence[str] | None = None
    ) -> list[tuple[str, str | None, int]]:
        """Return (protection, target, seed) of every set of updates that `attack` merges.

        One that is targeted treats the unprotected updates anew for every target; one that takes no
        protected update is the same for every protection, and measured without any; one that is not
        defined for what a protection releases is not run on it. `tasks`: as of `releases`.
        """
        merger = self.setting.attack(check_attack(attack)[0])
        tasks = self.target_names if tasks is None else self._targets_of(tasks)
        plain: list[str | None] = [*tasks] if merger.targeted else [None]
        sets = [(UNPROTECTED, target) for target in plain]
        if merger.takes_protected:
            guarded = [name for name in self.protections if self.defined(attack, name)]
            sets += [(name, task) for name in guarded for task in tasks]
        return [(protection, target, seed) for seed in self.seeds for protection, target in sets]

    def defined(self, attack: str, protection: str) -> bool:
        """Whether `attack@space` can merge what `protection` releases.

        Full checkpoints lack the factors of adapters, which some attacks, rules and spaces need.
        """
        name, space = check_attack(attack)
        needs = any(part.needs_factors for part in self.setting.attack(name).parts())
        needs = needs or registry().get(Space, space).needs_factors
        return self.setting.has_factors(protection) or not needs

    def starts_from_base(self, attack: str) -> bool:
        """Whether `attack@space` could start from W0 as well, which it does for every target."""
        merger = self.setting.attack(check_attack(attack)[0])
        return isinstance(merger, DataMerger) and merger.from_base() is not None

    @property
    def task_names(self) -> tuple[str, ...]:
        """The tasks, in the order of the suite, which is not loaded for their names."""
        every = all_tasks(self.setting.suite, self.data)
        return tuple(task for task in every if self.tasks is None or task in self.tasks)

    @property
    def target_names(self) -> tuple[str, ...]:
        """The tasks whose update is protected, one at a time, in the order of the suite.

        Raises `InputError` for a target that is no task.
        """
        return self._targets_of(self.workbench().suite.task_names)

    def _targets_of(self, tasks: Sequence[str]) -> tuple[str, ...]:
        for target in self.targets or ():
            if target not in tasks:
                raise InputError(unknown_name("target", target, tasks))
        return tuple(task for task in tasks if self.targets is None or task in self.targets)

    @property
    def trainable(self) -> str:
        """What full fine-tuning trains here, in words for a caption."""
        return find_source(self.backbone).trainable

    @property
    def stores_checkpoints(self) -> bool:
        """Whether a protection acts on checkpoints, which may lose by the dtype of their file."""
        return any(map(is_post_hoc, self.protections))

    @property
    def merge_count(self) -> int:
        """How many merges there are: sets of updates, over all attacks."""
        return sum(len(self.merges(attack)) for attack in self.attacks)


@lru_cache(maxsize=1)
def _workbench(
    backbone: str,
    setting: Setting,
    tasks: tuple[str, ...] | None,
    store: Path,
    plugins: tuple[Path, ...],
    adapters: Path | None,
    weights: str | None,
    device: str,
    data: SuiteOptions | None,
) -> Workbench:
    for plugin in plugins:
        registry().add_file(plugin)
    chosen = choose_device(device, worker=worker_number())
    return Workbench(
        backbone,
        setting,
        tasks,
        store,
        adapters=adapters,
        weights=weights,
        device=chosen,
        data=data,
    )
