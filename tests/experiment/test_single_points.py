"""A leaderboard tests what attackers take and nothing else: the same numbers for fewer tests."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from miniature import TASKS
from rich.console import Console
from test_worst_case import YARDSTICKS, experiment_in

from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.merges import Merges
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import measure_merges, measure_standalone
from mergebench.experiment.single_points import SinglePoints
from mergebench.experiment.store import Store
from mergebench.experiment.worst_case import measure_worst_case
from mergebench.measure import Level, Measurements, deployed
from mergebench.report.leaderboard import leaderboard

LEVELS = (
    Level(knowledge="blind", data="none", attacks=("ta@full", "tsv@full", "ties@core")),
    Level(knowledge="informed", data="none", attacks=("hold:ta@full", "restore:tsv@full")),
)


def experiment_of(store: Path) -> Experiment:
    experiment_module._workbench.cache_clear()
    attacks = (*YARDSTICKS, *(name for level in LEVELS for name in level.attacks))
    return replace(experiment_in(store), attacks=attacks)


def monitor() -> Monitor:
    return Monitor(Console(file=StringIO()))


def measure(store: Path) -> Measurements:
    """Return what a new process would measure of the set, or recall."""
    return measure_worst_case(experiment_of(store), LEVELS, YARDSTICKS, monitor(), processes=1)


@pytest.fixture(scope="module")
def stores(little_store, tmp_path_factory) -> dict[str, Path]:
    """Two stores with trained updates and nothing else."""
    measure_standalone(experiment_of(little_store), monitor(), processes=1)
    folder = tmp_path_factory.mktemp("stores")
    for name in ("chosen", "every"):
        shutil.copytree(little_store / "releases", folder / name / "releases")
    return {name: folder / name for name in ("chosen", "every")}


@pytest.fixture(scope="module")
def chosen(stores) -> Measurements:
    """The leaderboard's own way."""
    return measure(stores["chosen"])


@pytest.fixture(scope="module")
def every(stores) -> Measurements:
    """Every merge tested, as tables have it."""
    return measure_merges(experiment_of(stores["every"]), monitor(), processes=1)


def test_it_is_the_same_board_as_with_every_merge_tested(stores, chosen, every):
    assert all(merged.correct for merged in every.merged)
    board = leaderboard(measure(stores["every"]), LEVELS, YARDSTICKS)
    assert leaderboard(chosen, LEVELS, YARDSTICKS) == board


def test_what_nobody_takes_is_not_tested(stores, chosen):
    untested = [merged for merged in chosen.merged if not merged.correct]
    assert untested
    assert all(merged.validated for merged in untested)
    cells = [cell for cell in Store(stores["chosen"] / "cells").cells() if cell.results.points]
    searched = [cell for cell in cells if cell.inputs.protocol.get("tested") is False]
    assert len(searched) == len(chosen.merged)
    assert not any(cell.results.correct or cell.results.hits for cell in searched)
    for standing in leaderboard(chosen, LEVELS, YARDSTICKS).standings:
        for pick in standing.picks:
            for merged in (pick.taken, pick.unprotected, pick.left_out):
                assert merged.correct.keys() == merged.hits.keys() == set(TASKS)


def test_a_repeat_measures_nothing(stores, chosen):
    def files() -> dict[Path, int]:
        return {file: file.stat().st_mtime_ns for file in stores["chosen"].rglob("*.json")}

    before = files()
    assert measure(stores["chosen"]) == chosen
    assert files() == before


@pytest.mark.parametrize("kind", ["confirmed", "point"])
def test_the_caption_is_of_the_points_too(stores, chosen, tmp_path, kind):
    store = shutil.copytree(stores["chosen"], tmp_path / "store")
    (file, *_) = (
        file
        for file in sorted((store / "cells").glob("*.json"))
        if json.loads(file.read_text())["inputs"]["protocol"].get("name") == kind
    )
    cell = Store(store / "cells").get(file.stem)
    assert cell is not None
    file.unlink()
    run = replace(cell.run, finished="2099-01-01T00:00:00+00:00")
    Store(store / "cells").put(replace(cell, run=run))
    assert measure(store).context.date == "2099-01-01"


