"""The measured costs as CSV, Markdown and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ledger import Ledger, Scaling
from matplotlib.figure import Figure
from page import mergers_page, merging_page
from subjects import OTHERS_ON, Costs

from mergebench.experiment.experiment import TABLE2
from mergebench.report.writing import write_csv, write_text

HEADER = (
    *("backbone", "attack", "space", "structures", "dense_first_s", "dense_point_s"),
    *("dense_grid_s", "fast_first_s", "fast_point_s", "fast_grid_s"),
)

COLOURS = {"ta": "C7", "ties": "C0", "dare_ties": "C1", "tsv": "C2", "cart": "C3"}
LINES = {"full": "-", "knots": "--", "core": ":"}


def write(ledger: Ledger, folder: Path) -> None:
    """Write `mergers.{md,csv}`, `merging.{md,csv}` and `scaling.{csv,svg}`, those measured."""
    folder.mkdir(parents=True, exist_ok=True)
    if ledger.others:
        others = [
            (*_row(OTHERS_ON, one.column, one.costs), f"{one.difference:.1e}")
            for one in ledger.others
        ]
        write_csv(folder / "mergers.csv", (*HEADER, "difference"), others)
        write_text(folder / "mergers.md", mergers_page(ledger.others))
    if replace(ledger, others=[]) != Ledger():
        models = [(b, c, ledger.model(b, c)) for b in ledger.backbones() for c in TABLE2]
        write_csv(folder / "merging.csv", HEADER, [_row(*model) for model in models])
        write_text(folder / "merging.md", merging_page(ledger))
    if ledger.scaling:
        scaling = [
            (*one.column.split("@"), one.count, one.rank, *_numbers(*_grids(one.costs)))
            for one in ledger.scaling
        ]
        header = ("attack", "space", "updates", "rank", "dense_grid_s", "fast_grid_s")
        write_csv(folder / "scaling.csv", header, scaling)
        _plot(ledger.scaling).savefig(folder / "scaling.svg", metadata={"Date": None})


def _row(backbone: str, column: str, costs: Costs) -> tuple[object, ...]:
    return (
        backbone,
        *column.split("@"),
        costs.structures,
        *_numbers(costs.dense_first, costs.dense_point, costs.dense_grid),
        *_numbers(costs.fast_first, costs.fast_point, costs.fast_grid),
    )


def _plot(scaling: Sequence[Scaling]) -> Figure:
    figure = Figure(figsize=(7, 3), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, label in zip(panels, ("updates $T$, rank 16", "rank $r$, 8 updates"), strict=True):
        by_count = "T" in label
        for column in dict.fromkeys(one.column for one in scaling):
            points = sorted(
                (one.count if by_count else one.rank, one.costs.fast_grid)
                for one in scaling
                if one.column == column and (one.rank == 16 if by_count else one.count == 8)
            )
            attack, space = column.split("@")
            look = {"color": COLOURS[attack], "linestyle": LINES[space]}
            axes.plot(*np.array(points).reshape(-1, 2).T, marker=".", label=column, **look)
        axes.loglog()
        axes.set_xticks(
            measured := sorted({one.count if by_count else one.rank for one in scaling})
        )
        axes.set_xticks([], minor=True)
        axes.set_xticklabels(measured)
        axes.set_xlabel(label)
    panels[0].set_ylabel("whole grid, fast (s)")
    panels[1].legend(frameon=False, fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _grids(costs: Costs) -> tuple[float, float]:
    return costs.dense_grid, costs.fast_grid


def _numbers(*values: float) -> list[str]:
    return [f"{value:.4g}" for value in values]
