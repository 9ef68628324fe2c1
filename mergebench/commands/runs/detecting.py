"""Scoring of updates for traps."""

from __future__ import annotations

import argparse

from mergebench.backbones import site_shapes, tensor_shapes
from mergebench.commands.runs.adapters import load_adapter
from mergebench.commands.runs.experiments import checked_experiment
from mergebench.errors import InputError
from mergebench.experiment import Monitor, score_releases, score_updates
from mergebench.report import detection_text, print_detection
from mergebench.terminal import make_console


def run_detect(options: argparse.Namespace) -> None:
    """Score the given adapters, or the releases of the suite."""
    if options.attacks:
        raise InputError("--attacks: nothing is merged to detect a trap; leave it out")
    if options.adapters:
        shapes, every = site_shapes(options.backbone), tensor_shapes(options.backbone)
        updates = [
            load_adapter(adapter, options, shapes, dense_shapes=every)
            for adapter in options.adapters
        ]
        scored = score_updates(checked_experiment(options), updates)
    else:
        monitor = Monitor(make_console(stderr=options.json))
        scored = score_releases(checked_experiment(options), monitor, processes=options.jobs)
    if options.json:
        print(detection_text(scored), end="")
    else:
        print_detection(scored, make_console())
