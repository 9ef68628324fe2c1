"""The one function of this room."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from rich.console import Console

from mergebench.device import AUTO
from mergebench.experiment import Experiment, Monitor, measure_on_test, measure_on_validation
from mergebench.measure import UNPROTECTED, choose_strength
from mergebench.protecting.planning import Plan, make_plan
from mergebench.protecting.releasing import write_adapters
from mergebench.protecting.request import MARGIN, PROTECTION, Request
from mergebench.protecting.result import Protected
from mergebench.protecting.traps import check_protection
from mergebench.protecting.writing import check_output
from mergebench.report import Sweep

AnyPath = str | PathLike[str]


def protect(
    *,
    backbone: str,
    out: AnyPath,
    data: AnyPath | None = None,
    task: str | None = None,
    protection: str = PROTECTION,
    only: str | None = None,
    sweep: Sequence[float] = (),
    margin: float = MARGIN,
    steps: int | None = None,
    seed: int = 0,
    names: AnyPath | None = None,
    templates: Sequence[str] = (),
    partial: bool = False,
    licence: str = "",
    weights: AnyPath | None = None,
    device: str = AUTO,
    jobs: int = 1,
    store: AnyPath = "runs",
    cache: AnyPath | None = None,
    data_root: AnyPath | None = None,
    plugins: Sequence[AnyPath] = (),
    force: bool = False,
    command: str = "",
    console: Console | None = None,
) -> Protected:
    """Train a plain and a protected adapter on one task, and write both with cards below `out`.

    `backbone`: a name of `mergebench list backbones`. `data`: a folder of classes, or a file of
    labelled texts (docs/own_data.md), or else `task`: a task of the backbone's suite. `protection`:
    one with a trap, by its name, which may state options of it in brackets (docs/protect.md);
    `plugins`: files that define it. `only`: make just the "plain" adapter, or that of its name.

    `sweep`: the λ to try, above 0; none for half, once and twice its own on the backbone (on the
    paper's backbones 0.01 to 0.3). The rule (`choose_strength`) sees single updates on validation
    inputs: of those that lose at most `margin` points (0 to 100) at scale 1 against the plain
    update, the lowest mean accuracy at scales 0.2 to 0.7 and 1.5. With one λ nothing is chosen.
    `steps`: of training; None for the recipe's, fewer where there are few inputs. `seed`: of
    training.

    `out` gets `plain/` and, for one, `trap2/`: a PEFT adapter, `README.md`, `scale_curve.png` and
    `record.json`. What is there is replaced only with `force`, and then these files alone.
    `licence`: the hub's identifier for the cards. `store`: a folder that keeps trainings and
    counts; what is in it is not done again, so that an interrupted call goes on. `jobs`: processes.
    `names`, `templates`, `partial`, `cache`, `data_root`, `weights`, `device`: as the options of
    the commands. `command`: what cards state; by default this call. `console`: where progress is
    shown, nowhere by default.

    Returns what was made, with integer counts of correct test inputs. Raises `InputError`, one line
    that names what is wrong, for wrong arguments, data and weights, for an `out` that has
    these folders or anything else that this did not write, or cannot be written, before anything is
    trained; and where no λ is within the margin.
    """
    request = Request(
        backbone=backbone,
        out=Path(out),
        data=None if data is None else Path(data),
        task=task,
        protection=protection,
        only=only,
        sweep=tuple(map(float, sweep)),
        margin=margin,
        steps=steps,
        seed=seed,
        names=None if names is None else Path(names),
        templates=tuple(templates),
        partial=partial,
        licence=licence,
        weights=None if weights is None else str(weights),
        device=device,
        store=Path(store),
        cache=None if cache is None else Path(cache),
        data_root=None if data_root is None else Path(data_root),
        plugins=tuple(map(Path, plugins)),
        force=force,
        command=command,
    )
    return _Run(request, console or Console(quiet=True), jobs).protected()


class _Run:
    """One request being worked on."""

    def __init__(self, request: Request, console: Console, jobs: int) -> None:
        self.request = request
        self.console = console
        self.jobs = jobs
        self.monitor = Monitor(console)

    def protected(self) -> Protected:
        """Train, choose, measure and write."""
        request = self.request
        check_protection(request)
        check_output(request)
        plan = make_plan(request)
        for note in plan.notes:
            self.console.print(note, highlight=False, soft_wrap=True)
        sweep = self._sweep(plan)
        experiment = plan.experiment
        if request.protection in request.releases:
            strength = plan.strengths[0] if sweep is None else sweep.chosen.strength
            assert strength is not None
            experiment = plan.with_strength(strength)
        measured = measure_on_test(experiment, request.releases, self.monitor, processes=self.jobs)
        return write_adapters(request, plan, experiment, sweep, measured)

    def _sweep(self, plan: Plan) -> Sweep | None:
        """Return how the strength was chosen, or None if there was no choice."""
        name = self.request.protection
        if name not in self.request.releases or len(plan.strengths) == 1:
            return None
        updates: list[tuple[Experiment, str]] = [(plan.experiment, UNPROTECTED)]
        updates += [(plan.with_strength(one), name) for one in plan.strengths]
        plain, *tried = measure_on_validation(updates, self.monitor, processes=self.jobs)
        margin = self.request.margin
        return Sweep(
            tried=tuple(tried),
            chosen=choose_strength(tried, plain, margin),
            plain=plain,
            margin=margin,
        )
