"""Whoever measures again, on however many processes, finds equal results in every cell."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from miniature import FEW_IMAGES, PROTOCOL, SETTING, TASKS
from rich.console import Console

from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import measure_merges, measure_standalone
from mergebench.experiment.store import Store
from mergebench.measure.cell import CellResults

Measured = tuple[dict[str, CellResults], dict[str, bytes]]


def measured(store: Path, *, processes: int) -> Measured:
    """Return the results of all cells by key, and the adapters by name, of a new store."""
    experiment_module._workbench.cache_clear()
    experiment = Experiment(
        backbone="mini_vit",
        setting=SETTING,
        protocol=PROTOCOL,
        seeds=(0,),
        store=store,
        command="mergebench table2",
        tasks=TASKS,
        attacks=("ta@full", "dare_ties@core", "tsv@knots"),
        plugins=(FEW_IMAGES,),
    )
    monitor = Monitor(Console(file=StringIO()))
    measure_standalone(experiment, monitor, processes=processes, curves=True)
    measure_merges(experiment, monitor, processes=processes)
    results = {cell.key: cell.results for cell in Store(store / "cells").cells()}
    adapters = (store / "releases").glob("*/adapter_model.safetensors")
    return results, {file.parent.name: file.read_bytes() for file in adapters}


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Measured:
    return measured(tmp_path_factory.mktemp("first"), processes=1)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_another_run_gives_equal_results_in_every_cell(tmp_path, first, processes):
    results, adapters = measured(tmp_path, processes=processes)
    assert len(adapters) == 4
    assert adapters == first[1]
    assert len(results) == 1 + 2 * 4 + 2 + 3 * 3  # zero-shot, alone and curves, norms, merges
    assert results == first[0]
    assert any(one.hits and one.points for one in results.values())
