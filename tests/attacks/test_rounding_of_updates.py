"""What is rounding of the updates is left out in whatever precision they are merged."""

from __future__ import annotations

import pytest
import torch
from synthetic import attack, distance, low_rank, merge, problem

from attacks.parts.singular_vectors import rounding
from mergebench.contracts import Site
from mergebench.updates.update import LowRank


def moved(change: LowRank, by: float) -> LowRank:
    generator = torch.Generator().manual_seed(1)
    noise = [torch.randn(one.shape, generator=generator) for one in (change.up, change.down)]
    return LowRank(up=change.up + by * noise[0], down=change.down + by * noise[1])


@pytest.mark.parametrize("space", ["full", "core"])
@pytest.mark.parametrize("name", ["iso_c", "iso_cts", "svc", "wudi"])
def test_copies_up_to_rounding_merge_as_copies(name: str, space: str) -> None:
    """Their sum has rank 4: what it has besides is rounding of float32, in float64 coordinates."""
    (change,) = low_rank(40, 48, [4], dtype=torch.float32)
    near = [change, moved(change, 1e-6)]
    found, expected = merge(near, name, space), merge([change, change], name, space)
    assert distance(found, expected) < 1e-5
    rule = attack(name)
    noted = []
    for changes in (near, [change, change]):
        given = problem(changes, space)
        given.merge(rule)
        noted.append(given.notes(rule))
    assert noted[0] == pytest.approx(noted[1], abs=1e-4)


@pytest.mark.parametrize("name", ["iso_c", "wudi"])
def test_what_is_small_in_float64_counts(name: str) -> None:
    """The same difference between updates that are float64 is no rounding."""
    (change,) = low_rank(40, 48, [4])
    near = [change, moved(change, 1e-6)]
    assert distance(merge(near, name), merge([change, change], name)) > 0.5


def test_rounding_is_that_of_the_coarser() -> None:
    single, double = torch.zeros(1), torch.zeros(1, dtype=torch.float64)
    assert rounding(double, Site(name="alone", shape=(1, 1))) == torch.float64
    coarse = Site(name="fc1", shape=(1, 1), dtype=torch.float32)
    assert rounding(double, coarse) == torch.float32
    fine = Site(name="fc1", shape=(1, 1), dtype=torch.float64)
    assert rounding(single, fine) == torch.float32
    assert rounding(double, fine) == torch.float64


@pytest.mark.parametrize("name", ["tsv", "iso_c", "svc", "wudi"])
def test_a_weak_direction_counts_in_both_spaces_alike(name: str) -> None:
    """Above the rounding of coordinates of eight directions, below that of 400 rows."""
    (basis,) = low_rank(400, 300, [4], dtype=torch.float32)
    left, right = torch.linalg.qr(basis.up)[0], torch.linalg.qr(basis.down.T)[0].T
    spectra = torch.tensor([[1.0, 0.5, 0.2, 1e-5], [0.5, 1.0, 0.4, 1e-5]])
    changes = [LowRank(up=left * own, down=right) for own in spectra]
    full, core = (merge(changes, name, space) for space in ("full", "core"))
    assert distance(full, core) < 1e-5
    if name == "iso_c":
        assert int((torch.linalg.svdvals(full) > 0.1).sum()) == 4
