"""The experiments that a request needs: one per strength of the protection."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mergebench.device import choose_device
from mergebench.errors import InputError
from mergebench.experiment import (
    STRENGTHS,
    Experiment,
    Setting,
    fitted_to,
    get_setting,
    plain_name,
    require_inputs,
    shortened,
)
from mergebench.measure import UNPROTECTED, get_protocol
from mergebench.protecting.command import stated_command
from mergebench.protecting.request import Request
from mergebench.protecting.traps import trap_of, unlike_the_paper
from mergebench.suites import (
    OWN,
    OwnData,
    SuiteOptions,
    Task,
    default_cache,
    default_data_root,
    is_found_on_disk,
)

AROUND = (0.5, 1.0, 2.0)
"""The strengths of a sweep, where none are given, as multiples of the backbone's own."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One task, its recipes, and the strengths to try.

    `usual`: the setting before few inputs cut the steps of its recipes.
    """

    experiment: Experiment
    protection: str
    strengths: tuple[float, ...]
    usual: Setting

    @property
    def task(self) -> Task:
        """The one task of the experiment."""
        (task,) = self.experiment.workbench().suite.tasks
        return task

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of the data, a sentence each."""
        return self.experiment.workbench().suite.notes

    def with_strength(self, strength: float) -> Experiment:
        """Return the experiment whose protection has this strength.

        Its setting says every option in which the trap differs from the paper's, as a card does.
        """
        setting, name = self.experiment.setting, plain_name(self.protection)
        options = {**unlike_the_paper(trap_of(setting, self.protection)), "strength": strength}
        return replace(self.experiment, setting=setting.with_options(name, **options))


def make_plan(request: Request) -> Plan:
    """Find and load what the request names; `InputError` for whatever is wrong with it."""
    usual = replace(get_setting(request.backbone), search_per_task=None, published=False)
    if request.data is not None:
        usual = replace(usual, suite=OWN)
    data = _suite_options(request, usual)
    choose_device(request.device)
    tasks = None if request.task is None else (request.task,)
    require_inputs(request.backbone, request.weights, usual.suite, data, tasks)
    experiment = Experiment(
        backbone=request.backbone,
        setting=usual,
        protocol=get_protocol("paper"),
        seeds=(request.seed,),
        store=request.store,
        command=stated_command(request),
        tasks=tasks,
        protections=tuple(one for one in request.releases if one != UNPROTECTED),
        plugins=request.plugins,
        weights=request.weights,
        device=request.device,
        data=data,
    )
    return _planned(request, experiment)


def _planned(request: Request, experiment: Experiment) -> Plan:
    """Return the plan, its recipes fitted to the number of training inputs."""
    usual = experiment.setting
    (task,) = experiment.workbench().suite.tasks
    for split in task.splits:
        if not len(task.splits[split]):
            raise InputError(
                f"task {task.name} has nothing in {split}: every split is needed to protect"
            )
    setting = shortened(usual, len(task.splits["train"]), request.steps)
    plan = Plan(
        experiment=replace(experiment, setting=setting),
        protection=request.protection,
        strengths=request.sweep or _usual_sweep(request),
        usual=usual,
    )
    for one in plan.strengths:  # those that the protection does not take are refused now
        _ = trap_of(plan.with_strength(one).setting, request.protection)
    return plan


def _usual_sweep(request: Request) -> tuple[float, ...]:
    """Return the strengths to try where none are given; none of a plain adapter.

    Where no strength was validated there are candidates from the paper's range.
    """
    if request.protection not in request.releases:
        return ()
    setting = get_setting(request.backbone)
    if setting.published:
        return STRENGTHS
    own = trap_of(setting, request.protection).strength
    if own == 0:
        raise InputError(f"--protection {request.protection}: has λ 0; give some with --sweep")
    return tuple(round(own * factor, 6) for factor in AROUND)


def _suite_options(request: Request, setting: Setting) -> SuiteOptions | None:
    if not is_found_on_disk(setting.suite):
        for name in ("data_root", "cache", "partial"):
            if getattr(request, name):
                raise InputError(
                    f"--{name.replace('_', '-')}: the data of suite {setting.suite} come with "
                    "mergebench; leave it out"
                )
        return None
    own = request.data and OwnData(
        paths=(request.data,), templates=request.templates, names=request.names
    )
    found = SuiteOptions(
        data_root=request.data_root or default_data_root(),
        cache=request.cache or default_cache(),
        partial=request.partial,
        own=own or None,
    )
    return fitted_to(request.backbone, found)
