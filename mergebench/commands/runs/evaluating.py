"""Evaluation of one update of anybody, beside the backbone without it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean

import torch
from rich.table import Table

from mergebench.backbones import check_change, load_backbone, site_shapes, tensor_shapes
from mergebench.commands.numbers import finite
from mergebench.commands.parser import names_in
from mergebench.commands.runs.adapters import load_adapter
from mergebench.commands.runs.experiments import with_own_data
from mergebench.commands.runs.suite_data import suite_options
from mergebench.device import choose_device
from mergebench.errors import InputError
from mergebench.experiment import Setting, get_setting, require_inputs
from mergebench.measure import (
    NO_DEFECTS,
    Evaluator,
    Interval,
    deployed,
    paired_interval,
    wilson,
)
from mergebench.suites import Suite, load_suite
from mergebench.terminal import make_console, say
from mergebench.updates import Update


@dataclass(frozen=True, kw_only=True)
class _Count:
    """Correct predictions on `size` inputs."""

    correct: int
    size: int

    @property
    def accuracy(self) -> float:
        """Return the accuracy in percent."""
        return 100 * self.correct / self.size

    @property
    def interval(self) -> Interval:
        """Return its interval of 95 %, in percent."""
        return wilson(self.correct, self.size)


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """The backbone without and with the update on the same inputs of one task.

    `change`: 95 % interval of the difference, in points.
    """

    zero_shot: _Count
    update: _Count
    change: Interval


def run_evaluate(options: argparse.Namespace) -> None:
    """Print the accuracy of an update at a scale, per task, beside zero-shot."""
    scale = finite("--scale", options.scale)
    setting = with_own_data(get_setting(options.backbone), options)
    device = choose_device(options.device)
    update = load_adapter(
        options.update,
        options,
        site_shapes(options.backbone),
        dense_shapes=tensor_shapes(options.backbone),
    )
    suite, pairs = _measured(options, setting, update, scale, device)
    if options.json:
        print(json.dumps(_record(options, suite, update, scale, pairs), indent=1))
        return
    console = make_console()
    console.print(
        f"{options.update} at scale {scale:g} on {_named(options)}, suite {suite.name} "
        f"(sha256 {suite.sha256[:12]})",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_table(f"{options.split} {suite.inputs}", pairs))
    console.print("Below each number: its interval of 95 %.", highlight=False)


def _named(options: argparse.Namespace) -> str:
    """Return the backbone, with its weights where they are others than its own."""
    given = f" (weights {options.weights})" if options.weights is not None else ""
    return f"{options.backbone}{given}"


def _measured(
    options: argparse.Namespace,
    setting: Setting,
    update: Update,
    scale: float,
    device: torch.device,
) -> tuple[Suite, dict[str, _Pair]]:
    """Return the suite, and what was counted by task."""
    tasks = names_in(options.tasks) or None
    data = suite_options(
        options, suite=setting.suite, backbone=options.backbone, defects=NO_DEFECTS
    )
    if data is not None:
        data = replace(data, leaks="keep")  # nothing is trained on them here
    require_inputs(options.backbone, options.weights, setting.suite, data, tasks)
    backbone = load_backbone(options.backbone, weights=options.weights, device=device)
    check_change(backbone, update)
    data = data and replace(data, tokenize=backbone.tokenize)
    suite = load_suite(setting.suite, tasks=tasks, options=data)
    for task in suite.tasks:
        if not len(task.splits[options.split]):
            raise InputError(
                f"task {task.name} has no {suite.inputs} in {options.split}; choose another --split"
            )
    for note in (*backbone.notes, *suite.notes):
        say(note)
    evaluator = Evaluator(backbone, suite.tasks, precision=setting.precision)
    before = evaluator.hits(options.split)
    with deployed(backbone, update, scale):
        after = evaluator.hits(options.split)
    pairs = {}
    for name, hits in before.items():
        first, second = hits.cpu().numpy(), after[name].cpu().numpy()
        pairs[name] = _Pair(
            zero_shot=_Count(correct=int(first.sum()), size=len(first)),
            update=_Count(correct=int(second.sum()), size=len(second)),
            change=paired_interval(first, second),
        )
    return suite, pairs


def _record(
    options: argparse.Namespace,
    suite: Suite,
    update: Update,
    scale: float,
    pairs: Mapping[str, _Pair],
) -> dict[str, object]:
    """Return what was measured in JSON's types; accuracies in percent, changes in points."""
    return {
        "update": options.update,
        "update_sha256": update.sha256,
        "scale": scale,
        "backbone": options.backbone,
        "weights": None if options.weights is None else str(options.weights),
        "suite": suite.name,
        "suite_sha256": suite.sha256,
        "split": options.split,
        "tasks": {
            task: {
                "size": pair.update.size,
                "zero_shot": _numbers(pair.zero_shot),
                "update": _numbers(pair.update),
                "change": {
                    "points": pair.update.accuracy - pair.zero_shot.accuracy,
                    "low_95": pair.change.low,
                    "high_95": pair.change.high,
                },
            }
            for task, pair in pairs.items()
        },
        "average": {
            "zero_shot": fmean(pair.zero_shot.accuracy for pair in pairs.values()),
            "update": fmean(pair.update.accuracy for pair in pairs.values()),
        },
    }


def _numbers(count: _Count) -> dict[str, float]:
    return {
        "correct": count.correct,
        "accuracy": count.accuracy,
        "low_95": count.interval.low,
        "high_95": count.interval.high,
    }


def _table(inputs: str, pairs: Mapping[str, _Pair]) -> Table:
    table = Table("task", header_style="")
    for heading in (inputs, "zero-shot", "with the update", "change in points"):
        table.add_column(heading, justify="right")
    for task, pair in pairs.items():
        change = pair.update.accuracy - pair.zero_shot.accuracy
        table.add_row(
            task,
            str(pair.update.size),
            _text(pair.zero_shot),
            _text(pair.update),
            f"{change:+.1f}\n{pair.change.low:+.1f} to {pair.change.high:+.1f}",
        )
    if len(pairs) > 1:
        table.add_section()
        first = fmean(pair.zero_shot.accuracy for pair in pairs.values())
        second = fmean(pair.update.accuracy for pair in pairs.values())
        table.add_row("average", "", f"{first:.1f} %", f"{second:.1f} %", f"{second - first:+.1f}")
    return table


def _text(count: _Count) -> str:
    """Return accuracy and count, and the interval below them."""
    found = count.interval
    return f"{count.accuracy:.1f} % ({count.correct})\n{found.low:.1f} to {found.high:.1f}"
