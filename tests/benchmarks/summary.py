"""The measured costs as CSV, Markdown and a plot."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from subjects import ALPHAS, SITES, Costs, Shape, total

from mergebench.experiment import TABLE2
from mergebench.report.writing import write_csv, write_text

COMMAND = "make bench"
HEADER = (
    *("backbone", "attack", "space", "structures", "dense_first_s", "dense_point_s"),
    *("dense_grid_s", "fast_first_s", "fast_point_s", "fast_grid_s"),
)


@dataclass(frozen=True, kw_only=True)
class SiteCosts:
    """Costs of one site of a backbone."""

    backbone: str
    shape: Shape
    column: str
    costs: Costs


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Costs of one 768 x 768 site with `count` updates of `rank`."""

    column: str
    count: int
    rank: int
    costs: Costs


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Peak bytes over the inputs while `sites` sites are merged in Full space."""

    attack: str
    sites: int
    dense: int
    fast: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Images per second of an evaluation on one thread."""

    backbone: str
    stem_kept: bool
    images_per_second: float


@dataclass(kw_only=True)
class Ledger:
    """What one session measured. `alphas`: seconds by backbone; `loading`: images per second."""

    sites: list[SiteCosts] = field(default_factory=list)
    scaling: list[Scaling] = field(default_factory=list)
    alphas: dict[str, float] = field(default_factory=dict)
    memory: list[Memory] = field(default_factory=list)
    evaluation: list[Evaluation] = field(default_factory=list)
    loading: list[float] = field(default_factory=list)

    def backbones(self) -> list[str]:
        """Return the backbones of which every site and column was measured."""
        there = {(one.backbone, one.shape, one.column) for one in self.sites}
        return [
            backbone
            for backbone, shapes in SITES.items()
            if all((backbone, shape, column) in there for shape in shapes for column in TABLE2)
        ]

    def model(self, backbone: str, column: str) -> Costs:
        """Return the costs of all sites of a backbone, each shape of which must be there."""
        return total(
            [
                one.costs.times(SITES[backbone][one.shape])
                for one in self.sites
                if (one.backbone, one.column) == (backbone, column)
            ]
        )


