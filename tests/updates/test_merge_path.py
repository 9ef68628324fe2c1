"""What a merge is at a coefficient, and how large it is."""

from __future__ import annotations

import pytest
import torch
from synthetic import dense, low_rank

from mergebench.updates import MergePath, Update

DIRECTION = Update(sites={"one": low_rank(8, 9, [2])[0], "two": dense((4, 5), 1)[0]})
FIXED = Update(sites={"one": low_rank(8, 9, [3], seed=1)[0], "three": dense((6,), 1, seed=2)[0]})


@pytest.mark.parametrize("alpha", [-1.5, 0.0, 0.3])
@pytest.mark.parametrize("fixed", [None, FIXED], ids=["alone", "on top"])
def test_size_is_that_of_the_update_at_the_coefficient(alpha, fixed) -> None:
    path = MergePath(direction=DIRECTION, fixed=fixed)
    squares = sum(float(one.dense().square().sum()) for one in path.at(alpha).sites.values())
    assert path.norm(alpha) == pytest.approx(squares**0.5, rel=1e-12)


def test_sites_of_either_part_are_there() -> None:
    found = MergePath(direction=DIRECTION, fixed=FIXED).at(0.5)
    assert set(found.sites) == {"one", "two", "three"}
    assert torch.equal(found.sites["three"].dense(), FIXED.sites["three"].dense())
    one = FIXED.sites["one"].dense() + 0.5 * DIRECTION.sites["one"].dense()
    assert torch.allclose(found.sites["one"].dense(), one, rtol=1e-12, atol=0)
