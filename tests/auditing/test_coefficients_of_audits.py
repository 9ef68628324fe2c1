"""Which coefficients an audit lets a merger choose: a merge has the adapter in it."""

from __future__ import annotations

import numpy as np
import pytest
from audited import SHAPES, change_of, low_rank, network

from mergebench.auditing.deployment import Deployment
from mergebench.auditing.search import ALPHAS, Merges


class _RuinedByAnyChange:
    """A model that has everything right as long as nobody changes its weights."""

    name, sha256, tasks = "ruined", None, ("own", "other")

    def __init__(self) -> None:
        self._model = network()
        self.parameters = {name: self._model.get_submodule(name).weight for name in SHAPES}

    def hits(self, split, tasks=None):
        size = sum(float(one.norm()) for one in change_of(self._model).values())
        right = np.arange(100) >= 10 * size
        return dict.fromkeys(tasks or self.tasks, right)


@pytest.mark.parametrize(
    ("attack", "whose", "alpha"),
    [
        *((name, "adapter", ALPHAS[1]) for name in ("ta@full", "ties@full", "tsv@full")),
        ("hold:ta@full", "adapter", 0.0),
        ("leave_out:ta@full", "left out", 0.0),
    ],
)
def test_only_who_holds_or_leaves_the_adapter_out_may_merge_nothing_else(attack, whose, alpha):
    source = _RuinedByAnyChange()
    with Deployment(source.parameters) as deployment:
        merges = Merges(source, deployment, [low_rank(1), low_rank(2)], known=True)
        found = merges.of(attack, low_rank(0), whose=whose).merge
    assert found.alpha == alpha
    if whose == "adapter":
        assert found.own_share != 0
