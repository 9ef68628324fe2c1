"""What is drawn again: the same for all models and numbers, whatever they are about."""

from __future__ import annotations

import numpy as np
import pytest

from mergebench.measure import resampling
from mergebench.measure.resampling import RESAMPLES, Mixture, Resampling

SIZES = {"a": 30, "b": 41}


def test_as_many_targets_and_inputs_share_their_draws() -> None:
    first, second = Resampling(["a", "b"], SIZES), Resampling(["b", "a", "b"], SIZES)
    assert first._draws.inputs is second._draws.inputs, "drawn once"
    other = Resampling(["a"], SIZES)
    assert all(
        np.array_equal(other._draws.inputs[task], first._draws.inputs[task]) for task in SIZES
    )


def test_weights_are_shares_that_nobody_changes() -> None:
    sample = Resampling(["a", "b"], SIZES)
    for weights in (*sample._draws.inputs.values(), sample._draws.targets):
        assert len(weights) == RESAMPLES + 1
        assert np.allclose(weights.sum(axis=1), 1)
        assert np.ptp(weights[0]) == 0, "the measured ones count alike"
        with pytest.raises(ValueError, match="read-only"):
            weights[0, 0] = 2.0


def test_means_are_those_of_plain_sums_however_often_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of more models than are kept, in any order, and of models that differ in one input."""
    monkeypatch.setattr(resampling, "_KEPT", 2)
    resampling._draws.cache_clear()
    draws = np.random.default_rng(1)
    models: list[Mixture] = [{t: draws.random(n) < 0.5 for t, n in SIZES.items()} for _ in "123"]
    models.append({**models[0], "b": models[0]["b"] ^ (np.arange(41) == 7)})
    sample = Resampling(["a", "b"], SIZES)
    weights, targets = sample._draws.inputs, sample._draws.targets
    for first, second in [(0, 1), (0, 1), (2, 3), (3, 0), (1, 2)]:
        pair = {"a": models[first], "b": models[second]}
        by_task = {
            own: {task: weights[task] @ hits for task, hits in model.items()}
            for own, model in pair.items()
        }
        expected = {
            "target": [by_task[own][own] for own in pair],
            "others": [by_task["a"]["b"], by_task["b"]["a"]],
            "overall": [(by_task[own]["a"] + by_task[own]["b"]) / 2 for own in pair],
        }
        for part, parts in expected.items():
            found = sample.mean([*pair.values()], part)
            assert np.allclose(found, 100 * (targets * np.stack(parts, axis=1)).sum(axis=1))
    resampling._draws.cache_clear()
