"""Changes of given singular values, and what a merge of them is said to be doubtful for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from synthetic import dense
from torch import Tensor

from mergebench.contracts import InformedMerger, Merger
from mergebench.measure import DEGENERATE
from mergebench.measure.cell_warnings import degenerate_bases
from mergebench.merging import Problem


def doubts(given: Problem, made: Merger | InformedMerger) -> list[str]:
    """Return the warnings of the last merge, as a cell and `merge` have them."""
    found = list(degenerate_bases(given.notes(made), given.least_notes(made)))
    assert {warning.kind for warning in found} <= {DEGENERATE}
    return [warning.detail for warning in found]


def matrix(values: Sequence[float], shape: tuple[int, int] = (20, 30), seed: int = 0) -> Tensor:
    """Return a float64 matrix of these singular values, with random singular vectors."""
    rows, columns = (torch.linalg.qr(dense((n, n), 1, seed=seed)[0].delta)[0] for n in shape)
    given, count = torch.tensor(values, dtype=torch.float64), len(values)
    return rows[:, :count] * given @ columns[:, :count].T
