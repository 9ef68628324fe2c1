"""Table 5 and the recovery figure: attacks on merges beside the same attacks on W0."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from miniature import FEW_IMAGES, PROTOCOL, SHARP, TASKS
from rich.console import Console

from mergebench.contracts import Space
from mergebench.errors import InputError
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment import recovery as recovery_module
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import Merges
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.recovery import measure_recovery
from mergebench.experiment.replaying import replay
from mergebench.experiment.runner import measure_merges
from mergebench.measure.evaluate import deployed
from mergebench.measure.measurements import FROM_BASE, Context, Measurements, Recovered
from mergebench.measure.selection_rules import RULES
from mergebench.progress import Silent
from mergebench.registry import registry
from mergebench.report import write_recovery, write_table2
from mergebench.report.recovery import recovery

RECIPE = replace(SHARP.recipe, learning_rate=1e-2, evaluate_every=1)
FEW = {
    "finetune": {"recipe": RECIPE, "inputs_per_task": 12},
    "distil": {"recipe": RECIPE, "steps": 2},
}
STARTS = (FROM_BASE, "none", "trap2")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    experiment_module._workbench.cache_clear()
    return Experiment(
        backbone="mini_vit",
        setting=replace(SHARP, attacks=FEW),
        protocol=PROTOCOL,
        seeds=(0,),
        store=tmp_path_factory.mktemp("store"),
        command="mergebench table5",
        tasks=TASKS,
        attacks=("ta@full", "finetune@full"),
        plugins=(FEW_IMAGES,),
    )


@pytest.fixture(scope="module")
def measured(experiment: Experiment) -> Measurements:
    experiment.workbench()  # makes the plug-in suite known
    return measure_merges(experiment, Monitor(Console(quiet=True)), processes=1)


def test_every_target_is_also_attacked_from_w0(experiment, measured):
    rows = [row for row in measured.merged if row.attack == "finetune"]
    assert [(row.protection, row.target) for row in rows] == [
        (start, task) for start in STARTS for task in TASKS
    ]
    assert not any(row.protection == FROM_BASE for row in measured.merged if row.attack == "ta")


def test_w0_is_fine_tuned_with_the_options_of_the_backbone(experiment, measured):
    bench = experiment.workbench()
    attack = bench.setting.attack("finetune").from_base()
    assert (attack.recipe, attack.inputs_per_task) == (RECIPE, 12)
    full = registry().get(Space, "full")()
    problem = bench.problems.with_data(attack, full, "none", "fashion", 0, Silent())
    with deployed(bench.backbone, problem.merge(attack)):
        expected = bench.evaluator.correct("test")
    (row,) = (r for r in measured.merged if (r.protection, r.target) == (FROM_BASE, "fashion"))
    assert row.correct == expected


def test_the_table_compares_with_w0_and_states_the_budget(measured, tmp_path: Path):
    files = write_table2(measured, tmp_path, stem="table5", number=5)
    text = next(file for file in files if file.suffix == ".md").read_text()
    assert text.startswith("# Table 5: ")
    assert "| from W0, no merge | – |" in text
    assert "only if SFT from the protected merge ends below SFT from W0" in text
    assert (
        "finetune looks at 12 images per task from split train, class-balanced, and the whole "
        "validation split to select the step; start_from ta@full; tasks target; LoRA of rank 4"
    ) in text
    cells = pd.read_csv(tmp_path / "table5.csv").set_index(["protection", "attack"])
    rows = [r for r in measured.merged if r.protection == FROM_BASE]
    mean = sum(100 * r.correct[r.target] / r.sizes[r.target] for r in rows) / len(rows)
    assert cells.loc[(FROM_BASE, "finetune"), "accuracy"] == pytest.approx(mean, abs=0.01)
    assert (FROM_BASE, "ta") not in cells.index


def test_replay_keeps_the_rows_apart(experiment, measured):
    again = replay(experiment, RULES["target"])
    rows = [(r.protection, r.target, r.correct) for r in again.merged if r.attack == "finetune"]
    assert rows == [
        (r.protection, r.target, r.correct) for r in measured.merged if r.attack == "finetune"
    ]


def test_recovery_is_measured_once_from_every_start(experiment, measured, monkeypatch, tmp_path):
    monkeypatch.setattr(recovery_module, "RECOVERY_BUDGETS", (1,))
    monitor, bench = Monitor(Console(quiet=True)), experiment.workbench()
    found = measure_recovery(experiment, monitor, processes=1)
    count = bench.measured
    assert measure_recovery(experiment, monitor, processes=1) == found
    assert bench.measured == count
    by_place = {(r.protection, r.target, r.inputs_per_class): r for r in found.recovered}
    assert by_place.keys() == {(s, t, n) for s in STARTS for t in TASKS for n in (0, 1)}
    assert {by_place[start, "mnist", 1].inputs for start in STARTS} == {10}

    zero_shot = bench.zero_shot().results.correct
    plain = Merges(experiment, "none", None, 0).cell("ta", "full").results.correct
    trapped = Merges(experiment, "trap2", "mnist", 0).cell("ta", "full").results.correct
    starts = [by_place[start, "mnist", 0].correct for start in STARTS]
    assert starts == [zero_shot["mnist"], plain["mnist"], trapped["mnist"]]
    assert any("1 image per class from split train" in note for note in found.context.notes)
    assert all(file.stat().st_size for file in write_recovery(found, tmp_path))


def test_an_attack_that_starts_from_no_merge_has_a_curve_too(
    experiment, measured, monkeypatch, tmp_path
):
    monkeypatch.setattr(recovery_module, "RECOVERY_BUDGETS", (1, 2))
    monitor = Monitor(Console(quiet=True))
    found = measure_recovery(experiment, monitor, processes=1, attack="distil:ta@core")
    by_place = {(r.protection, r.target, r.inputs_per_class): r for r in found.recovered}
    assert by_place.keys() == {(s, t, n) for s in STARTS[1:] for t in TASKS for n in (1, 2)}
    assert {(r.inputs, r.data) for r in found.recovered} == {(10, "unlabelled"), (20, "unlabelled")}
    told = [note for note in found.context.notes if note.startswith("distil:ta looks at 2 images")]
    assert told == [
        "distil:ta looks at 2 images per class from split train; "
        "LoRA of rank 4, learning rate 0.01, 2 steps of 4 images; tasks target."
    ]
    cell = Merges(experiment, "trap2", "mnist", 0).cell(
        "distil:ta", "core", [("inputs_per_class", 2)]
    )
    assert by_place["trap2", "mnist", 2].correct == cell.results.correct["mnist"]
    assert [point.alpha for point in cell.results.points][:2] == [0.2, 0.5]
    assert recovery(found).data == "unlabelled"
    assert all(file.stat().st_size for file in write_recovery(found, tmp_path))
    with pytest.raises(InputError, match="attack ta looks at no inputs"):
        measure_recovery(experiment, monitor, processes=1, attack="ta@full")


def recovered(start: str, target: str, budget: int, correct: int, seed: int = 0) -> Recovered:
    return Recovered(
        seed=seed,
        protection=start,
        target=target,
        inputs_per_class=budget,
        inputs=10 * budget,
        correct=correct,
        size=50,
    )


def context() -> Context:
    return Context(
        command="mergebench recovery",
        date="2026-03-01",
        backbone="mini_vit",
        backbone_sha256="a1",
        suite="mini8",
        suite_sha256="b2",
        tasks=("flags", "kana"),
        protocol="paper",
        seeds=(0, 1),
        precision="bf16",
        device="cpu",
        versions={},
    )


def known() -> tuple[Recovered, ...]:
    return tuple(
        recovered(start, target, budget, base + 5 * seed + (10 if target == "kana" else 0), seed)
        for start, base in ((FROM_BASE, 10), ("trap2", 5))
        for target in ("kana", "flags")
        for budget in (4, 0)
        for seed in (0, 1)
    )


def test_lines_are_means_over_targets_and_spread_over_seeds(tmp_path: Path):
    measurements = Measurements(context=context(), recovered=known())
    shown = recovery(measurements)
    assert (shown.budgets, shown.targets) == ((0, 4), ("flags", "kana"))
    assert [line.protection for line in shown.lines] == [FROM_BASE, "trap2"]
    means = [[value.mean for value in line.values] for line in shown.lines]
    assert means == [[35, 35], [25, 25]]  # (10 + 20) / 2 and (15 + 25) / 2 of 50, in percent
    assert shown.lines[0].values[0].std == pytest.approx(50**0.5)
    write_recovery(measurements, tmp_path)
    points = pd.read_csv(tmp_path / "recovery.csv")
    average = points[points.target == "average"]
    assert average.accuracy.tolist() == [35, 35, 25, 25]
    assert len(points) == 4 + len(known())
    first = {file: file.read_bytes() for file in tmp_path.iterdir()}
    write_recovery(replace(measurements, recovered=known()[::-1]), tmp_path)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == first


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((), "0 recoveries are not all"),
        (known()[1:], "15 recoveries are not all"),
        ((*known(), known()[0]), "two recoveries of"),
    ],
)
def test_incomplete_or_doubled_recoveries_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        recovery(Measurements(context=context(), recovered=rows))


def test_an_attack_cannot_start_from_one_that_looks_at_inputs(experiment, measured):
    with pytest.raises(InputError, match="finetune cannot start from regmean"):
        Merges(experiment, "none", "mnist", 0).cell(
            "finetune", "full", [("start_from", "regmean@full")]
        )
