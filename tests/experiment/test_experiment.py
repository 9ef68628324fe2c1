"""An experiment from training to tables: measured once, recalled exactly, in any process."""

from __future__ import annotations

import gc
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from miniature import FEW_IMAGES, LITTLE, PROTOCOL, TASKS
from rich.console import Console

from mergebench.contracts import Merger, Space
from mergebench.errors import InputError
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment import workbench
from mergebench.experiment.context import _notes
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import MergeJob
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.posed import Posed
from mergebench.experiment.replaying import replay
from mergebench.experiment.runner import measure_merges, measure_standalone
from mergebench.experiment.store import Store
from mergebench.experiment.workbench import Workbench
from mergebench.measure.cell import Method, unpacked
from mergebench.measure.evaluate import Evaluator, deployed
from mergebench.measure.measurements import Measurements
from mergebench.measure.protocols import CLEAN
from mergebench.measure.selection_rules import get_rule
from mergebench.merging.problem import MergeProblem
from mergebench.progress import Silent
from mergebench.registry import registry
from mergebench.report import write_figure2, write_table1, write_table2

ATTACKS = ("ta@full", "ties@core", "tsv@knots", "weighted_sum@full")


def experiment_in(store: Path) -> Experiment:
    return Experiment(
        backbone="mini_vit",
        setting=LITTLE,
        protocol=PROTOCOL,
        seeds=(0,),
        store=store,
        command="mergebench table2",
        tasks=TASKS,
        attacks=ATTACKS,
        plugins=(FEW_IMAGES,),
    )


def measure(store: Path, *, processes: int = 1) -> tuple[Measurements, str]:
    """Return what a new process would measure or recall, and what is shown meanwhile."""
    experiment_module._workbench.cache_clear()
    shown = StringIO()
    monitor = Monitor(Console(file=shown, width=200))
    return measure_merges(experiment_in(store), monitor, processes=processes), shown.getvalue()


