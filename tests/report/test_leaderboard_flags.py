"""What makes a place on the leaderboard unreliable is marked and counted."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
from leaderboard_data import BLIND, INFORMED, LEVELS, MEASURED, MERGES, YARDSTICKS, merge
from report_data import SIZES, TASKS

from mergebench.measure import (
    EDGE,
    NORM,
    UNFAITHFUL,
    UTILITY_LOSS,
    Level,
    Measurements,
    Merged,
    NotRun,
    Standalone,
    Stored,
)
from mergebench.measure.cell import packed
from mergebench.measure.cell_warnings import CellWarning
from mergebench.report import write_leaderboard
from mergebench.report.clear_differences import merges_clearly_better
from mergebench.report.doubts import NOTHING_TAKEN, REALIGNED, STORAGE
from mergebench.report.leaderboard import leaderboard

UNLABELLED = Level(knowledge="blind", data="unlabelled", attacks=("regmean@full",))


def flags(measured: Measurements, *levels: Level) -> list[dict[str, int]]:
    """Return the flags of Trap² by level."""
    board = leaderboard(measured, levels, YARDSTICKS)
    return [dict(one.flags) for one in board.standings if one.protection == "trap2"]


def with_warnings(name: str, *kinds: str) -> Measurements:
    found = tuple(CellWarning(kind=kind, detail="") for kind in kinds)
    return replace(
        MEASURED,
        merged=tuple(
            replace(one, warnings=found) if (one.name, one.target) == (name, "flags") else one
            for one in MERGES
        ),
    )


def test_warnings_of_what_is_taken_are_flags() -> None:
    assert flags(with_warnings("hold:ta@full", EDGE, NORM), *LEVELS) == [{}, {EDGE: 1, NORM: 1}]
    assert flags(with_warnings("ta@full", EDGE), *LEVELS) == [{}, {}]  # nobody takes it


def test_who_takes_nothing_of_the_update_is_flagged() -> None:
    """A mixture is taken before W0 is, however good that is; W0 where there is nothing else."""

    def empty(*names: str) -> Measurements:
        return replace(
            MEASURED,
            merged=tuple(replace(one, empty=one.name in names) for one in MERGES),
        )

    every = {one.name for one in MERGES if one.name not in YARDSTICKS}
    assert flags(empty(*every, *YARDSTICKS), *LEVELS) == [{NOTHING_TAKEN: len(TASKS)}] * 2
    for name in every:
        assert flags(empty(*every - {name}), *LEVELS)[-1] == {}


def test_a_far_larger_update_is_flagged() -> None:
    def sized(trapped: float) -> Measurements:
        norms = {"none": 1.0, "trap2": trapped}
        alone = tuple(replace(one, norm=norms.get(one.release)) for one in MEASURED.standalone)
        return replace(MEASURED, standalone=alone)

    assert flags(sized(1.9), BLIND) == [{}]
    assert flags(sized(2.1), BLIND) == [{"update far larger": len(TASKS)}]
    assert flags(MEASURED, BLIND) == [{}]  # norms that nobody asked for


def test_an_update_that_does_not_reproduce_its_training_is_flagged() -> None:
    doubt = (CellWarning(kind=UNFAITHFUL, detail=""),)
    alone = tuple(
        replace(one, warnings=doubt if (one.release, one.task) == ("trap2", "kana") else ())
        for one in MEASURED.standalone
    )
    assert flags(replace(MEASURED, standalone=alone), BLIND) == [{UNFAITHFUL: 1}]


def test_data_that_are_no_help_are_flagged() -> None:
    def fitted(valid: float) -> Measurements:
        more = tuple(
            merge(protection, None if protection == "none" else task, "regmean@full", 0.5, valid)
            for protection in ("none", "trap2")
            for task in TASKS
        )
        return replace(MEASURED, merged=(*MERGES, *more))

    assert flags(fitted(0.9), BLIND, UNLABELLED) == [{}, {}]
    assert flags(fitted(0.1), BLIND, UNLABELLED) == [{}, {"data are no help": len(TASKS)}]
    assert flags(fitted(0.5), BLIND, UNLABELLED) == [{}, {}]  # as good as the best without
    done = NotRun(protection="trap2", attacks=UNLABELLED.attacks, after="ta@full")
    stopped = replace(fitted(0.1), not_run=(done,))
    assert flags(stopped, BLIND, UNLABELLED) == [{}, {}]  # nobody knows


def test_what_data_give_is_looked_at_however_many_attacks_need_none() -> None:
    """By the inputs of the searches nine are better, and on all of them it is as good as they."""
    many = replace(BLIND, attacks=tuple(f"rule{number}@full" for number in range(9)))
    places = [*(("trap2", task) for task in TASKS), ("none", None)]
    without = (merge(*place, name, 0.5, 0.7) for place in places for name in many.attacks)
    given = [merge(*place, "regmean@full", 0.5, 0.6) for place in places]
    left_out = (one for one in MERGES if one.name in YARDSTICKS)
    measured = replace(MEASURED, merged=(*left_out, *without, *given))
    assert flags(measured, many, UNLABELLED) == [{}, {"data are no help": len(TASKS)}]
    even = [replace(one, confirmed=dict.fromkeys(TASKS, 7)) for one in given]
    measured = replace(measured, merged=(*measured.merged, *even))
    assert flags(measured, many, UNLABELLED) == [{}, {}]


def test_what_re_alignment_undoes_is_flagged_at_all_levels() -> None:
    def realigned(share: float) -> Measurements:
        more = tuple(merge("trap2", task, "realign:ta@full", share, 0.1) for task in TASKS)
        return replace(MEASURED, merged=(*MERGES, *more))

    # As released 40 % of the others are right, and 20 % of the target.
    assert flags(realigned(0.6), *LEVELS) == [{REALIGNED: len(TASKS)}] * 2
    assert flags(realigned(0.42), *LEVELS) == [{}] * 2
    assert flags(realigned(0.2), *LEVELS) == [{}] * 2


def test_every_task_has_an_equal_share_in_what_undoing_gains() -> None:
    """Where a large task lost what small ones gained, their mean and its spread decide."""

    def merged(rights: dict[str, int], sizes: dict[str, int], seed: int) -> Merged:
        draws = np.random.default_rng(seed)
        hits = {task: draws.permutation(size) < rights[task] for task, size in sizes.items()}
        return replace(
            MERGES[0],
            sizes=sizes,
            correct=rights,
            hits={task: packed(own.tolist()) for task, own in hits.items()},
        )

    sizes = {"large": 20_000, "small": 400, "little": 400}
    raw = merged({"large": 16_000, "small": 200, "little": 200}, sizes, 0)
    undone = merged({"large": 15_600, "small": 232, "little": 232}, sizes, 1)
    for one, other in ((undone, raw), (replace(undone, hits={}), replace(raw, hits={}))):
        assert merges_clearly_better(one, other)  # 4.7 points of the mean
        assert not merges_clearly_better(other, one)
    few = {"large": 20_000, "small": 40, "little": 40}
    raw = merged({"large": 16_000, "small": 20, "little": 20}, few, 0)
    undone = merged({"large": 15_800, "small": 22, "little": 23}, few, 1)
    assert not merges_clearly_better(undone, raw)  # 3.8 points, of few inputs


def test_accuracy_that_a_dtype_costs_is_flagged() -> None:
    def stored(right: dict[str, int]) -> Measurements:
        return replace(
            MEASURED,
            stored=tuple(
                Stored(
                    seed=0,
                    release=release,
                    task="kana",
                    dtype=dtype,
                    correct=count,
                    size=SIZES["kana"],
                    hits=packed([place < count for place in range(SIZES["kana"])]),
                )
                for release, counts in {"trap2": right, "none": {**right, "fp32": 50}}.items()
                for dtype, count in counts.items()
            ),
        )

    assert flags(stored({"fp32": 34, "fp16": 34, "bf16": 20}), BLIND) == [{STORAGE: 1}]
    assert flags(stored({"fp32": 34, "fp16": 20, "bf16": 34}), BLIND) == [{STORAGE: 1}]
    assert flags(stored({"fp32": 34, "fp16": 32, "bf16": 33}), BLIND) == [{}]  # may be chance
    assert flags(stored({"fp32": 34, "fp16": 34, "bf16": 45}), BLIND) == [{}]


def test_accuracy_that_the_protection_costs_alone_is_flagged() -> None:
    def alone(lost: int) -> Measurements:
        found = (
            replace(one, correct=one.correct - lost if one.release == "trap2" else one.correct)
            for one in MEASURED.standalone
        )
        return replace(MEASURED, standalone=tuple(map(with_hits, found)))

    assert flags(alone(0), BLIND) == [{}]
    assert flags(alone(12), BLIND) == [{UTILITY_LOSS: len(TASKS)}]


def with_hits(one: Standalone) -> Standalone:
    return replace(one, hits=packed([place < one.correct for place in range(one.size)]))


def test_marks_have_a_legend(tmp_path) -> None:
    parts = {"levels": LEVELS, "yardsticks": YARDSTICKS, "version": 1}
    text, table = write_leaderboard(
        with_warnings("hold:ta@full", EDGE, NORM), tmp_path, "board", **parts
    )[:2]
    (line,) = (one for one in text.read_text().splitlines() if "| Trap² | informed" in one)
    assert "| e,n | " in line
    assert "the best α is the smallest or largest of its grid: 1 of 3 (Trap²; informed, no" in (
        text.read_text()
    )
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [row["flags"] for row in rows] == ["", "", "", "alpha at the edge; norm out of range"]
    assert INFORMED.knowledge == rows[3]["knowledge"]