def write(ledger: Ledger, folder: Path) -> None:
    """Write `merging.csv`, `scaling.csv`, `merging.md` and `scaling.svg` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    models = [(b, c, ledger.model(b, c)) for b in ledger.backbones() for c in TABLE2]
    rows = [
        (
            backbone,
            *column.split("@"),
            costs.structures,
            *_numbers(costs.dense_first, costs.dense_point, costs.dense_grid),
            *_numbers(costs.fast_first, costs.fast_point, costs.fast_grid),
        )
        for backbone, column, costs in models
    ]
    write_csv(folder / "merging.csv", HEADER, rows)
    scaling = [
        (*one.column.split("@"), one.count, one.rank, *_numbers(*_grids(one.costs)))
        for one in ledger.scaling
    ]
    header = ("attack", "space", "updates", "rank", "dense_grid_s", "fast_grid_s")
    write_csv(folder / "scaling.csv", header, scaling)
    write_text(folder / "merging.md", "\n".join(_markdown(ledger)) + "\n")
    _plot(ledger.scaling).savefig(folder / "scaling.svg", metadata={"Date": None})


def _markdown(ledger: Ledger) -> Iterator[str]:
    yield "# Cost of merging"
    yield ""
    yield (
        f"Written by `{COMMAND}`: one thread of {_processor()}, torch {torch.__version__}, NumPy "
        f"{np.__version__}; medians, both ways in turns in one process. *Dense*: the formulas in "
        "float64 NumPy on dense updates (`tests/oracle.py`), a space's components kept between "
        f"merges, merged again at each of {ALPHAS} alphas. *Fast*: this package, float32 adapters, "
        "one merge whatever the number of alphas. 8 updates of rank 16; one site of each shape is "
        "timed and counted as often as the backbone has it. Seconds, forward passes excluded. "
        "*Point*: one more merge; *first*: the space's components and one merge; *grid*: all "
        "alphas at the defaults, then every structural point."
    )
    for backbone in ledger.backbones():
        yield from ["", f"## {backbone}", ""]
        yield from _merging_table(ledger, backbone)
    yield from ["", "## A further alpha", "", "| backbone | ms |", "|---|--:|"]
    yield from (f"| {name} | {1000 * value:.0f} |" for name, value in ledger.alphas.items())
    yield from ["", "## Peak memory in Full space", ""]
    yield "Resident memory over the inputs, 768 x 768 sites."
    yield from ["", "| attack | sites | dense, MB | fast, MB | ratio |", "|---|--:|--:|--:|--:|"]
    for one in ledger.memory:
        megabytes = f"{one.dense / 1e6:.0f} | {one.fast / 1e6:.0f}"
        yield f"| {one.attack} | {one.sites} | {megabytes} | {one.dense / one.fast:.1f} |"
    yield from ["", "## Evaluation and loading", "", "| | images/s |", "|---|--:|"]
    for speed in ledger.evaluation:
        stem = "kept" if speed.stem_kept else "recomputed"
        yield f"| {speed.backbone}, bf16, stem {stem} | {speed.images_per_second:.0f} |"
    if ledger.loading:
        yield f"| loading and verifying `mini8` | {np.median(ledger.loading):.0f} |"
    yield from ["", "## Against the number of updates T and their rank r", ""]
    yield "Ratio dense / fast of the whole grid on one 768 x 768 site (`scaling.svg`)."
    yield ""
    yield from _scaling_table(ledger.scaling)


def _merging_table(ledger: Ledger, backbone: str) -> Iterator[str]:
    yield (
        "| attack @ space | point: dense | fast | ratio | first: ratio "
        "| grid: dense | fast | ratio |"
    )
    yield "|---" + "|--:" * 7 + "|"
    dense = fast = 0.0
    for column in TABLE2:
        costs = ledger.model(backbone, column)
        ratios = [
            costs.dense_point / costs.fast_point,
            costs.dense_first / costs.fast_first,
            costs.dense_grid / costs.fast_grid,
        ]
        yield (
            f"| {column} | {costs.dense_point:.3g} | {costs.fast_point:.3g} | {ratios[0]:.1f} "
            f"| {ratios[1]:.1f} | {costs.dense_grid:.3g} | {costs.fast_grid:.3g} "
            f"| {ratios[2]:.0f} |"
        )
        if column != "tsv@full":
            dense, fast = dense + costs.dense_grid, fast + costs.fast_grid
    yield f"| all but tsv@full | | | | | {dense:.3g} | {fast:.3g} | {dense / fast:.0f} |"


def _scaling_table(scaling: Sequence[Scaling]) -> Iterator[str]:
    settings = list(dict.fromkeys((one.count, one.rank) for one in scaling))
    heads = [f"T {count}, r {rank}" for count, rank in settings]
    yield " | ".join(["| attack @ space", *heads]) + " |"
    yield "|---" + "|--:" * len(settings) + "|"
    for column in TABLE2:
        own = {(one.count, one.rank): one.costs for one in scaling if one.column == column}
        ratios = [own[key].dense_grid / own[key].fast_grid for key in settings]
        yield f"| {column} | " + " | ".join(f"{ratio:.1f}" for ratio in ratios) + " |"


def _plot(scaling: Sequence[Scaling]) -> Figure:
    figure = Figure(figsize=(7, 3), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, label in zip(panels, ("updates $T$, rank 16", "rank $r$, 8 updates"), strict=True):
        by_count = "T" in label
        for column in TABLE2:
            points = sorted(
                (one.count if by_count else one.rank, one.costs.fast_grid)
                for one in scaling
                if one.column == column and (one.rank == 16 if by_count else one.count == 8)
            )
            axes.loglog(*zip(*points, strict=True), marker=".", linewidth=1, label=column)
        axes.set_xlabel(label)
    panels[0].set_ylabel("whole grid, fast (s)")
    panels[1].legend(frameon=False, fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _grids(costs: Costs) -> tuple[float, float]:
    return costs.dense_grid, costs.fast_grid


def _numbers(*values: float) -> list[str]:
    return [f"{value:.4g}" for value in values]


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
