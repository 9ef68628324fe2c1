"""Numbers that a table publishes are those of its counts, or the table is refused."""

from __future__ import annotations

import pytest
from committed_tables import check_folder, copied, edit_rows, edit_text

from mergebench.errors import InputError

ALONE = (".md", ".csv", "_tasks.csv")
MERGES = (".md", ".csv", "_targets.csv")


def changed(file, column: str, text: str, place: int) -> None:
    """Let another number stand in a column of one line."""

    def edited(rows):
        assert rows[place][column] not in ("", text)
        rows[place][column] = text
        return rows

    edit_rows(file, edited)


@pytest.mark.parametrize(
    ("stem", "ends", "file", "columns"),
    [
        ("mini_vit/table4", MERGES, "_targets.csv", "accuracy others_accuracy all_accuracy low_95"),
        ("mini_vit/table4", MERGES, "_targets.csv", "backbone release"),
        ("mini_vit/table4", MERGES, ".csv", "accuracy others_accuracy all_accuracy high_95"),
        ("mini_vit/table4", MERGES, ".csv", "correct total difference targets attack"),
        ("mini_vit/table1", ALONE, "_tasks.csv", "accuracy high_95"),
        ("mini_vit/table1", ALONE, ".csv", "mnist kana average average_std average_low_95"),
        ("minilm/mergers", MERGES, ".csv", "rank all_accuracy behind"),
        ("mini_vit/leaderboard", MERGES, ".csv", "target others all"),
        ("mini_vit/leaderboard", MERGES, "_targets.csv", "correct_others correct_all total_all"),
        ("mini_vit/leaderboard", MERGES, "_targets.csv", "validated correct_left_out_all"),
    ],
)
def test_another_number_beside_the_counts_is_refused(tmp_path, stem, ends, file, columns):
    name = stem.partition("/")[2]
    for column in columns.split():
        folder = copied(stem, tmp_path, ends)
        changed(folder / f"{name}{file}", column, "99", -1)
        with pytest.raises(InputError) as said:
            check_folder(folder)
        text = str(said.value)
        assert text.startswith(f"{folder / name}{file}: line ")
        assert " is stated, and the counts make " in text
        assert "\n" not in text


def test_choices_and_what_is_by_input_are_not_checked(tmp_path):
    """These do not follow from counts; the documentation says so."""
    folder = copied("mini_vit/table4", tmp_path)
    for column in ("alpha", "points", "mcnemar_p"):
        changed(folder / "table4_targets.csv", column, "7", -1)
    assert check_folder(folder) == 1


def test_another_number_in_the_markdown_is_refused(tmp_path):
    folder = copied("mini_vit/table4", tmp_path)
    lines = (folder / "table4.md").read_text().splitlines()
    (row,) = (line for line in lines[:8] if line.startswith("| Trap² | "))
    first = row.split(" | ")[1].split("<")[0]
    edit_text(folder / "table4.md", row, row.replace(first, "99.9", 1))
    with pytest.raises(InputError) as said:
        check_folder(folder)
    assert str(said.value).startswith(f"{folder / 'table4.md'}: `| Trap² | 99.9 | ")
    assert f"and the counts make `| Trap² | {first} | " in str(said.value)


def test_counts_cannot_be_changed_alone(tmp_path):
    """Whoever changes one has to change what follows from it, up to the table itself."""
    folder = copied("mini_vit/table4", tmp_path)
    for column in ("correct", "kana_correct"):
        changed(folder / "table4_targets.csv", column, "999", -1)
    with pytest.raises(InputError, match=r"table4_targets.csv: line 81, column accuracy: "):
        check_folder(folder)


@pytest.mark.parametrize("size", ["0", "999"])
def test_two_numbers_of_test_inputs_are_refused(tmp_path, size):
    folder = copied("mini_vit/table4", tmp_path)
    changed(folder / "table4_targets.csv", "total", size, -1)
    with pytest.raises(InputError, match=f"states {size} test inputs of kana, and 1000 elsewhere"):
        check_folder(folder)


def test_the_main_table_has_the_lines_of_the_counts(tmp_path):
    folder = copied("mini_vit/table4", tmp_path)
    edit_rows(folder / "table4.csv", lambda rows: rows[:-1])
    with pytest.raises(InputError, match=r"table4.csv has 9 lines, and the counts make 10; write"):
        check_folder(folder)