def times(store: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in store.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def first(store) -> tuple[Measurements, str]:
    """The one cold run that the tests of this file share."""
    return measure(store)


@pytest.fixture(scope="module")
def bench(store, first) -> Workbench:
    return experiment_in(store).workbench()


def test_rows_of_a_cold_run(first):
    measurements, _ = first
    assert [(row.attack, row.space, row.protection, row.target) for row in measurements.merged] == [
        (*name.split("@"), protection, target)
        for name in ATTACKS
        for protection, target in [("none", None), ("trap2", "mnist"), ("trap2", "fashion")]
    ]
    for row in measurements.merged:
        assert row.sizes == {"mnist": 24, "fashion": 24}
        assert row.alpha in PROTOCOL.alphas
        assert all(0 <= row.correct[task] <= 24 for task in TASKS)
    assert [(row.release, row.task) for row in measurements.standalone] == [
        (release, task) for release in ("zero_shot", "trap2", "none") for task in TASKS
    ]
    context = measurements.context
    assert (context.tasks, context.protocol, context.precision) == (TASKS, "paper", "fp32")
    assert context.notes == (
        "Adapters: LoRA of rank 4, learning rate 0.002, 2 steps of 4 images.",
        "Options of trap2: strength 0.05.",
        "Merges are tuned on 4 class-balanced validation images per task.",
    )


def test_one_changed_byte_of_an_update_makes_no_other_table(store, first, tmp_path):
    copy = shutil.copytree(store, tmp_path / "runs")
    file = min((copy / "releases").glob("*/adapter_model.safetensors"))
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    before = times(copy)
    with pytest.raises(
        InputError, match=r"is damaged .*: delete it to train the update again"
    ) as e:
        measure(copy)
    assert str(file.parent) in str(e.value)
    assert times(copy) == before
    shutil.rmtree(file.parent)
    assert measure(copy)[0].merged == first[0].merged


def test_cells_say_which_images_are_correct(bench, first):
    cells = [cell for cell in bench.store.cells() if cell.inputs.attack is not None]
    assert len(cells) == len(first[0].merged)
    for cell in cells:
        for task, correct in cell.results.correct.items():
            hits = unpacked(cell.results.hits[task], cell.results.sizes["test"][task])
            assert int(hits.sum()) == correct


def test_a_recipe_of_a_protections_own_is_stated(first):
    setting = LITTLE.with_options("trap2", recipe=replace(LITTLE.recipe, steps=9))
    _, recipe, options, *_ = _notes(replace(experiment_in(Path()), setting=setting), [], "images")
    assert recipe.endswith("of trap2: LoRA of rank 4, learning rate 0.002, 9 steps of 4 images.")
    assert options == "Options of trap2: strength 0.05."


def test_a_cold_run_says_what_it_measured(first):
    _, shown = first
    lines = shown.splitlines()
    assert lines[-1].startswith("merges: 12 measured, 0 recalled in ")
    assert any(line.startswith("adapters: 4 measured, 0 recalled in ") for line in lines)
    assert sum(line.startswith("merges ") for line in lines) == 12
    assert len(lines) <= 3 + 12 + 4 + 4 + 1


def test_a_second_run_measures_nothing_and_returns_the_same(store, first):
    before = times(store)
    again, shown = measure(store)
    assert again == first[0]
    assert times(store) == before
    assert experiment_in(store).workbench().measured == 0
    zero_shot, adapters, merges = shown.splitlines()
    assert zero_shot.startswith("zero-shot: 0 measured, 1 recalled in ")
    assert adapters.startswith("adapters: 0 measured, 4 recalled in ")
    assert merges.startswith("merges: 0 measured, 12 recalled in ")


def test_only_a_deleted_cell_is_measured_again(store, first, bench):
    merged = [cell for cell in bench.store.cells() if cell.inputs.attack is not None]
    lost = bench.store.path(next(c for c in merged if c.inputs.attack.name == "ties").key)
    before = times(store)
    content = lost.read_bytes()
    lost.unlink()
    again, shown = measure(store)
    after = times(store)
    assert after.keys() == before.keys()
    assert [file for file in before if after[file] != before[file]] == [lost]
    assert replace(again, context=first[0].context) == first[0]
    assert "merges: 1 measured, 11 recalled" in shown
    lost.write_bytes(content)  # with its date, for the other tests


def cells_in(store: Path) -> list[str]:
    return sorted(file.name for file in (store / "cells").iterdir())


def test_tables_and_figure_are_written_with_the_same_bytes(tmp_path, store, first):
    monitor = Monitor(Console(file=StringIO()))
    written = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        measurements, _ = measure(store)
        curves = measure_standalone(experiment_in(store), monitor, processes=1, curves=True)
        files = [*write_table1(curves, folder), *write_table2(measurements, folder)]
        files += write_figure2(curves, folder)
        written.append({file.name: file.read_bytes() for file in files})
    assert written[0] == written[1]
    assert {"table1.csv", "table2.md", "table2.csv", "table2.tex"} <= written[0].keys()
    assert [len(curve.correct) for curve in curves.curves] == [len(workbench.CURVE_SCALES)] * 4


def test_the_norm_is_the_accuracy_on_the_search_subset(bench):
    update = bench.release("none", "mnist", 0, Silent())
    evaluator = Evaluator(
        bench.backbone, [bench.suite.task("mnist")], per_task={"val": 4}, precision="fp32"
    )
    with deployed(bench.backbone, update):
        correct = evaluator.correct("val")["mnist"]
    measured = bench.measured
    assert bench.norm("mnist", 0, Silent()) == correct / 4
    assert bench.measured == measured, "the cold run had measured it"


@pytest.fixture
def merged(bench):
    """Measure one merge, with parts of it changed."""

    def measure_one(updates=None, protocol=PROTOCOL, seed=0):
        space = registry().get(Space, "full")()
        problem = bench.problems.blind(space, "none", None, seed, Silent())
        if updates is not None:
            problem = MergeProblem(updates(problem.updates), space=space, seed=seed)
        norms = {task: bench.norm(task, 0, Silent()) for task in TASKS}
        plain = Method.of(bench.setting.protection("none"))
        return bench.merged(
            registry().get(Merger, "ta")(),
            Posed.of(problem, protection=plain, target=None),
            protocol,
            norms=norms,
        )

    return measure_one


def test_what_changes_the_result_is_a_new_cell(bench, merged, monkeypatch):
    known = set(bench.store.keys())
    assert merged().key in known
    other_protocol = merged(protocol=replace(PROTOCOL, alphas=(0.1, 0.3)))
    other_updates = merged(updates=lambda them: [them[0].scaled(2.0), *them[1:]])
    ta = registry().get(Merger, "ta")
    monkeypatch.setattr(ta, "version", ta.version + 1)
    other_version = merged()
    keys = {cell.key for cell in (other_protocol, other_updates, other_version)}
    assert len(keys) == 3
    assert not keys & known
    for key in keys:  # the store is shared with other tests
        bench.store.path(key).unlink()


def test_replaying_the_protocols_own_rule_gives_its_table(store, first):
    experiment_module._workbench.cache_clear()
    replayed = replay(experiment_in(store), get_rule("paper"))
    expected = {(row.attack, row.protection, row.target): row for row in first[0].merged}
    assert len(replayed.merged) == 2 * 4 + 2 * 4  # every target of an unprotected merge
    for row in replayed.merged:
        target = None if row.protection == "none" else row.target
        assert replace(row, target=target) == expected[row.attack, row.protection, target]


def test_replaying_for_the_target_picks_its_best_point(store, bench):
    replayed = replay(experiment_in(store), get_rule("target"))
    assert len(replayed.merged) == 16
    cells = [cell for cell in bench.store.cells() if cell.inputs.attack is not None]
    for row in replayed.merged:
        target = None if row.protection == "none" else row.target
        cell = next(
            one
            for one in cells
            if (one.inputs.attack.name, one.inputs.protection.name, one.inputs.target)
            == (row.attack, row.protection, target)
        )
        best = max(point.counts[row.target] for point in cell.results.points)
        chosen = [
            point
            for point in cell.results.points
            if (point.alpha, point.options) == (row.alpha, row.options)
        ]
        assert chosen[-1].counts[row.target] == best
        assert row.correct[row.target] == chosen[-1].tested[row.target]


def test_what_cannot_be_replayed_is_said(tmp_path, store):
    with pytest.raises(InputError, match="run `mergebench table2` with it first"):
        replay(replace(experiment_in(tmp_path), command="mergebench replay"), get_rule("target"))
    with pytest.raises(InputError, match="clean races"):
        replay(replace(experiment_in(store), protocol=CLEAN), get_rule("target"))
    with pytest.raises(InputError, match="did you mean target"):
        get_rule("targets")


def test_a_job_leaves_nothing_of_its_merges_in_memory(store, first):
    job = MergeJob(
        experiment=experiment_in(store),
        space="core",
        attacks=("tsv",),
        protection="trap2",
        target="mnist",
        seed=0,
    )
    job.run(lambda event: None)
    assert not [one for one in gc.get_objects() if type(one) is MergeProblem]
    key = next(job.cells()).key
    Store(store / "cells").path(key).unlink()  # the store is shared with other tests
