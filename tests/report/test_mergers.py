"""The ranking of mergers: its order, distances to the first, and what stands beside them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from report_data import MEASUREMENTS, TARGETED, TASKS, UNPROTECTED

from mergebench.contracts import DataMerger, Merger
from mergebench.errors import InputError
from mergebench.experiment import check_attack, every_merger
from mergebench.measure import Measurements, Merged
from mergebench.registry import registry
from mergebench.report import print_mergers, write_mergers
from mergebench.terminal import make_console


def counts(*correct: int) -> dict[str, int]:
    return dict(zip(TASKS, correct, strict=True))


BEST = replace(UNPROTECTED, attack="tsv", space="core", correct=counts(120, 48, 20))
"""60, 60 and 40 %: on every task 10 points or more above TA's 50, 40 and 30."""
CLOSE = replace(UNPROTECTED, attack="ties", correct=counts(130, 40, 20))
"""65, 50 and 40 %: ahead of the best on one task, behind on another."""
RANKED = replace(MEASUREMENTS, merged=(*MEASUREMENTS.merged, CLOSE, BEST))


def ranking(measurements: Measurements, folder: Path) -> pd.DataFrame:
    write_mergers(measurements, folder, "mergers")
    return pd.read_csv(folder / "mergers.csv")


def test_mergers_stand_in_the_order_of_what_they_keep(tmp_path: Path) -> None:
    found = ranking(RANKED, tmp_path)
    assert list(found["attack"]) == ["tsv", "ties", "ta"]
    assert list(found["rank"]) == [1, 2, 3]
    means = [sum(m.correct[t] / m.sizes[t] for t in TASKS) / 3 for m in (BEST, CLOSE, UNPROTECTED)]
    assert list(found["all_accuracy"]) == pytest.approx([100 * mean for mean in means], abs=0.006)


def test_the_distance_to_the_first_is_paired_over_tasks(tmp_path: Path) -> None:
    found = ranking(RANKED, tmp_path).set_index("attack")
    assert found.loc["tsv", "behind"] == 0
    assert found.loc["ties", "behind_low_95"] < 0 < found.loc["ties", "behind_high_95"]
    assert found.loc["ta", "behind_low_95"] > 0
    lines = (tmp_path / "mergers.md").read_text().splitlines()
    assert next(line for line in lines if line.startswith("| 2 |")).split(" | ")[4].endswith("ns")
    assert "ns" not in next(line for line in lines if line.startswith("| 3 |")).split(" | ")[4]
    assert "1 of 2 mergers cannot be told from the first." in (tmp_path / "mergers.md").read_text()


def test_what_a_protection_leaves_stands_beside_where_it_was_measured(tmp_path: Path) -> None:
    found = ranking(RANKED, tmp_path).set_index("attack")
    assert found.loc["ta", "trap2_target"] == 8
    assert found.loc["ta", "trap2_difference"] == -32
    assert found["trap2_target"].isna().tolist() == [True, True, False]
    assert found["trap2_rank"].isna().tolist() == [True, True, False]
    assert found.loc["ta", "trap2_rank"] == 1


def test_equal_mergers_share_a_rank(tmp_path: Path) -> None:
    """60, 60 and 40 % twice: the second time 60 % on the last task and 40 on the first."""
    same = replace(UNPROTECTED, attack="cart", correct=counts(80, 48, 30))
    found = ranking(replace(RANKED, merged=(*RANKED.merged, same)), tmp_path)
    assert sorted(found["attack"][:2]) == ["cart", "tsv"]
    assert list(found["attack"][2:]) == ["ties", "ta"]
    assert list(found["rank"]) == [1, 1, 3, 4]


def guarded(attack: str, space: str, correct: int) -> list[Merged]:
    """Return what a merger leaves of each protected target."""
    return [
        replace(one, attack=attack, space=space, correct={**one.correct, one.target: correct})
        for one in TARGETED
        if one.target
    ]


def test_every_protection_has_a_rank_of_its_own(tmp_path: Path) -> None:
    """TA is the last unprotected, and the second on protected targets."""
    more = [*guarded("ties", "full", 0), *guarded("tsv", "core", 40)]
    found = ranking(replace(RANKED, merged=(*RANKED.merged, *more)), tmp_path)
    assert list(found["attack"]) == ["tsv", "ties", "ta"]
    assert list(found["trap2_rank"]) == [1, 3, 2]
    assert (found["trap2_target_low_95"] <= found["trap2_target"]).all()
    rows = [line for line in (tmp_path / "mergers.md").read_text().splitlines() if "|" in line]
    place = rows[0].split(" | ").index("rank, Trap²")
    assert [row.split(" | ")[place] for row in rows[2:5]] == ["1", "3", "2"]


def test_equal_protected_mergers_share_a_rank(tmp_path: Path) -> None:
    more = [*guarded("ties", "full", 40), *guarded("tsv", "core", 40)]
    found = ranking(replace(RANKED, merged=(*RANKED.merged, *more)), tmp_path)
    assert list(found["trap2_rank"]) == [1, 1, 3]


def test_the_terminal_shows_the_same(tmp_path: Path) -> None:
    console = make_console(io.StringIO(), width=160)
    print_mergers(RANKED, console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert shown.index("TSV") < shown.index("TIES") < shown.index("TA ")


def test_every_merger_is_a_choice_in_every_space_where_it_is_defined() -> None:
    names = every_merger()
    assert all("@".join(check_attack(name)) == name for name in names)
    blind = [found.plugin for found in registry().all(Merger) if found.plugin.knowledge == "blind"]
    assert {name.partition("@")[0] for name in names} <= {plugin.name for plugin in blind}
    assert {"ta@full", "tsv@knots", "iso_c@core", "ram@full"} <= set(names)
    full = every_merger("full")
    assert set(full) < set(names)
    left_out = {name for name in names if name.endswith("@core") or name.startswith("peft_")}
    assert left_out == {*names} - {*full}
    assert {"peft_linear@full", "peft_svd@full"} < left_out
    with pytest.raises(InputError, match=r"space core needs low-rank factors, .* use ties@full$"):
        check_attack("ties@core", "full")
    for name in ("peft_linear@full", "peft_svd@full", "hold:peft_linear@full"):
        needs = r"attack peft_\w+ needs low-rank factors, which full .* use another attack$"
        with pytest.raises(InputError, match=needs):
            check_attack(name, "full")


def test_mergers_with_data_come_when_asked_for() -> None:
    names, more = every_merger(), every_merger(most="unlabelled")
    assert {"wudi@full", "wudi@core", "wudi_iterated@full"} < set(names)
    assert more[: len(names)] == names
    added = set(more[len(names) :])
    assert {"fisher@full", "adamerging@full", "regmean@full", "prodistill@full"} <= added
    plugins = [registry().get(DataMerger, name.partition("@")[0]) for name in added]
    assert {(plugin.knowledge, plugin.data) for plugin in plugins} == {("blind", "unlabelled")}
    assert set(more) <= set(every_merger(most="labelled"))
    assert added <= set(every_merger("full", "unlabelled"))
