"""What is drawn again: the same for all models and numbers, whatever they are about."""

from __future__ import annotations

import numpy as np
import pytest

from mergebench.measure.resampling import RESAMPLES, Resampling

SIZES = {"a": 30, "b": 41}


def test_as_many_targets_and_inputs_share_their_draws() -> None:
    first, second = Resampling(["a", "b"], SIZES), Resampling(["b", "a", "b"], SIZES)
    assert first._inputs is second._inputs, "drawn once"
    other = Resampling(["a"], SIZES)
    assert all(np.array_equal(other._inputs[task], first._inputs[task]) for task in SIZES)


def test_weights_are_shares_that_nobody_changes() -> None:
    sample = Resampling(["a", "b"], SIZES)
    for weights in (*sample._inputs.values(), sample._weights):
        assert len(weights) == RESAMPLES + 1
        assert np.allclose(weights.sum(axis=1), 1)
        assert np.ptp(weights[0]) == 0, "the measured ones count alike"
        with pytest.raises(ValueError, match="read-only"):
            weights[0, 0] = 2.0
