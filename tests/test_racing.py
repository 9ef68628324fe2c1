"""A race eliminates what is clearly beaten, rarely anything else, and is exact at the end."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mergebench.racing import Entrant, Race, Track
from mergebench.seeding import generator

SIZES = {"one": 64, "two": 64}
TRACK = Track(sizes=SIZES, norms={"one": 1.0, "two": 0.5}, race=Race())


def entrant(alpha: float, **hits: Tensor) -> Entrant:
    return Entrant(options={}, alpha=alpha, hits=dict(hits))


def outcomes(chance: float, *key: object, size: int = 64) -> Tensor:
    return torch.rand(size, generator=generator(*key)) < chance


@pytest.mark.parametrize("per_task", [1, 8, 9, 64, 1000])
def test_rounds_show_every_image_once(per_task: int) -> None:
    rounds = Race().rounds(per_task)
    assert [rank for ranks in rounds for rank in ranks] == list(range(per_task))
    assert len(rounds[0]) == min(8, per_task)


def test_the_clearly_worse_is_beaten_and_the_equal_is_not() -> None:
    good, bad = torch.ones(24, dtype=torch.bool), torch.zeros(24, dtype=torch.bool)
    leader = entrant(0.1, one=good, two=good)
    assert TRACK.is_beaten(entrant(4.0, one=bad, two=bad), leader)
    assert not TRACK.is_beaten(entrant(0.2, one=good, two=good), leader)
    assert not TRACK.is_beaten(leader, entrant(4.0, one=bad, two=bad))


def test_a_small_lead_counts_only_when_every_image_was_seen() -> None:
    good = torch.ones(64, dtype=torch.bool)
    slip = good.clone()
    slip[0] = False
    leader, other = entrant(0.1, one=good, two=good), entrant(0.2, one=slip, two=good)
    assert TRACK.is_beaten(other, leader)
    early = entrant(0.2, one=slip[:32], two=good[:32])
    assert not TRACK.is_beaten(early, leader)


def test_a_disagreement_weighs_as_the_norm_of_its_task_says() -> None:
    """24 of 64 images: with `two` at half the norm, its lead counts twice."""
    good, bad = torch.ones(24, dtype=torch.bool), torch.zeros(24, dtype=torch.bool)
    mixed = torch.arange(24) < 16
    ahead_in_two = entrant(0.1, one=bad, two=good)
    ahead_in_one = entrant(0.2, one=mixed, two=bad)
    assert TRACK.is_beaten(ahead_in_one, ahead_in_two)
    even = Track(sizes=SIZES, norms={"one": 1.0, "two": 1.0}, race=Race())
    assert not even.is_beaten(ahead_in_one, ahead_in_two)


def test_equals_are_rarely_eliminated() -> None:
    """Two points of one accuracy, compared once early: the stated risk bounds the eliminations."""
    risky = Track(sizes=SIZES, norms={"one": 1.0, "two": 1.0}, race=Race(risk=0.05))
    eliminated = 0
    for trial in range(2000):
        parts = [outcomes(0.6, trial, name, size=24) for name in "abcd"]
        first = entrant(0.1, one=parts[0], two=parts[1])
        eliminated += risky.is_beaten(entrant(0.2, one=parts[2], two=parts[3]), first)
    assert 0 < eliminated <= 0.05 * 2000


def test_the_winner_is_the_best_of_all_images_and_ties_stay_with_the_first() -> None:
    chances = [0.1, 0.5, 0.55, 0.9, 0.2, 0.9]
    truth = {
        index: {name: outcomes(chance, name, chance) for name in SIZES}
        for index, chance in enumerate(chances)
    }
    looks = 0

    def look(one: Entrant, ranks: range) -> dict[str, Tensor]:
        nonlocal looks
        looks += 2 * len(ranks)
        return {name: hits[ranks.start : ranks.stop] for name, hits in truth[one.alpha].items()}

    entrants = [Entrant(options={}, alpha=index) for index in truth]
    winner = TRACK.run(entrants, None, look)
    assert winner is entrants[3]  # 5 has the same hits
    assert looks < 0.7 * len(chances) * 128
    assert winner.counts == {name: int(hits.sum()) for name, hits in truth[3].items()}
    again = TRACK.run([Entrant(options={}, alpha=5)], winner, look)
    assert again is winner
