"""A race eliminates what is clearly beaten, rarely anything else, and is exact at the end."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mergebench.measure.racing import Entrant, Race, Track
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
    assert len(rounds[0]) == min(4, per_task)


def is_beaten(one: Entrant, *others: Entrant, track: Track = TRACK) -> bool:
    return track.beaten([one], others) == [True]


def test_the_clearly_worse_is_beaten_and_the_equal_is_not() -> None:
    good, bad = torch.ones(24, dtype=torch.bool), torch.zeros(24, dtype=torch.bool)
    leader = entrant(0.1, one=good, two=good)
    assert is_beaten(entrant(4.0, one=bad, two=bad), leader)
    assert not is_beaten(entrant(0.2, one=good, two=good), leader)
    assert not is_beaten(leader, entrant(4.0, one=bad, two=bad))


def test_a_small_lead_counts_only_when_every_image_was_seen() -> None:
    good = torch.ones(64, dtype=torch.bool)
    slip = good.clone()
    slip[0] = False
    leader, other = entrant(0.1, one=good, two=good), entrant(0.2, one=slip, two=good)
    assert is_beaten(other, leader)
    early = entrant(0.2, one=slip[:32], two=good[:32])
    assert not is_beaten(early, leader)


def test_a_disagreement_weighs_as_the_norm_of_its_task_says() -> None:
    """24 of 64 images: with `two` at half the norm, its lead counts twice."""
    good, bad = torch.ones(24, dtype=torch.bool), torch.zeros(24, dtype=torch.bool)
    mixed = torch.arange(24) < 16
    ahead_in_two = entrant(0.1, one=bad, two=good)
    ahead_in_one = entrant(0.2, one=mixed, two=bad)
    assert is_beaten(ahead_in_one, ahead_in_two)
    even = Track(sizes=SIZES, norms={"one": 1.0, "two": 1.0}, race=Race())
    assert not is_beaten(ahead_in_one, ahead_in_two, track=even)


def test_a_rival_of_near_equal_outcomes_decides_what_a_better_one_leaves_open() -> None:
    """9 images behind where nothing else differs, or 10 where 54 differ."""
    base = torch.arange(32) < 16
    one = entrant(0.2, one=base, two=base)
    near = entrant(0.1, one=torch.arange(32) < 25, two=base)
    far = entrant(0.3, one=torch.arange(32) >= 11, two=torch.arange(32) >= 11)
    even = Track(sizes=SIZES, norms={"one": 1.0, "two": 1.0}, race=Race())
    assert not is_beaten(one, far, track=even)
    assert is_beaten(one, near, track=even)
    assert is_beaten(one, far, near, track=even)


def test_who_saw_too_little_beats_nobody() -> None:
    good, bad = torch.ones(24, dtype=torch.bool), torch.zeros(24, dtype=torch.bool)
    quitter = entrant(0.1, one=good[:16], two=good[:16])
    assert not is_beaten(entrant(0.2, one=bad, two=bad), quitter)
    assert is_beaten(entrant(0.2, one=bad[:16], two=bad[:16]), quitter)


def test_equals_are_rarely_eliminated() -> None:
    """Two points of one accuracy, compared once early: the stated risk bounds the eliminations."""
    risky = Track(sizes=SIZES, norms={"one": 1.0, "two": 1.0}, race=Race(risk=0.05))
    eliminated = 0
    for trial in range(2000):
        parts = [outcomes(0.6, trial, name, size=24) for name in "abcd"]
        first = entrant(0.1, one=parts[0], two=parts[1])
        eliminated += is_beaten(entrant(0.2, one=parts[2], two=parts[3]), first, track=risky)
    assert 0 < eliminated <= 0.05 * 2000


def test_the_best_sees_all_images_and_the_bad_do_not() -> None:
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
    TRACK.run(entrants, [], look)
    seen = {one.alpha: len(one.hits["one"]) for one in entrants}
    assert seen[3] == seen[5] == 64  # of the same hits
    assert max(seen[0], seen[4]) < 16
    assert looks < 0.7 * len(chances) * 128
    assert entrants[3].counts == {name: int(hits.sum()) for name, hits in truth[3].items()}


def test_earlier_entrants_beat_later_ones() -> None:
    good, bad = torch.ones(64, dtype=torch.bool), torch.zeros(64, dtype=torch.bool)
    earlier, later = entrant(0.1, one=good, two=good), entrant(0.1)

    def look(one: Entrant, ranks: range) -> dict[str, Tensor]:
        return dict.fromkeys(SIZES, bad[ranks.start : ranks.stop])

    TRACK.run([later], [earlier], look)
    assert len(later.hits["one"]) < 16
    alone = entrant(0.1)
    TRACK.run([alone], [], look)
    assert len(alone.hits["one"]) == 64
