"""The measured costs as Markdown pages; what was not measured has no section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from ledger import Ledger, Merged, Scaling
from subjects import ALPHAS, SHORT, Costs

from mergebench.device import processor_name
from mergebench.experiment.experiment import TABLE2

COMMAND = "make bench"
OF_MERGERS = "make bench BENCH=tests/benchmarks/test_cost_of_other_mergers.py"
"""What measures no more than the page of mergers shows."""


def merging_page(ledger: Ledger) -> str:
    """Return the page of the columns of table 2, and of all else that merging them asks for."""
    return "\n".join(_merging(ledger)) + "\n"


def mergers_page(others: Sequence[Merged]) -> str:
    """Return the page of the other attacks."""
    return "\n".join(_others(others)) + "\n"


def _merging(ledger: Ledger) -> Iterator[str]:
    yield from _head("Cost of merging", COMMAND)
    for backbone in ledger.backbones():
        yield from ["", f"## {backbone}", ""]
        yield from _merging_table(ledger, backbone)
    if ledger.scaling:
        yield from ["", "## Against the number of updates T and their rank r", ""]
        yield "Ratio dense / fast of the whole grid on one 768 x 768 site (`scaling.svg`)."
        yield ""
        yield from _scaling_table(ledger.scaling)
    if ledger.alphas:
        yield from ["", "## A further alpha", "", "| backbone | ms |", "|---|--:|"]
        yield from (f"| {name} | {1000 * value:.0f} |" for name, value in ledger.alphas.items())
    if ledger.memory:
        yield from _memory(ledger)
    if ledger.evaluation or ledger.loading:
        yield from _evaluation(ledger)
    if ledger.precision:
        yield from _precision(ledger)
    if ledger.alternatives:
        yield from _alternatives(ledger)


def _head(title: str, command: str) -> Iterator[str]:
    yield f"# {title}"
    yield ""
    yield (
        f"Written by `{command}`: one thread of {processor_name()}, torch {torch.__version__}, "
        f"NumPy {np.__version__}; processor time, medians, both ways in turns in one process. "
        "*Dense*: the formulas in float64 NumPy on dense updates (`tests/support/oracle.py`), a "
        "space's components kept between merges, merged again at each of "
        f"{ALPHAS} alphas. *Fast*: this package, float32 adapters, one merge whatever the number "
        "of alphas. 8 updates of rank 16; one site of each "
        "shape is timed and counted as often as the backbone has it. Seconds, forward passes "
        "excluded. *Point*: one more merge, components at hand (the mean of several where one "
        f"takes under {1000 * SHORT:.0f} ms and there is no structural point); *first*: components "
        "and one merge; *grid*: all alphas at the defaults, then every structural point."
    )


def _merging_table(ledger: Ledger, backbone: str) -> Iterator[str]:
    yield from _table_head()
    dense = fast = 0.0
    for column in TABLE2:
        costs = ledger.model(backbone, column)
        yield _row(column, costs)
        if column != "tsv@full":
            dense, fast = dense + costs.dense_grid, fast + costs.fast_grid
    yield f"| all but tsv@full | | | | | {dense:.3g} | {fast:.3g} | {dense / fast:.0f} |"


def _table_head(*more: str) -> list[str]:
    first = "| attack @ space | point: dense | fast | ratio | first: ratio "
    head = f"{first}| grid: dense | fast | ratio |" + "".join(f" {one} |" for one in more)
    return [head, "|---" + "|--:" * (7 + len(more)) + "|"]


def _row(column: str, costs: Costs) -> str:
    ratios = [
        costs.dense_point / costs.fast_point,
        costs.dense_first / costs.fast_first,
        costs.dense_grid / costs.fast_grid,
    ]
    return (
        f"| {column} | {costs.dense_point:.3g} | {costs.fast_point:.3g} | {ratios[0]:.1f} "
        f"| {ratios[1]:.1f} | {costs.dense_grid:.3g} | {costs.fast_grid:.3g} | {ratios[2]:.3g} |"
    )


def _others(others: Sequence[Merged]) -> Iterator[str]:
    yield from [*_head("Cost of the mergers beyond table 2, ViT-L/14", OF_MERGERS), ""]
    yield (
        "Here is every merger and space beyond table 2, and the informed attacks that compute "
        "something themselves, on task arithmetic; hold, hold_layers and leave_out cost "
        "what their rule does on the updates that they merge, and realign is a dense formulation "
        "itself, of checkpoints. Iterated WUDI takes hundreds of gradients of what WUDI solves in "
        "any formulation, and attacks that look at inputs spend their time on these: neither is "
        "here. Dense: `tests/benchmarks/dense_rules.py`, "
        "`informed_subjects.py`. *Difference*: of both results, in float64, the largest as a share "
        "of the largest entry. A grid that is slower than the dense one fails `make bench`."
    )
    yield from ["", *_table_head("difference")]
    yield from (f"{_row(one.column, one.costs)} {one.difference:.0e} |" for one in others)


def _scaling_table(scaling: Sequence[Scaling]) -> Iterator[str]:
    settings = list(dict.fromkeys((one.count, one.rank) for one in scaling))
    heads = [f"T {count}, r {rank}" for count, rank in settings]
    yield " | ".join(["| attack @ space", *heads]) + " |"
    yield "|---" + "|--:" * len(settings) + "|"
    for column in dict.fromkeys(one.column for one in scaling):
        own = {(one.count, one.rank): one.costs for one in scaling if one.column == column}
        ratios = [
            f"{own[key].dense_grid / own[key].fast_grid:.1f}" if key in own else ""
            for key in settings
        ]
        yield f"| {column} | " + " | ".join(ratios) + " |"


def _memory(ledger: Ledger) -> Iterator[str]:
    yield from ["", "## Peak memory in Full space", ""]
    yield "Resident memory over the inputs, 768 x 768 sites."
    yield from ["", "| attack | sites | dense, MB | fast, MB | ratio |", "|---|--:|--:|--:|--:|"]
    for one in ledger.memory:
        megabytes = f"{one.dense / 1e6:.0f} | {one.fast / 1e6:.0f}"
        yield f"| {one.attack} | {one.sites} | {megabytes} | {one.dense / one.fast:.1f} |"


def _evaluation(ledger: Ledger) -> Iterator[str]:
    yield from ["", "## Evaluation and loading", "", "| | images/s |", "|---|--:|"]
    for speed in ledger.evaluation:
        yield f"| {speed.backbone}, {speed.how} | {speed.images_per_second:.0f} |"
    if ledger.loading:
        yield f"| loading and verifying `mini8` | {np.median(ledger.loading):.0f} |"


def _precision(ledger: Ledger) -> Iterator[str]:
    yield from ["", "## What bf16 does to counts", ""]
    yield (
        "Correct test images of `mini8`, of the backbone and of merges of the kept adapters "
        "(`results/baselines/mini_vit`)."
    )
    yield from ["", "| | images | bf16 | float32 | predictions that differ |"]
    yield "|---" + "|--:" * 4 + "|"
    for one in ledger.precision:
        counts = f"{one.images} | {one.bf16} | {one.fp32} | {one.differing}"
        yield f"| {one.backbone}, {one.update} | {counts} |"


def _alternatives(ledger: Ledger) -> Iterator[str]:
    yield from ["", "## As it is done, and as it could be", ""]
    yield from ["| | as it is, ms | alternative, ms |", "|---|--:|--:|"]
    for one in ledger.alternatives:
        yield f"| {one.what} | {1000 * one.done:.3g} | {1000 * one.alternative:.3g} |"
