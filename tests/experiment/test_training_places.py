"""Where updates were trained: kept with them, and said where they are measured elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from miniature import FEW_IMAGES, LITTLE, PROTOCOL, TASKS
from rich.console import Console

from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.release_records import RECORD_NAME
from mergebench.experiment.runner import measure_standalone
from mergebench.measure import cell
from mergebench.progress import Silent

SAID = "Updates were trained elsewhere than measured: cpu (an older processor)."


def experiment_in(store: Path) -> Experiment:
    experiment_module._workbench.cache_clear()
    return Experiment(
        backbone="mini_vit",
        setting=LITTLE,
        protocol=PROTOCOL,
        seeds=(0,),
        store=store,
        command="mergebench table1",
        tasks=TASKS[:1],
        protections=(),
        plugins=(FEW_IMAGES,),
    )


def notes(store: Path) -> tuple[str, ...]:
    monitor = Monitor(Console(quiet=True))
    return measure_standalone(experiment_in(store), monitor, processes=1).context.notes


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_caption_says_where_updates_were_trained_if_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    with monkeypatch.context() as patch:
        if elsewhere:
            patch.setattr(cell, "device_name", lambda device: "an older processor")
        experiment_in(tmp_path).workbench().release("none", TASKS[0], 0, Silent())
    (file,) = tmp_path.glob(f"releases/*/{RECORD_NAME}")
    run = json.loads(file.read_text())["run"]
    assert (run["device_name"] == "an older processor") == elsewhere
    assert run["seconds"] > 0
    assert {"torch", "mergebench"} <= run["versions"].keys()
    assert (SAID in notes(tmp_path)) == elsewhere
    assert (SAID in notes(tmp_path)) == elsewhere  # of what is recalled
    experiment_module._workbench.cache_clear()
