"""Scoring of updates for traps."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mergebench.backbones import site_shapes, tensor_shapes
from mergebench.commands.runs.adapters import load_adapter
from mergebench.commands.runs.experiments import (
    announced_experiment,
    checked_experiment,
    say_written,
)
from mergebench.commands.runs.file_names import stem
from mergebench.experiment import Monitor, score_releases, score_updates
from mergebench.measure import Scored
from mergebench.report import detection_text, print_detection, write_detection
from mergebench.terminal import make_console, say


def run_detect(options: argparse.Namespace) -> None:
    """Score the given adapters, or the releases of the suite."""
    if options.adapters:
        shapes, every = site_shapes(options.backbone), tensor_shapes(options.backbone)
        updates = [
            load_adapter(adapter, options, shapes, dense_shapes=every)
            for adapter in options.adapters
        ]
        experiment = checked_experiment(options)
        count = len(experiment.workbench().suite.tasks)
        if options.tasks is None and count > 1:
            say(
                f"scored on the inputs of all {count} tasks, where a trap shows less than on those "
                "of the adapter's own: name it with --tasks"
            )
        _print(score_updates(experiment, updates), options)
    else:
        _score_releases(options)


def _score_releases(options: argparse.Namespace) -> None:
    """Score what the suite's providers release; write the scores and the ROC."""
    experiment = announced_experiment(options)
    aside = make_console(stderr=options.json)
    detection = score_releases(experiment, Monitor(aside), processes=options.jobs)
    folder, name = options.results / options.backbone, stem("detection", options, experiment)
    files = write_detection(detection, folder, name)
    _print(detection.scored, options)
    say_written(aside, files)


def _print(scored: Sequence[Scored], options: argparse.Namespace) -> None:
    if options.json:
        print(detection_text(scored), end="")
    else:
        print_detection(scored, make_console())
