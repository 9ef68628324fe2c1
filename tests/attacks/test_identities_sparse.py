"""Breadcrumbs, DELLA and SCE against plain NumPy, and what defines them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_updates import BOTH_PRECISIONS, TOLERANCE, tasks, total
from synthetic import SITE, attack, dense, distance, merge, problem

from attacks.breadcrumbs import Breadcrumbs
from attacks.della import Della, _places
from attacks.parts.sparsification import count_thresholds
from attacks.sce import SCE
from mergebench.contracts import Site
from mergebench.errors import InputError
from mergebench.updates.update import Dense

Matrix = NDArray[np.float64]
SHAPES = pytest.mark.parametrize(
    "shape", [(9, 11), (6, 4, 3, 3), (48,)], ids=["matrix", "4d", "1d"]
)


def arrays(changes: list[Dense]) -> Matrix:
    return np.stack([change.delta.double().numpy() for change in changes])


# Breadcrumbs


def breadcrumbs(stack: Matrix, density: float, gamma: float) -> Matrix:
    result = np.zeros(stack[0].size)
    for update in stack:
        row = update.ravel()
        order = np.argsort(np.abs(row))
        kept, outliers = int(density * row.size), int(gamma * row.size)
        stop = row.size - outliers
        if kept > stop:
            stop = kept
        chosen = order[stop - kept : stop]
        result[chosen] += row[chosen]
    return result.reshape(stack.shape[1:])


@BOTH_PRECISIONS
@SHAPES
@pytest.mark.parametrize(
    ("density", "gamma"), [(0.9, 0.01), (0.3, 0.1), (0.95, 0.2), (1.0, 0.0), (0.0, 0.1)]
)
def test_breadcrumbs(
    dtype: torch.dtype, shape: tuple[int, ...], density: float, gamma: float
) -> None:
    changes = dense(shape, 4, dtype=dtype)
    expected = torch.from_numpy(breadcrumbs(arrays(changes), density, gamma))
    found = merge(changes, "breadcrumbs", density=density, gamma=gamma)
    assert distance(found, expected) < TOLERANCE[dtype]


def test_outliers_of_less_than_one_entry_are_none() -> None:
    """A slice that ends `gamma · d = 0` before the end would be empty."""
    changes = dense((5, 6), 3)
    found = merge(changes, "breadcrumbs", density=1.0, gamma=0.01)
    assert distance(found, total(changes)) < 1e-12


# DELLA


def della(stack: Matrix, options: dict[str, float], rescale: str) -> Matrix:
    """Return the sparse, rescaled updates, entry by entry."""
    site, result = Site(name=SITE, shape=(0, 0)), np.zeros_like(stack)
    density, epsilon = options["density"], options["epsilon"]
    for task, update in enumerate(stack):
        matrix = update if update.ndim == 2 else update.reshape(1, -1)
        draws = torch.rand(matrix.shape, generator=site.generator("della", task)).numpy()
        sparse = np.zeros_like(matrix)
        for i, row in enumerate(matrix):
            for rank, j in enumerate(np.argsort(np.abs(row))):
                keep = density - epsilon + 2 * epsilon * rank / (len(row) - 1)
                if draws[i, j] < keep:
                    sparse[i, j] = row[j] / (keep if rescale == "probability" else 1)
        if rescale == "norm":
            sparse *= np.abs(matrix).sum() / np.abs(sparse).sum()
        result[task] = sparse.reshape(update.shape)
    return result


@BOTH_PRECISIONS
@SHAPES
@pytest.mark.parametrize("rescale", ["probability", "norm"])
@pytest.mark.parametrize(("density", "epsilon"), [(0.6, 0.15), (0.3, 0.29)])
def test_della(
    dtype: torch.dtype, shape: tuple[int, ...], density: float, epsilon: float, rescale: str
) -> None:
    changes = dense(shape, 4, dtype=dtype)
    options = {"density": density, "epsilon": epsilon}
    sparse = della(arrays(changes), options, rescale)
    found = merge(changes, "della", rescale=rescale, elect=False, **options)
    assert distance(found, torch.from_numpy(sparse.sum(axis=0))) < TOLERANCE[dtype]
    elected = merge([Dense(delta=torch.from_numpy(one)) for one in sparse], "ties", top_k=100.0)
    assert distance(merge(changes, "della", rescale=rescale, **options), elected) < TOLERANCE[dtype]


@BOTH_PRECISIONS
@pytest.mark.parametrize("columns", [7, 33000])
def test_of_equal_magnitudes_in_a_row_the_first_is_the_lesser(
    dtype: torch.dtype, columns: int
) -> None:
    signs = torch.tensor([[1, -1, 0]], dtype=dtype).repeat(2, columns)[:, :columns]
    expected = signs.abs().argsort(dim=1, stable=True).argsort(dim=1)
    assert torch.equal(_places(signs).long(), expected)


def test_della_is_unbiased() -> None:
    """The mean over 2,000 seeds; four standard errors of the worst entry are 0.165."""
    update = torch.linspace(-2, 2, 8, dtype=torch.float64).reshape(1, 8)
    rule, mean = attack("della", density=0.4, elect=False), torch.zeros_like(update)
    for seed in range(2000):
        mean += rule.combine(update[None], Site(name=SITE, shape=(1, 8), seed=seed))[0] / 2000
    assert float((mean - update).abs().max()) < 0.165


def test_what_a_larger_density_keeps_contains_what_a_smaller_one_does() -> None:
    changes = dense((20, 30), 1)
    kept = [merge(changes, "della", density=density) != 0 for density in (0.2, 0.5, 0.8)]
    assert bool((kept[0] <= kept[1]).all())
    assert bool((kept[1] <= kept[2]).all())
    assert 0.15 < float(kept[0].double().mean()) < 0.25


def test_della_depends_on_the_seed_and_without_epsilon_not_on_magnitudes() -> None:
    changes = dense((20, 30), 2)
    rule = attack("della", epsilon=0.0, elect=False)
    first, second = (problem(changes, seed=seed).merge(rule).sites[SITE].dense() for seed in (0, 1))
    assert distance(first, second) > 0.1
    sizes = changes[0].delta.abs()
    kept = merge(changes[:1], "della", epsilon=0.0) != 0
    assert abs(float(sizes[kept].mean() / sizes[~kept].mean()) - 1) < 0.15


# SCE


def sce(stack: Matrix, select: float) -> Matrix:
    rows = stack.reshape(len(stack), -1)
    variance = rows.var(axis=0)
    count = int(np.count_nonzero(variance) * select)
    chosen = np.zeros(rows.shape[1], dtype=bool)
    chosen[np.argsort(-variance)[:count]] = True
    rows = rows * chosen
    weights = (rows**2).mean(axis=1)
    weights = weights / weights.sum()
    result = np.zeros(rows.shape[1])
    for j in np.flatnonzero(chosen):
        sign = 1 if rows[:, j].sum() >= 0 else -1
        agree = np.sign(rows[:, j]) == sign
        result[j] = (weights * agree * rows[:, j]).sum() / (weights * agree).sum()
    return result.reshape(stack.shape[1:])


@BOTH_PRECISIONS
@SHAPES
@pytest.mark.parametrize("select", [1.0, 0.4, 0.1])
def test_sce(dtype: torch.dtype, shape: tuple[int, ...], select: float) -> None:
    changes = dense(shape, 4, dtype=dtype)
    expected = torch.from_numpy(sce(arrays(changes), select))
    assert distance(merge(changes, "sce", select=select), expected) < TOLERANCE[dtype]


def test_sce_of_copies_and_of_one_update_is_the_update() -> None:
    update = dense((9, 11), 1)[0]
    for count in (1, 3):
        assert distance(merge([update] * count, "sce"), update.delta) < 1e-12


@pytest.mark.parametrize("select", [1.0, 0.99])
def test_sce_of_all_entries_keeps_those_on_which_all_updates_agree(select: float) -> None:
    changes = dense((9, 11), 3)
    for change in changes:
        change.delta[:, 2] = 0.1
    unanimous = merge(changes, "sce", select=select)[:, 2]
    expected = 0.1 if select == 1 else 0.0
    assert float((unanimous - expected).abs().max()) < 1e-12


def test_sce_does_not_depend_on_the_order() -> None:
    changes = dense((9, 11), 4)
    turned = merge([changes[i] for i in (2, 0, 3, 1)], "sce")
    assert distance(turned, merge(changes, "sce")) < 1e-12


# All of them


@pytest.mark.parametrize("name", ["breadcrumbs", "della", "sce"])
def test_scale(name: str) -> None:
    changes = tasks(torch.float64)
    for space in ("full", "core"):
        scaled = merge([change.scaled(1e-6) for change in changes], name, space)
        assert distance(scaled, 1e-6 * merge(changes, name, space)) < 1e-10


def test_as_many_entries_exceed_a_threshold_as_are_counted() -> None:
    rows = torch.stack([change.delta.flatten() for change in dense((7, 13), 2)])
    for count, thresholds in zip(
        (0, 1, 40, 91), count_thresholds(rows, [0, 1, 40, 91]), strict=True
    ):
        found = (rows.abs() > thresholds[:, None]).sum(dim=1)
        assert found.tolist() == [count, count]


@pytest.mark.parametrize(
    ("attack", "options", "message"),
    [
        (Breadcrumbs, {"density": 1.5}, "density is 1.5; give a number from 0 to 1"),
        (Breadcrumbs, {"gamma": -0.1}, "gamma is -0.1; give a number from 0 to 1"),
        (Della, {"density": 0.9}, "with epsilon 0.15 give one above 0.15 and below 0.85"),
        (Della, {"epsilon": 0.6}, "epsilon is 0.6; give a number from 0 to 0.5"),
        (Della, {"aggregation": "max"}, "choose from: mean, sum"),
        (Della, {"rescale": "l2"}, "choose from: probability, norm"),
        (SCE, {"select": 0.0}, "select is 0.0; give a share above 0 and up to 1"),
    ],
)
def test_wrong_options_are_refused(attack, options, message) -> None:
    with pytest.raises(InputError, match=message):
        attack(**options)
