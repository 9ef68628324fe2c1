"""The scales at which merges hold updates: as dense algebra has them, recalled, written, drawn."""

from __future__ import annotations

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
from mergebench.measure import Measurements, Merged
from mergebench.progress import Silent
from mergebench.report import print_scales, write_scales, write_table2
from mergebench.terminal import make_console

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
        seen.add((one.attack, one.protection))
    assert len(seen) == 5  # what leaves the target out does not depend on its protection


def test_what_is_recalled_is_what_was_measured(store: Path, measured: Measurements) -> None:
    experiment = experiment_in(store)
    assert measured_in(experiment) == measured
    assert experiment.workbench().measured == 0


def test_the_table_of_the_same_merges_is_unchanged(
    store: Path, measured: Measurements, tmp_path: Path
) -> None:
    """Scales are beside the counts, not among them."""
    experiment = experiment_in(store)
    write_table2(measured, tmp_path / "with", "table2")
    write_table2(
        Measurements(
            context=measured.context,
            standalone=measured.standalone,
            merged=tuple(Merged(**{**vars(one), "held": {}}) for one in measured.merged),
        ),
        tmp_path / "without",
        "table2",
    )
    for file in (tmp_path / "with").iterdir():
        assert file.read_bytes() == (tmp_path / "without" / file.name).read_bytes()
    assert experiment.workbench().measured == 0


def test_files_state_every_merge_and_its_share_of_the_gain(
    measured: Measurements, tmp_path: Path
) -> None:
    files = write_scales(measured, tmp_path, "scales")
    assert [file.name for file in files] == [
        *("scales.md", "scales.csv", "scales.png", "scales.svg")
    ]
    found = pd.read_csv(files[1])
    assert len(found) == len(TASKS) * (2 * len(ATTACKS) - 1)  # unprotected ones once per target
    accuracies = {
        (one.release, one.task): 100 * one.correct / one.size for one in measured.standalone
    }
    for row in found.itertuples():
        base = accuracies["zero_shot", row.target]
        gain = accuracies["none", row.target] - base
        if gain > 0:  # of accuracies that are rounded to two decimals
            expected = 100 * (row.accuracy - base) / gain
            assert row.kept == pytest.approx(expected, abs=0.01 + 0.5 / gain)
        else:
            assert pd.isna(row.kept)
    text = files[0].read_text()
    mean = found[(found.protection == "trap2") & (found.attack == "ta")].scale.mean()
    assert f"| Trap² | {mean:.2f} |" in text
    assert "1 is its nominal scale" in text
    console = make_console(StringIO(), width=120)
    print_scales(measured, console)
    assert isinstance(console.file, StringIO)
    assert f"{mean:.2f}" in console.file.getvalue()


def test_attacks_that_look_at_inputs_are_refused(store: Path) -> None:
    with pytest.raises(InputError, match=r"finetune.*looks at inputs.*leave it out"):
        measured_in(experiment_in(store, "ta@full", "finetune@full"))
