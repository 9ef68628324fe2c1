"""A record of gpu-check with numbers that are easy to check by hand."""

from __future__ import annotations

from mergebench.experiment import TABLE2
from mergebench.gpu_check.record import (
    AlphaTime,
    Entry,
    EvaluationSpeed,
    Machine,
    MatrixSpeed,
    MergeTime,
    Missed,
    Outcome,
    Record,
    TableRun,
    TrainingSpeed,
)

MACHINE = Machine(
    device="ACME X|1 <80GB>",
    kind="cuda",
    processor="ACME CPU",
    cores=16,
    memory=80 * 2**30,
    python="3.12.3",
    torch="2.11.0",
    cuda="13.0",
    code="unknown",
    date="2026-11-27",
)


def entries() -> list[Entry]:
    """Return entries of every kind, those of vit_l14 complete enough to predict its tables."""
    return [
        Outcome(test="test_a.py::test_one[x]", outcome="passed"),
        Outcome(test="test_a.py::test_two", outcome="failed"),
        MatrixSpeed(precision="bf16", side=8192, flops=500e12),
        EvaluationSpeed(
            backbone="vit_l14",
            precision="bf16",
            images=1024,
            images_per_second=1000.0,
            flop_per_image=160e9,
        ),
        *(
            TrainingSpeed(
                backbone="vit_l14",
                protection=protection,
                precision="bf16",
                batch=32,
                step_seconds=seconds,
                flop_per_step=16e12,
                peak_bytes=12 * 2**30,
            )
            for protection, seconds in (("none", 0.1), ("trap2", 0.25))
        ),
        *(
            MergeTime(
                backbone="vit_l14",
                column=column,
                device="cpu",
                timed=1,
                sites=96,
                structures=10,
                first=4.0,
                point=1.0,
                grid=14.0,
            )
            for column in TABLE2
        ),
        AlphaTime(backbone="vit_l14", device="cuda", bytes=400_000_000, seconds=0.001),
        TableRun(
            backbone="mini_vit", stage="merges", done=60, wanted=117, processes=8, seconds=99.5
        ),
        Missed(part="speeds", what="all speeds of convnext", why="the time of this part was over"),
    ]


def record(*without: type[Entry]) -> Record:
    """Return the record, without the entries of these kinds."""
    kept = [entry for entry in entries() if not isinstance(entry, without)]
    return Record(machine=MACHINE, size="full", budget=420, entries=kept)
