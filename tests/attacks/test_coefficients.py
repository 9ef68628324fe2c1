"""Which merging coefficients attacks that are built on a rule visit."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
from informed import RULES

from attacks.hold import UP_TO_THE_SUM, Hold
from attacks.hold_layers import HoldAttentionOutputs, HoldLayers
from attacks.leave_out import LeaveOut
from attacks.project import Project
from attacks.restore import Restore
from attacks.smooth import Smooth
from attacks.spectral import Spectral, SpectralMerged
from attacks.task_arithmetic import TaskArithmetic
from mergebench.contracts import InformedMerger
from mergebench.errors import InputError
from mergebench.measure.protocols import CLEAN, PAPER, WIDE

KEEPING = (Hold, HoldLayers, HoldAttentionOutputs, Project, Restore, Spectral)
"""Those with a fixed part, which is left alone at 0."""


@pytest.mark.parametrize("protocol", [PAPER, CLEAN, WIDE], ids=lambda protocol: protocol.name)
def test_what_stays_is_merged_at_all_coefficients_of_the_rule_and_fine_ones(protocol):
    for attack, rule in itertools.product(KEEPING, RULES):
        own = rule.all_alphas(protocol.alphas)
        first, *more = attack(rule=rule).sweeps(protocol.alphas)
        assert first == own
        every = attack(rule=rule).all_alphas(protocol.alphas)
        assert len(every) == len(set(every)) == len(first) + sum(map(len, more))
        assert {*own, *UP_TO_THE_SUM} == {*every}


@pytest.mark.parametrize("attack", [LeaveOut, Smooth, SpectralMerged])
def test_what_only_merges_is_searched_as_the_rule_is(attack):
    """The yardstick has the search of who takes the update, no more and no less."""
    for protocol, rule in itertools.product((PAPER, CLEAN, WIDE), RULES):
        assert attack(rule=rule).sweeps(protocol.alphas) == rule.sweeps(protocol.alphas)


def test_a_sum_costs_little_more_than_twenty_points():
    """At most one and a half times the 20 that were its own before the rule's were visited."""
    hold = Hold(rule=TaskArithmetic())
    assert len(hold.all_alphas(CLEAN.alphas)) == 23
    assert [len(sweep) for sweep in hold.sweeps(PAPER.alphas)] == [99, 7]  # the first has patience


def test_further_coefficients_are_numbers():
    @dataclass(frozen=True, kw_only=True)
    class Wordy(InformedMerger):
        name = "wordy"
        paper = "tests"
        more_alphas = ("much",)

    with pytest.raises(InputError, match=r"more_alphas is \('much',\); give a tuple of numbers"):
        Wordy.check_class()
