"""Counts from which tables are made, and the tables as tests read them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pandas as pd

from mergebench.measure.measurements import Context, Measurements, Merged, Standalone
from mergebench.report import (
    print_table1,
    print_table2,
    write_table2,
)
from mergebench.terminal import make_console

TASKS = ("digits", "flags", "kana")
SIZES = {"digits": 200, "flags": 100, "kana": 50}
ZERO_SHOT = {"digits": 80, "flags": 30, "kana": 10}  # 40, 30, 20 %: mean 30
FINE_TUNED = {"digits": 180, "flags": 80, "kana": 35}  # 90, 80, 70 %: mean 80
TRAPPED = {"digits": 178, "flags": 79, "kana": 34}  # 89, 79, 68 %: mean 78.67
CONTEXT = Context(
    command="mergebench table2 --tasks digits",
    date="2026-03-01",
    backbone="mini_vit",
    backbone_sha256="a1" * 32,
    suite="mini8",
    suite_sha256="b2" * 32,
    tasks=TASKS,
    protocol="paper",
    seeds=(0,),
    precision="bf16",
    device="cpu",
    versions={"torch": "2.14.1", "mergebench": "0.1.0"},
    revisions=("0123456789ab",),
    notes=("Half of a note & 100 % of it.",),
)


def standalone(release: str, correct: dict[str, int], seed: int = 0) -> list[Standalone]:
    return [
        Standalone(seed=seed, release=release, task=task, correct=correct[task], size=SIZES[task])
        for task in correct
    ]


def merged(
    protection: str, target: str | None, correct: tuple[int, int, int], **changes: object
) -> Merged:
    merge = Merged(
        seed=0,
        protection=protection,
        target=target,
        attack="ta",
        space="full",
        alpha=0.1 if target else 0.3,
        options={},
        points=99,
        correct=dict(zip(TASKS, correct, strict=True)),
        sizes=SIZES,
    )
    return replace(merge, **changes)  # type: ignore[arg-type]


UNPROTECTED = merged("none", None, (100, 40, 15))  # 50, 40, 30 %: mean 40
TARGETED = (
    merged("trap2", "digits", (20, 40, 15)),  # target 10 %, others 40 and 30
    merged("trap2", "flags", (100, 8, 15)),  # target 8 %, others 50 and 30
    merged("trap2", "kana", (100, 40, 3)),  # target 6 %, others 50 and 40
)
MEASUREMENTS = Measurements(
    context=CONTEXT,
    standalone=(
        *standalone("trap2", TRAPPED),
        *standalone("none", FINE_TUNED),
        *standalone("zero_shot", ZERO_SHOT),
    ),
    merged=(*TARGETED, UNPROTECTED),
)


def cells(folder: Path, measurements: Measurements) -> pd.DataFrame:
    write_table2(measurements, folder)
    return pd.read_csv(folder / "table2.csv").set_index(["protection", "attack", "space"])


def printed(measurements: Measurements, *, width: int = 120) -> str:
    console = make_console(io.StringIO(), width=width)
    print_table1(measurements, console)
    print_table2(measurements, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
