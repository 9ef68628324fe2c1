"""Costs of the attacks beyond table 2 that see no data, on ViT-L/14; each of them is there."""

from __future__ import annotations

import pytest
from dense_rules import OF_FACTORS, RULES
from informed_subjects import INFORMED, LOOKING_AT_WEIGHTS, NOTHING_OF_THEIR_OWN, InformedSubject
from ledger import Ledger, Merged
from subjects import OTHERS_ON, SITES, Subject, compare

from mergebench.contracts import InformedMerger, Merger
from mergebench.experiment.experiment import TABLE2
from mergebench.registry import registry

pytestmark = pytest.mark.bench

SAME = 1e-8
"""How far apart results in float64 may be, as a share of the largest entry."""

ITERATED = {"wudi_iterated"}
"""Hundreds of gradients of what `wudi` solves, in any formulation: minutes for nothing new."""

COLUMNS = [
    f"{found.plugin.name}@{space}"
    for found in registry().all(Merger)
    for space in found.plugin.spaces
    if f"{found.plugin.name}@{space}" not in TABLE2 and found.plugin.name not in ITERATED
]


def test_every_attack_without_data_has_a_dense_formulation() -> None:
    names = {found.plugin.name for found in registry().all(Merger)}
    assert names == {*RULES, *OF_FACTORS, *ITERATED}
    informed = {found.plugin.name for found in registry().all(InformedMerger)}
    assert informed == {*INFORMED, *NOTHING_OF_THEIR_OWN, *LOOKING_AT_WEIGHTS}


@pytest.mark.parametrize("column", COLUMNS)
def test_one_site(column: str, ledger: Ledger) -> None:
    attack, space = column.split("@")
    ((shape, _),) = SITES[OTHERS_ON].items()
    _compare(column, Subject(shape=shape, attack=attack, space=space), ledger)


@pytest.mark.parametrize("attack", INFORMED)
def test_one_site_of_an_informed_attack(attack: str, ledger: Ledger) -> None:
    ((shape, _),) = SITES[OTHERS_ON].items()
    _compare(f"{attack}:ta@full", InformedSubject(shape=shape, attack=attack), ledger)


def _compare(column: str, subject: Subject, ledger: Ledger) -> None:
    difference = subject.difference()
    costs = compare(subject, most_rounds=3, enough=5).times(SITES[OTHERS_ON][subject.shape])
    ledger.others.append(Merged(column=column, costs=costs, difference=difference))
    assert difference < SAME
    assert costs.fast_grid <= costs.dense_grid
