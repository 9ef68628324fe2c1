"""The scales at which merges hold updates: as dense algebra has them, recalled, written, drawn."""

from __future__ import annotations

import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from miniature import FEW_IMAGES, PROTOCOL, SETTING, TASKS
from rich.console import Console

from mergebench.errors import InputError
from mergebench.experiment import Experiment, measure_held_scales
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.single_models import LEADING
from mergebench.experiment.store import Store
from mergebench.measure import Measurements, Merged
from mergebench.progress import Silent
from mergebench.report import write_scales
from mergebench.updates import LEAST_GAP, leading, scale_along

ATTACKS = ("ta@full", "tsv@core", "leave_out:ta@full", "hold:ta@full")


def experiment_in(store: Path, *attacks: str) -> Experiment:
    experiment_module._workbench.cache_clear()
    return Experiment(
        backbone="mini_vit",
        setting=SETTING,
        protocol=PROTOCOL,
        seeds=(0,),
        store=store,
        command="mergebench scales",
        tasks=TASKS,
        attacks=attacks or ATTACKS,
        plugins=(FEW_IMAGES,),
    )


def measured_in(experiment: Experiment) -> Measurements:
    monitor = Monitor(Console(file=StringIO(), width=200))
    return measure_held_scales(experiment, monitor, processes=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def measured(store: Path) -> Measurements:
    return measured_in(experiment_in(store))


def products(experiment: Experiment, merged: Merged) -> dict[tuple[str, str], float]:
    """Return the inner products of all dense updates that a merge is made of, in float64."""
    bench = experiment.workbench()
    kinds = {task: merged.protection if task == merged.target else "none" for task in TASKS}
    updates = {
        task: bench.release(kind, task, 0, Silent()).sites.values() for task, kind in kinds.items()
    }
    return {
        (a, b): sum(
            float((one.dense().double() * two.dense().double()).sum())
            for one, two in zip(updates[a], updates[b], strict=True)
        )
        for a in TASKS
        for b in TASKS
    }


def test_scales_are_those_of_dense_algebra(store: Path, measured: Measurements) -> None:
    """Task arithmetic adds alpha times the sum; `hold` has a scale of its own for the target."""
    experiment = experiment_in(store)
    seen = set()
    for one in measured.merged:
        if one.attack == "tsv":
            continue
        inner = products(experiment, one)
        weights = dict.fromkeys(TASKS, one.alpha)
        if one.attack != "ta":
            assert one.target is not None
            weights[one.target] = one.options.get("nominal", 0)
        for task in TASKS:
            expected = sum(weights[own] * inner[own, task] for own in TASKS) / inner[task, task]
            assert one.held[task] == pytest.approx(expected, abs=1e-5)
        asked = {task for task in TASKS if f"{task} leading" in one.held}
        assert asked == (set(TASKS) if one.target is None else {one.target})
        seen.add((one.attack, one.protection))
    assert len(seen) == 5  # what leaves the target out does not depend on its protection


def test_leading_directions_are_compared_by_themselves(store: Path, measured: Measurements) -> None:
    experiment = experiment_in(store)
    bench, merged = experiment.workbench(), measured.merged[0]
    assert (merged.name, merged.target) == ("ta@full", None)
    updates = {task: bench.release("none", task, 0, Silent()) for task in TASKS}
    for task, update in updates.items():
        lead = leading(update, LEADING).update
        expected = merged.alpha * sum(scale_along(one, lead) for one in updates.values())
        assert merged.held[f"{task} leading"] == pytest.approx(expected, abs=1e-5)
        assert LEAST_GAP < merged.held[f"{task} gap"] < 1


def test_what_is_recalled_is_what_was_measured(store: Path, measured: Measurements) -> None:
    experiment = experiment_in(store)
    assert measured_in(experiment) == measured
    assert experiment.workbench().measured == 0


def test_cells_of_before_gaps_were_noted_are_recalled(
    store: Path, measured: Measurements, tmp_path: Path
) -> None:
    """They are no others, and are not measured again; that there was a gap is then not known."""
    shutil.copytree(store, tmp_path / "old")
    cells, old = Store(tmp_path / "old" / "cells"), 0
    for cell in list(cells.cells()):
        notes = {what: value for what, value in cell.results.notes.items() if "gap" not in what}
        old += notes != cell.results.notes
        cells.put(replace(cell, results=replace(cell.results, notes=notes)))
    assert old > 2 * len(TASKS), "scales, and merges by TSV"
    experiment = experiment_in(tmp_path / "old")
    found = measured_in(experiment)
    assert experiment.workbench().measured == 0
    for one, known in zip(found.merged, measured.merged, strict=True):
        held = {what: value for what, value in known.held.items() if not what.endswith(" gap")}
        assert one == replace(known, held=held)
    write_scales(found, tmp_path / "pages", "scales")
    write_scales(measured, tmp_path / "new", "scales")
    assert (tmp_path / "pages" / "scales.md").read_text() == (
        (tmp_path / "new" / "scales.md").read_text()
    )


def test_curves_are_those_of_the_training_records(store: Path, measured: Measurements) -> None:
    bench = experiment_in(store).workbench()
    assert len(measured.curves) == 2 * len(TASKS)
    for one in measured.curves:
        known = bench.training_record(one.release, one.task, 0, Silent())["scale_curve"]
        assert [one.scales, one.correct, one.size] == [
            *(tuple(known["scales"]), tuple(known["correct"]), known["images"])
        ]


def test_what_was_measured_is_written(measured: Measurements, tmp_path: Path) -> None:
    files = write_scales(measured, tmp_path, "scales")
    found = pd.read_csv(next(file for file in files if file.suffix == ".csv"))
    assert len(found) == len(TASKS) * (2 * len(ATTACKS) - 1)  # unprotected ones once per target


def test_attacks_that_look_at_inputs_are_refused(store: Path) -> None:
    with pytest.raises(InputError, match=r"finetune.*looks at inputs.*leave it out"):
        measured_in(experiment_in(store, "ta@full", "finetune@full"))
