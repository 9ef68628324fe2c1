"""Iso-C, Iso-CTS, SVC and WUDI against fusion-bench (extra `parity`)."""

from __future__ import annotations

import pytest
import torch
from public_conventions import SHAPE, fusion, ours
from synthetic import dense, distance, low_rank
from torch import Tensor

KERNEL = (6, 1, 3, 3)
SMALLER = min(SHAPE)


def full_rank(count: int) -> list[Tensor]:
    return [change.delta for change in dense(SHAPE, count)]


@pytest.mark.parametrize("count", [1, 3, 5])
def test_fusion_bench_iso_c(count: int) -> None:
    merge, given = fusion("isotropic_merging.iso_utils").iso_c, full_rank(count)
    theirs = merge([{"weight": each} for each in given], accelerator="cpu")["weight"]
    assert distance(ours("iso_c", given), theirs) < 1e-10


def test_fusion_bench_iso_c_gives_null_directions_of_low_rank_weight() -> None:
    """Its mean is over all singular values, and what is rounding gets it as well."""
    merge = fusion("isotropic_merging.iso_utils").iso_c
    given = [change.dense() for change in low_rank(*SHAPE, [2, 3])]
    theirs = merge([{"weight": each} for each in given], accelerator="cpu")["weight"]
    found = ours("iso_c", given)
    left, _, right = torch.linalg.svd(found)
    assert distance(theirs @ right[:5].T, found @ right[:5].T * (5 / SMALLER)) < 1e-10
    beside = left[:, 5:].T @ theirs @ right[5:].T
    assert float(beside.norm() / theirs.norm()) == pytest.approx((1 - 5 / SMALLER) ** 0.5)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("common", [0.1, 0.5, 0.8, 1.0])
def test_fusion_bench_iso_cts(count: int, common: float) -> None:
    merge, given = fusion("isotropic_merging.iso_utils").iso_cts, full_rank(count)
    vectors = [{"weight": each} for each in given]
    theirs = merge(vectors, common_space_fraction=common, accelerator="cpu")["weight"]
    assert distance(ours("iso_cts", given, common=common), theirs) < 1e-10


def test_fusion_bench_iso_cts_takes_directions_that_are_rounding() -> None:
    """Of low-rank updates it is Iso-C here; there, the other triples are arbitrary vectors."""
    merge = fusion("isotropic_merging.iso_utils").iso_cts
    given = [change.dense() for change in low_rank(*SHAPE, [2, 3])]
    vectors = [{"weight": each} for each in given]
    theirs = merge(vectors, common_space_fraction=0.8, accelerator="cpu")["weight"]
    assert distance(ours("iso_cts", given), ours("iso_c", given)) < 1e-10
    assert int(torch.linalg.matrix_rank(theirs)) == SMALLER


def test_fusion_bench_iso_cts_cannot_round_up_beyond_all_directions() -> None:
    """24 / 5 of each task are rounded to 5, which are 25; we take 4, as of (24 - 4) / 5."""
    merge, given = fusion("isotropic_merging.iso_utils").iso_cts, full_rank(5)
    vectors = [{"weight": each} for each in given]
    with pytest.raises(RuntimeError, match="size of the tensor"):
        merge(vectors, common_space_fraction=0.0, accelerator="cpu")
    assert torch.equal(ours("iso_cts", given, common=0.0), ours("iso_cts", given, common=0.17))


@pytest.mark.parametrize("name", ["iso_c", "iso_cts"])
def test_fusion_bench_averages_what_is_no_matrix(name: str) -> None:
    merge = getattr(fusion("isotropic_merging.iso_utils"), name)
    given = [change.delta for change in dense(KERNEL, 4)]
    options = {"common_space_fraction": 0.8} if name == "iso_cts" else {}
    theirs = merge([{"weight": each} for each in given], accelerator="cpu", **options)["weight"]
    assert distance(ours(name, given), theirs) < 1e-10


@pytest.mark.parametrize("least", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("after", ["ta", "tsv"])
def test_fusion_bench_svc(after: str, least: float) -> None:
    """There as a change of whole weights, and with a floor that is 1 by default."""
    rule = fusion("singular_value_calibration.utils").subspace_consistency_spectral_calibration
    given, base = full_rank(5), torch.zeros(SHAPE, dtype=torch.float64)
    theirs = rule(base, given, ours(after, given), alpha=least, accelerator=torch.device("cpu"))
    assert distance(ours("svc", given, after=after, least=least), theirs) < 1e-10


@pytest.mark.parametrize("steps", [1, 300])
def test_fusion_bench_wudi(steps: int) -> None:
    """Small updates, of which 300 steps of 1e-5 make something else."""
    merge, given = fusion("wudi.wudi").wudi_merging, [1e-3 * each for each in full_rank(4)]
    vectors = [{"weight": each} for each in given]
    theirs = merge(vectors, accelerator="cpu", iter_num=steps)["weight"].detach()
    assert distance(ours("wudi", given, form="iterated", steps=steps), theirs) < 1e-10
    moved = distance(ours("ta", given), theirs)
    assert moved > (0.1 if steps == 300 else 1e-3)


def test_fusion_bench_wudi_steps_towards_the_closed_form() -> None:
    """It starts at the sum and, of updates of a usual size, stays there; ours solves."""
    merge, given = fusion("wudi.wudi").wudi_merging, full_rank(4)
    theirs = merge([{"weight": each} for each in given], accelerator="cpu")["weight"].detach()
    assert distance(ours("ta", given), theirs) < 0.01
    assert distance(ours("wudi", given), theirs) > 0.1


def test_fusion_bench_wudi_averages_what_is_no_matrix() -> None:
    merge, given = fusion("wudi.wudi").wudi_merging, [one.delta for one in dense(KERNEL, 4)]
    theirs = merge([{"weight": each} for each in given], accelerator="cpu")["weight"].detach()
    for form in ("closed", "iterated"):
        assert distance(ours("wudi", given, form=form), theirs) < 1e-10
