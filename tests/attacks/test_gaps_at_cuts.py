"""Rules that cut a spectrum say how wide the gap at the cut is, and warn where there is none."""

from __future__ import annotations

import pytest
import torch
from synthetic import attack, dense, distance, low_rank, problem

from attacks.parts.singular_vectors import GAP, GAPS, truncated_sums
from mergebench.contracts import InformedMerger
from mergebench.measure import DEGENERATE
from mergebench.measure.cell_warnings import degenerate_bases
from mergebench.registry import registry
from mergebench.updates.update import LowRank


def warnings_of(changes: list[LowRank], name: str, space: str, **options: object) -> list[str]:
    rule, given = attack(name, **options), problem(changes, space)
    given.merge(rule)
    found = list(degenerate_bases(given.notes(rule), rule.least_notes))
    assert {warning.kind for warning in found} <= {DEGENERATE}
    return [warning.detail for warning in found]


def test_tsv_where_all_singular_values_of_knots_are_one() -> None:
    """As many or more factors than inputs: `V_i` has orthonormal rows, of which k = n // T lead."""
    changes = low_rank(64, 16, [4] * 8)
    (warned,) = warnings_of(changes, "tsv", "knots")
    assert warned.startswith(GAP)
    assert warned.endswith("(below 1e-06)")
    moved = [LowRank(up=one.up + 1e-7 * torch.randn_like(one.up), down=one.down) for one in changes]
    merged = [problem(given, "knots").merge(attack("tsv")) for given in (changes, moved)]
    first, second = (one.sites["blocks.0.attn.q_proj"].dense() for one in merged)
    assert distance(first, second) > 0.5, "the warning is about nothing"


def test_tsv_that_keeps_null_vectors() -> None:
    changes = low_rank(40, 48, [4] * 4)
    assert len(warnings_of(changes, "tsv", "full", rank_mode="reference")) == 1


@pytest.mark.parametrize("name", ["tsv", "cart", "iso_c", "iso_cts"])
@pytest.mark.parametrize("space", ["full", "core"])
def test_no_warning_where_the_cut_is_clear(name: str, space: str) -> None:
    assert warnings_of(low_rank(40, 48, [4] * 4), name, space) == []


def flat_and_zero() -> list[LowRank]:
    left = torch.linalg.qr(dense((20, 8), 1)[0].delta)[0]
    right = torch.linalg.qr(dense((30, 8), 1, seed=1)[0].delta)[0].T
    return [LowRank(up=left, down=right), LowRank(up=torch.zeros_like(left), down=right)]


def test_cart_of_equal_singular_values() -> None:
    """Two updates, `±τ/2` about their mean, with τ's values 1: a cut after 5 of 8 is arbitrary."""
    changes = flat_and_zero()
    assert warnings_of(changes, "cart", "full", rank_fraction=0.21) != []
    assert warnings_of(changes, "cart", "full", rank_fraction=0.4) == [], "nothing is cut"


@pytest.mark.parametrize("space", ["full", "core"])
def test_a_step_after_a_cut_keeps_its_warning(space: str) -> None:
    """What cart gives has a flat spectrum and a clear rank: the isotropic step alone cuts well."""
    changes = flat_and_zero()
    rule, given = attack("iso_c", after="cart"), problem(changes, space)
    given.merge(rule)
    cut = problem(changes, space)
    cut.merge(attack("cart"))
    assert given.notes(rule)[GAP] == cut.notes(attack("cart"))[GAP] < 1e-6
    (warned,) = warnings_of(changes, "iso_c", space, after="cart")
    assert warned.startswith(GAP)
    given.merge(attack("iso_c"))
    assert given.notes(attack("iso_c"))[GAP] > 0.9, "that of another rule"


def test_what_a_rule_noted_before_is_not_that_of_the_step() -> None:
    """SVC after SVC notes the smaller gap of the two, on a problem that noted a smaller one."""
    changes, rule = low_rank(40, 48, [4] * 4), attack("svc", after="svc")
    given, flat = problem(changes, "core"), attack("svc", after="iso_c")
    given.merge(rule)
    own = given.notes(rule)
    given.merge(flat)
    assert min(given.notes(flat).values()) < min(own.values())
    given.merge(rule)
    assert given.notes(rule) == own
    alone = problem(changes, "core")
    alone.merge(attack("svc"))
    assert min(own.values()) <= min(alone.notes(attack("svc")).values())


@pytest.mark.parametrize("name", ["tsv", "iso_c", "iso_cts"])
def test_what_is_remembered_keeps_its_own_notes(name: str) -> None:
    """Rules that share a problem write to the same note; each is judged by its own."""
    rule, given = attack(name), problem(low_rank(40, 48, [4] * 4), "core")
    given.merge(rule)
    own = given.notes(rule)
    given.merge(attack("cart", rank_fraction=0.16))
    assert given.notes(rule) != own, "the other rule wrote nothing"
    given.merge(rule)
    assert given.notes(rule) == own


def test_the_note_is_that_of_the_last_rank() -> None:
    changes = low_rank(40, 48, [4] * 4)
    given = problem(changes, "core")
    gaps = []
    for fraction in (0.04, 0.32, 1.0, 0.04):
        rule = attack("cart", rank_fraction=fraction)
        given.merge(rule)
        gaps.append(given.notes(rule)[GAP])
    mean = torch.stack([one.dense() for one in changes]).mean(dim=0)
    spectra = [torch.linalg.svdvals(one.dense() - mean) for one in changes]
    expected = [min(float(1 - own[k] / own[k - 1]) for own in spectra) for k in (1, 6)]
    assert gaps == pytest.approx([*expected, 1.0, expected[0]])


def test_an_informed_attack_passes_on_what_its_rule_says() -> None:
    rule = attack("iso_c", after="tsv")
    assert GAPS.items() <= rule.least_notes.items()
    assert len(rule.least_notes) > len(GAPS), "those of tsv too"
    hold = registry().get(InformedMerger, "hold")(rule=rule)
    assert hold.least_notes == rule.least_notes


def test_to_cut_what_is_rounding_is_no_cut() -> None:
    (change,) = low_rank(20, 30, [3])
    sums = truncated_sums(change.dense()[None], [2, 3, 7])
    assert sums[2].gap < 1
    assert sums[3].gap == sums[7].gap == 1
    assert distance(sums[7].total, change.dense()) < 1e-12
