"""One run of a small experiment on a store that other runs may share."""

from __future__ import annotations

from pathlib import Path

from miniature import FEW_IMAGES, LITTLE, PROTOCOL, TASKS
from rich.console import Console

from mergebench.experiment.experiment import Experiment
from mergebench.experiment.monitor import Monitor
from mergebench.experiment.runner import measure_merges
from mergebench.report import write_table2
from mergebench.train import record


def measure_in(store: Path, out: Path) -> None:
    """Measure what `store` lacks; leave in `out` the tables, what was shown, and a count.

    Trainings of this process record three scales from now on.
    """
    record.CURVE_SCALES = (0.0, 1.0, 2.0)  # fixtures do not reach a process of its own
    experiment = Experiment(
        backbone="mini_vit",
        setting=LITTLE,
        protocol=PROTOCOL,
        seeds=(0,),
        store=store,
        command="mergebench table2",
        tasks=TASKS,
        attacks=("ta@full", "tsv@full"),
        plugins=(FEW_IMAGES,),
    )
    out.mkdir(parents=True)
    with (out / "shown.txt").open("w", buffering=1) as shown:
        measured = measure_merges(experiment, Monitor(Console(file=shown, width=200)), processes=1)
    write_table2(measured, out / "tables")
    (out / "measured.txt").write_text(str(experiment.workbench().measured))
