"""Informed attacks in a table: measured once, recalled and merged again from what was stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from miniature import FEW_IMAGES, PROTOCOL, SHARP, TASKS
from rich.console import Console

from attacks.hold_layers import HoldLayers
from attacks.per_task_coefficients import PerTaskCoefficients
from attacks.smooth import Smooth
from attacks.spectral import Spectral
from mergebench.errors import InputError
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.jobs import Merges
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.replaying import replay
from mergebench.experiment.runner import measure_merges
from mergebench.measure import CellResults, Measurements, get_rule, results_on_test
from mergebench.measure.evaluate import deployed
from mergebench.measure.protocols import WIDE

ATTACKS = (
    *("leave_out:ta@full", "per_task_coefficients:ta@full", "smooth:ta@full"),
    *("hold_layers:ta@full", "spectral:ta@core", "localize_and_stitch@full"),
)


def experiment_in(store: Path) -> Experiment:
    return Experiment(
        backbone="mini_vit",
        setting=SHARP,
        protocol=PROTOCOL,
        seeds=(0,),
        store=store,
        command="mergebench table2",
        tasks=TASKS,
        attacks=ATTACKS,
        plugins=(FEW_IMAGES,),
    )


def measured_in(store: Path) -> tuple[Measurements, int]:
    """Return what a new process would measure or recall, and how many cells it measured."""
    experiment_module._workbench.cache_clear()
    experiment = experiment_in(store)
    monitor = Monitor(Console(file=StringIO(), width=200))
    found = measure_merges(experiment, monitor, processes=1)
    return found, experiment.workbench().measured


FEW_VALUES = {
    HoldLayers: {"alphas": (0.0, 0.5), "grid": {"share": (1 / 3, -2 / 3)}},
    PerTaskCoefficients: {"grid": {"value": (0.0, 0.3, 1.0)}},
    Smooth: {"grid": {"sigma": (0.01, 0.2)}},
    Spectral: {"alphas": (0.0, 0.5), "grid": {"kept": (1, 4, -2)}},
}
"""What the attacks search over here, few of each kind of value."""


@pytest.fixture(autouse=True, scope="module")
def _few_values() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for attack, values in FEW_VALUES.items():
            for name, value in values.items():
                patch.setattr(attack, name, value)
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def first(store) -> Measurements:
    return measured_in(store)[0]


def rows_of(found: Measurements, attack: str) -> list:
    return [row for row in found.merged if row.attack == attack]


def test_every_target_has_a_row_protected_and_not(first) -> None:
    for name in ATTACKS:
        attack = name.partition("@")[0]
        targets = ["mnist", "fashion"]
        plain = [None] if attack == "localize_and_stitch" else targets
        guarded = [] if attack == "leave_out:ta" else targets
        assert [(row.protection, row.target) for row in rows_of(first, attack)] == [
            *(("none", target) for target in plain),
            *(("trap2", target) for target in guarded),
        ]


def test_an_attack_s_own_coefficients_are_those_of_its_rows(first) -> None:
    lowest = {row.attack: min(row.alphas) for row in first.merged}
    assert lowest["leave_out:ta"] == lowest["smooth:ta"] == min(PROTOCOL.alphas)
    assert lowest["hold_layers:ta"] == lowest["spectral:ta"] == 0
    assert lowest["per_task_coefficients:ta"] == lowest["localize_and_stitch"] == 1
    assert {row.attack for row in first.merged if row.multiplies_each_update} == {
        "per_task_coefficients:ta"
    }


def test_a_table_is_recalled(first, store) -> None:
    again, count = measured_in(store)
    assert count == 0
    assert again.merged == first.merged


def test_stored_options_merge_to_what_was_tested(first, store) -> None:
    experiment = experiment_in(store)
    bench = experiment.workbench()
    for cell in list(bench.store.cells()):
        inputs, results = cell.inputs, cell.results
        if inputs.attack is None or inputs.space is None or inputs.target is None:
            continue
        assert inputs.protection is not None
        merges = Merges(experiment, inputs.protection.name, inputs.target, inputs.seed)
        path = merges.path(inputs.attack.name, inputs.space.name, results.options)
        assert path is not None
        assert results.alpha is not None
        with deployed(bench.backbone, path, results.alpha):
            tested: CellResults = results_on_test(bench.evaluator)
        assert (tested.correct, tested.hits) == (results.correct, results.hits), inputs.attack.name


def test_another_rule_picks_among_all_searches(first, store) -> None:
    picked = replay(experiment_in(store), get_rule("target"))
    per_task = rows_of(picked, "per_task_coefficients:ta")
    assert len(per_task) == 4
    for row in per_task:
        # two rounds of two updates, never without the protected one, and alpha itself each time
        assert row.points == 4 * 1 + 2 * (2 + 3)


def test_a_race_is_not_replayed(store) -> None:
    with pytest.raises(InputError, match=r"protocol wide races.*use PROTOCOL=clean-exhaustive or"):
        replay(replace(experiment_in(store), protocol=WIDE), get_rule("target"))