def test_a_table_tests_what_was_searched_and_searches_nothing_again(
    stores, chosen, every, monkeypatch
):
    def searching(*given: object, **options: object) -> None:
        raise AssertionError("it was searched before")

    monkeypatch.setattr("mergebench.measure.merge_results.search", searching)
    later = measure_merges(experiment_of(stores["chosen"]), monitor(), processes=1)
    assert later.merged == every.merged
    pairs = [
        {cell.key: cell.results for cell in Store(store / "cells").cells()}
        for store in (stores["chosen"], stores["every"])
    ]
    for key in pairs[0].keys() & pairs[1].keys():
        assert pairs[0][key] == pairs[1][key]


def test_finalists_are_looked_at_on_all_validation_inputs(stores, chosen):
    bench = experiment_of(stores["chosen"]).workbench()
    everything, searched = bench.validation.sizes("val"), bench.evaluator.sizes("val")
    assert all(searched[task] < size for task, size in everything.items())
    for standing in leaderboard(chosen, LEVELS, YARDSTICKS).standings:
        for pick in standing.picks:
            assert max(pick.finalists.values()) == pick.finalists[pick.taken.name]
            for merged in (pick.taken, pick.unprotected, pick.left_out):
                assert merged.validation_sizes == searched
                assert merged.confirmation_sizes == everything
    merges = Merges(experiment_of(stores["chosen"]), pick.taken.protection, pick.target, 0)
    path = merges.path(pick.taken.attack, pick.taken.space, pick.taken.options)
    with deployed(bench.backbone, path, pick.taken.alpha):
        assert bench.validation.correct("val") == pick.taken.confirmed


def test_thefts_are_chosen_on_all_validation_inputs(stores, chosen):
    """Of both bounds and levels; who knows more, or may spend more, has no less of the target."""
    everything = experiment_of(stores["chosen"]).workbench().validation.sizes("val")
    found = {}
    for theft in chosen.thefts:
        place = theft.protection, theft.target, theft.level.knowledge, theft.bound
        found[place] = -1
        if theft.merged is not None:
            assert theft.merged.confirmation_sizes == everything
            assert theft.merged.correct.keys() == set(TASKS)
            found[place] = theft.merged.confirmed[theft.target]
    assert max(found.values()) > 0
    for protection, target, knowledge, bound in found:
        least = found[protection, target, "blind", 1]
        assert least <= found[protection, target, knowledge, bound]
        assert found[protection, target, knowledge, 1] <= found[protection, target, knowledge, 5]


@pytest.mark.parametrize("norm_ratio", [0.2, 0.0])
def test_a_point_that_leaves_the_backbone_is_empty(stores, chosen, monkeypatch, norm_ratio):
    """Which only who merges there finds out, as of `ram` with a threshold above every entry."""
    point = next(
        cell
        for cell in Store(stores["chosen"] / "cells").cells()
        if cell.inputs.protocol.get("name") == "confirmed"
    )
    point = replace(point, results=replace(point.results, norm_ratio=norm_ratio))
    points = SinglePoints(experiment_of(stores["chosen"]), monitor(), processes=1)
    monkeypatch.setattr(points, "_cells", lambda *given, **options: [point])
    merged = replace(chosen.merged[0], confirmed={}, empty=False)
    (found,) = points.confirmed([merged])
    assert found.confirmed == point.results.points[0].counts
    assert found.empty == (norm_ratio == 0)


def test_a_search_that_is_tested_later_leaves_what_one_tested_at_once_does(stores, tmp_path):
    at_once, later = (
        experiment_of(
            shutil.copytree(stores["every"] / "releases", tmp_path / name / "releases").parent
        )
        for name in ("at_once", "later")
    )
    ties = ("ties", "core", {"top_k": 10}.items())
    twice = []
    for of in [("none", None), *(("trap2", task) for task in TASKS)]:
        whole = Merges(at_once, *of, 0).cell(*ties).results
        merges = Merges(later, *of, 0)
        assert not merges.cell(*ties, tested=False).results.correct
        assert merges.cell(*ties).results == whole
        points = [(point.alpha, point.options) for point in whole.points]
        twice.append(points.count((whole.alpha, whole.options)) > 1)
    assert any(twice)  # a coordinate search comes back to its best point
