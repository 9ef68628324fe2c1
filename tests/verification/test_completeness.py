"""Lines that a table's command measures have to be there, and no others, before any is drawn."""

from __future__ import annotations

import csv
import re

import pytest
from committed_tables import BACKBONES, RESULTS, check_folder, copied, edit_rows, edit_text

from mergebench.errors import InputError

TABLE = "mini_vit/table4"
COUNTS = "table4_targets.csv"
FIRST = "protection trap2, attack ta, space full, target mnist, seed 0; protection trap2, attack"


@pytest.mark.parametrize("backbone", BACKBONES)
def test_committed_tables_are_complete_and_their_numbers_those_of_their_counts(backbone):
    counts = [*(RESULTS / backbone).glob("*_t[aer]*s.csv")]
    assert check_folder(RESULTS / backbone) == len(counts) > 6


def test_lines_of_a_protection_that_are_gone_are_counted_and_the_first_named(tmp_path):
    folder = copied(TABLE, tmp_path)
    edit_rows(folder / COUNTS, lambda rows: [row for row in rows if row["protection"] != "trap2"])
    with pytest.raises(InputError) as said:
        check_folder(folder)
    text = str(said.value)
    start = f"{folder / COUNTS}: 40 lines that its command measures, lacking: {FIRST} "
    assert text.startswith(start)
    assert text.endswith("; and 37 more")
    assert "\n" not in text


@pytest.mark.parametrize("place", [0, 8, 41, 79])
def test_one_line_that_is_gone_is_named(tmp_path, place):
    """The first is of a merge that has seven other lines."""
    folder = copied(TABLE, tmp_path)
    with (folder / COUNTS).open(newline="") as lines:
        gone = list(csv.DictReader(lines))[place]
    edit_rows(folder / COUNTS, lambda rows: rows[:place] + rows[place + 1 :])
    named = ", ".join(
        f"{key} {gone[key]}" for key in ["protection", "attack", "space", "target", "seed"]
    )
    with pytest.raises(InputError, match=f"1 line that its command measures, lacking: {named}$"):
        check_folder(folder)


def test_a_command_that_measures_more_is_not_what_wrote_the_table(tmp_path):
    folder = copied(TABLE, tmp_path)
    edit_text(folder / "table4.md", "mini_vit`", "mini_vit --seeds 2`")
    with pytest.raises(InputError, match="80 lines that its command measures, lacking: "):
        check_folder(folder)


@pytest.mark.parametrize(
    ("option", "number"), [("--protections none", 40), ("--attacks ta", 64), ("--tasks mnist", 70)]
)
def test_lines_beyond_the_command_are_refused(tmp_path, option, number):
    folder = copied(TABLE, tmp_path)
    edit_text(folder / "table4.md", "mini_vit`", f"mini_vit {option}`")
    message = f"{number} lines beyond what its command measures: |does not measure the task fashion"
    with pytest.raises(InputError, match=message):
        check_folder(folder)


def test_a_line_that_stands_twice_is_refused(tmp_path):
    folder = copied(TABLE, tmp_path)
    edit_rows(folder / COUNTS, lambda rows: [*rows, rows[-1]])
    with pytest.raises(InputError, match="1 line beyond what its command measures: protection tra"):
        check_folder(folder)


def test_lines_of_updates_alone_and_of_picks_are_missed_too(tmp_path):
    alone = copied("mini_vit/table3", tmp_path, (".md", ".csv", "_tasks.csv"))
    edit_rows(alone / "table3_tasks.csv", lambda rows: rows[1:])
    with pytest.raises(InputError, match=r"1 line .*, lacking: row zero_shot, task mnist, seed 0"):
        check_folder(alone)
    for file in alone.iterdir():
        file.unlink()
    board = copied("mini_vit/leaderboard", tmp_path)
    informed = "protection trap2, knowledge informed, data none, target kana, seed 0"
    edit_rows(board / "leaderboard_targets.csv", lambda rows: rows[:-1])
    with pytest.raises(InputError, match=rf"1 line .*, lacking: {informed}"):
        check_folder(board)


def test_what_starts_from_the_backbone_is_missed(tmp_path):
    folder = copied("mini_vit/table5", tmp_path)
    edit_rows(
        folder / "table5_targets.csv",
        lambda rows: [row for row in rows if row["protection"] != "from_base"],
    )
    with pytest.raises(InputError, match=r"8 lines .*, lacking: protection from_base, attack fi"):
        check_folder(folder)


@pytest.mark.parametrize("columns", ["_?correct$", "^correct$", "^mnist_correct$", "^kana_correct"])
def test_counts_that_are_lacking_are_one_line(tmp_path, columns):
    folder = copied(TABLE, tmp_path)
    edit_rows(
        folder / COUNTS,
        lambda rows: [
            {name: "" if re.search(columns, name) else text for name, text in row.items()}
            for row in rows
        ],
    )
    with pytest.raises(InputError, match=r"table4_targets.csv: line \d+, column \w*correct: '' is"):
        check_folder(folder)


def test_of_every_merger_those_without_any_line_came_later(tmp_path):
    """Of a table whose attacks are given none may be lacking, nor of any table a single line."""
    folder = copied("minilm/mergers_full", tmp_path)
    counts = folder / "mergers_full_targets.csv"
    edit_rows(counts, lambda rows: [row for row in rows if row["attack"] != "svc"])
    edit_rows(folder / "mergers_full.csv", lambda rows: [r for r in rows if r["attack"] != "svc"])
    with pytest.raises(InputError) as said:  # ranks are others, but no line is lacking
        check_folder(folder)
    assert "the counts make" in str(said.value)
    edit_rows(counts, lambda rows: rows[:-1])
    with pytest.raises(InputError, match="1 line that its command measures, lacking: "):
        check_folder(folder)
