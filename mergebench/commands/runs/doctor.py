"""The verb that says whether this machine, its weights and its data can make the tables."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from mergebench.commands.runs.experiments import checked_experiment
from mergebench.device import device_name, free_bytes, uses_tf32
from mergebench.experiment import (
    ZERO_SHOT_TOLERANCE,
    Duration,
    Experiment,
    Monitor,
    Rates,
    Workbench,
    ZeroShot,
    ZeroShotJob,
    measure_rates,
    run_jobs,
    table1_estimate,
    table2_estimate,
    zero_shot_checks,
)
from mergebench.plurals import how_many
from mergebench.terminal import make_console

_VERDICTS = {True: "ok", False: "off", None: "-"}


def run_doctor(options: argparse.Namespace) -> int:
    """Print zero-shot accuracies and costs; 1 if an accuracy is off."""
    experiment, console = checked_experiment(options), make_console()
    bench = experiment.workbench()
    for line in _machine(experiment, bench):
        console.print(line, highlight=False, soft_wrap=True)
    before = bench.measured
    run_jobs([ZeroShotJob(experiment=experiment)], Monitor(console), "zero-shot", processes=1)
    cell = bench.zero_shot()
    results = cell.results
    checks = zero_shot_checks(
        bench.backbone.name, bench.suite, results.correct, results.sizes["test"]
    )
    inputs = bench.suite.inputs
    console.print(_table(checks, inputs))
    rates = measure_rates(bench, cell.run.seconds if bench.measured > before else None)
    for line in (*_verdict(checks, inputs), *_costs(experiment, bench, rates, options.jobs)):
        console.print(line, highlight=False, soft_wrap=True)
    return 1 if any(check.agrees is False for check in checks) else 0


def _machine(experiment: Experiment, bench: Workbench) -> list[str]:
    device, setting = bench.backbone.device, experiment.setting
    name = device_name(device)
    tf32 = {True: ", TF32 on", False: ", TF32 off", None: ""}[uses_tf32(device)]
    folders = {"store": experiment.store}
    if experiment.data is not None and bench.suite.unit == "px":
        folders[f"decoded {bench.suite.inputs}"] = experiment.data.cache
    return [
        f"backbone {bench.backbone.name} (sha256 {bench.backbone.sha256[:12]}), "
        f"suite {bench.suite.name} at {bench.suite.size} {bench.suite.unit}",
        *bench.backbone.notes,
        *bench.suite.notes,
        f"device {device}{f' ({name}{tf32})' if name else ''}, "
        f"{free_bytes(device) / 1e9:.1f} GB of memory free",
        f"precision {setting.precision} in evaluation, {setting.recipe.precision} in training",
        *(f"disk: {_free(folder)} free for {what}, {folder}" for what, folder in folders.items()),
    ]


def _free(folder: Path) -> str:
    return f"{shutil.disk_usage(folder).free / 1e9:.1f} GB"


def _table(checks: Sequence[ZeroShot], inputs: str) -> Table:
    table = Table("task", header_style="")
    for heading in (f"test {inputs}", "zero-shot", "paper", "open_clip's own prompts", "verdict"):
        table.add_column(heading, justify="right")
    for check in checks:
        table.add_row(
            check.task,
            str(check.size),
            f"{check.accuracy:.2f}",
            "-" if check.paper is None else f"{check.paper:.1f}",
            "-" if check.open_clip is None else f"{check.open_clip:.2f}",
            _VERDICTS[check.agrees],
        )
    return table


def _verdict(checks: Sequence[ZeroShot], inputs: str) -> list[str]:
    compared = [check for check in checks if check.agrees is not None]
    if not compared:
        return [f"zero-shot: nothing comparable was published for this backbone and these {inputs}"]
    off = [check.task for check in compared if not check.agrees]
    if not off:
        return [
            f"zero-shot: all {len(compared)} data sets within {ZERO_SHOT_TOLERANCE} points of "
            "the paper"
        ]
    return [
        f"zero-shot: {', '.join(off)} differ from the paper by more than {ZERO_SHOT_TOLERANCE} "
        f"points: other weights, classes, prompts or test {inputs} than the paper's"
    ]


def _costs(experiment: Experiment, bench: Workbench, rates: Rates, processes: int) -> list[str]:
    first = table1_estimate(experiment, bench.suite, rates)
    second = table2_estimate(experiment, bench.suite, rates)
    batch, inputs = experiment.setting.recipe.batch_size, bench.suite.inputs
    return [
        f"measured on one process: {rates.evaluated:.0f} {inputs}/s in evaluation, "
        f"{batch / rates.step_seconds:.0f} {inputs}/s in training",
        f"estimated from that, if {processes} process(es) do not slow each other down, nothing is "
        "in the store, and without the linear algebra of merging:",
        f"  table 1: {_hours(first, processes)} ({how_many(len(experiment.releases()), 'update')})",
        f"  table 2: {_hours(first + second, processes)}, table 1 included "
        f"({how_many(experiment.merge_count, 'merge')}, protocol {experiment.protocol.name})",
    ]


def _hours(estimate: Duration, processes: int) -> str:
    bounds = (estimate.least / processes, estimate.most / processes)
    least, most = (_duration(seconds) for seconds in bounds)
    return least if least == most else f"{least} to {most}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
