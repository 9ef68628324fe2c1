"""What is kept between merges is what is asked for, within its room, and changes no result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import pytest
import torch
from synthetic import attack, dense

from attacks.spaces.knots import KnOTS
from mergebench.contracts import Encoded, Kept, Merger, Room
from mergebench.merging.problem import MergeProblem
from mergebench.updates import SiteUpdate, Update

ROWS, COLUMNS, TASKS = 24, 20, 4
SITES = ("first", "second", "third")
IN_ANY_BASIS = 8 * (TASKS * ROWS * COLUMNS + ROWS * ROWS)
"""The bytes of a site's representatives and basis for TSV, float64; for DARE it is half of it."""

DROPS = [attack("dare", drop=drop) for drop in (0.1, 0.3, 0.5, 0.7, 0.9)]
CARTS = [attack("cart", rank_fraction=fraction) for fraction in (0.04, 0.16, 0.32)]
TSV = attack("tsv")
SEARCHES = (*CARTS, *DROPS, TSV, *DROPS, *CARTS)


def problem(room: Room) -> MergeProblem:
    """Return the merge of full fine-tunings in KnOTS space."""
    drawn = [dense((ROWS, COLUMNS), TASKS, seed=i, dtype=torch.float32) for i in range(len(SITES))]
    updates = [
        Update(sites=dict(zip(SITES, changes, strict=True)), label=f"task {task}")
        for task, changes in enumerate(zip(*drawn, strict=True))
    ]
    return MergeProblem(updates, space=KnOTS(), room=room)


def merge_all(problem: MergeProblem, rules: Sequence[Merger]) -> list[tuple[str, dict[str, float]]]:
    return [(problem.merge(rule).sha256, problem.notes(rule)) for rule in rules]


@pytest.fixture
def encodings(monkeypatch: pytest.MonkeyPatch) -> Counter[bool]:
    """Count how often sites are encoded, by whether it is for a rule that is rotation-invariant."""
    calls: Counter[bool] = Counter()
    encode = KnOTS.encode

    def counted(self: KnOTS, updates: Sequence[SiteUpdate], *, rotation_invariant: bool) -> Encoded:
        calls[rotation_invariant] += 1
        return encode(self, updates, rotation_invariant=rotation_invariant)

    monkeypatch.setattr(KnOTS, "encode", counted)
    return calls


def test_a_second_search_has_the_room_of_the_first_one(encodings: Counter[bool]) -> None:
    """At its first point nobody knows that it will ask again, so the room is its from the second
    point on, whatever the number of points.
    """
    merges = problem(Room(len(SITES) * IN_ANY_BASIS))
    merge_all(merges, [TSV, TSV])
    assert encodings == {True: len(SITES)}
    merge_all(merges, DROPS)
    assert encodings == {True: len(SITES), False: 2 * len(SITES)}


def test_one_merge_of_another_kind_drives_no_search_out(encodings: Counter[bool]) -> None:
    merges = problem(Room(len(SITES) * IN_ANY_BASIS))
    merge_all(merges, [*DROPS, TSV, *DROPS])
    assert encodings == {False: len(SITES), True: len(SITES)}


class Watched(Room):
    """Knows all places that it was asked to keep something in."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.places: set[Kept[object]] = set()

    def once(self, kept, compute, size):  # type: ignore[no-untyped-def]
        self.places.add(kept)
        return super().once(kept, compute, size)

    def tensors(self) -> int:
        """Return the bytes of the tensors that take room."""
        return sum(tensor_bytes(place.value) for place in self.places if place.size)


def tensor_bytes(value: object) -> int:
    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, Encoded):
        return tensor_bytes((value.stack, value.left, value.right))
    if isinstance(value, dict):
        return tensor_bytes(tuple(value.values()))
    return sum(map(tensor_bytes, value)) if isinstance(value, tuple) else 0


@pytest.mark.parametrize("sites", [0, 0.5, 1.2, 2.7, 100], ids=lambda sites: f"room for {sites}")
def test_results_are_the_same_in_any_room_and_what_is_kept_fits_it(sites: float) -> None:
    size = int(sites * IN_ANY_BASIS)
    room = Watched(size)
    merges, plain = problem(room), problem(Room(0))
    for rule in SEARCHES:
        assert merge_all(merges, [rule]) == merge_all(plain, [rule])
        assert room.tensors() == room.taken <= size
    assert (room.taken > 0) == (sites >= 0.5)


def test_no_more_is_kept_than_there_is_room_for() -> None:
    """Asked for at random; and the room is used."""
    random, room, most = Random(0), Room(100), 0
    sizes = [random.randrange(40) for _ in range(20)]
    places: list[Kept[bytes]] = [Kept() for _ in sizes]
    for _ in range(2000):
        place = random.randrange(len(places))
        found = room.once(places[place], lambda: bytes(sizes[place]), len)  # noqa: B023
        assert len(found) == sizes[place]
        kept = sum(len(one.value) for one in places if one.value is not None)
        assert kept == room.taken <= 100
        most = max(most, kept)
    assert most > 90


class Asked:
    """Asks a room for values of one byte, by name, and knows which ones were computed."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.places = {name: Kept[str]() for name in "abcdefgh"}
        self.computed: list[str] = []

    def __call__(self, names: str) -> str:
        """Ask for values one after the other and return which of them had to be computed."""
        self.computed.clear()
        for name in names:
            assert self.room.once(self.places[name], self.computing(name), len) == name
        return "".join(self.computed)

    def computing(self, name: str) -> Callable[[], str]:
        def compute() -> str:
            self.computed.append(name)
            return name

        return compute


def test_a_search_beyond_the_room_keeps_the_same_part_at_all_of_its_points() -> None:
    ask = Asked(Room(3))
    assert ask("abcde") == "abcde"
    assert ask("abcde" * 3) == "de" * 3


def test_what_was_asked_for_longest_ago_makes_way_for_what_is_asked_for_again() -> None:
    ask = Asked(Room(3))
    assert ask("abcba") == "abc"
    assert ask("de") == "de"
    assert ask("de") == "de", "now they take the places of c, then b"
    assert ask("dea") == ""
    assert ask("bc") == "bc"


def test_nothing_makes_way_in_vain() -> None:
    room = Room(10)
    small, large = Kept[bytes](), Kept[bytes]()
    for _ in range(3):
        room.once(small, lambda: bytes(4), len)
        room.once(large, lambda: bytes(11), len)
    for _ in range(3):
        room.once(large, lambda: bytes(11), len)
    assert small.value is not None
    assert room.taken == 4


def test_a_value_that_nobody_can_ask_for_leaves_its_room() -> None:
    room = Room(3)
    place: Kept[bytes] = Kept()
    room.once(place, lambda: bytes(3), len)
    assert room.taken == 3
    del place
    assert room.taken == 0
