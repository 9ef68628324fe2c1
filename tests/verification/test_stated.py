"""Lines of committed tables become cells as their command says, and damaged ones an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from mergebench.commands.runs import stated_commands
from mergebench.commands.runs.stated_commands import Places, stated_experiment, stated_setting
from mergebench.errors import InputError
from mergebench.verification import read_tables

CAPTION = b"- Command: `mergebench table1`\n"
LINES = b"row,task,seed,correct,total\nzero_shot,mnist,0,7,10\n"


@pytest.mark.parametrize(
    ("options", "targets"), [("", ["mnist", "fashion"]), (" --set finetune.tasks=all", [None])]
)
def test_the_command_says_which_merges_are_for_one_target(tmp_path, options, targets):
    """Fine-tuning on the inputs of all tasks is one merge, with a line for every target."""
    (tmp_path / "table5.md").write_text(f"- Command: `mergebench table5{options}`\n")
    (tmp_path / "table5_targets.csv").write_text(
        "protection,attack,space,target,seed,correct,total,mnist_correct,fashion_correct\n"
        "unprotected,finetune,full,mnist,0,7,10,7,8\n"
        "unprotected,finetune,full,fashion,0,8,10,7,8\n"
    )
    (table,) = read_tables(tmp_path, stated_setting)
    assert [cell.target for cell in table.cells] == targets


def folder_of(folder: Path, **files: bytes) -> Path:
    """Write a table 1 of one line, but for what `files` say by the ends of their names."""
    for end, content in {"tasks.csv": LINES, "table1.md": CAPTION, **files}.items():
        (folder / (end if end.startswith("table1") else f"table1_{end}")).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("table1.csv", b"", "table1.csv is empty: write the table again"),
        ("tasks.csv", b"\x00\xff\xfe", "table1_tasks.csv is no text in UTF-8: write the table ag"),
        (
            "tasks.csv",
            LINES + b"zero_shot,flags,0,7,10,1\n",
            "table1_tasks.csv, line 3: 6 values under 5 columns: write the table again",
        ),
        (
            "tasks.csv",
            LINES + b"zero_shot,flags,0,7.5,10\n",
            "table1_tasks.csv: line 3, column correct: 7.5 is no whole number; write the table ag",
        ),
        ("tasks.csv", LINES + b"trap2,flags,,7,10\n", "line 3, column seed: '' is no whole number"),
        ("table1.md", b"\xff", "table1.md is no text in UTF-8: write the table again"),
        (
            "table1.md",
            b"- Command: `mergebench table1 --nope`\n",
            "table1.md: unknown option --nope; see mergebench table1 --help",
        ),
        ("table1.md", b"- Command: `mergebench table1 --tasks 'a`\n", "cannot be read: No closing"),
        ("table1.md", b"- Command: `mergebench table1 --help`\n", "table1.md: its command"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    with pytest.raises(InputError) as said:
        read_tables(folder_of(tmp_path, **{name: content}), stated_setting)
    assert f"{tmp_path}/table1" in str(said.value)
    assert message in str(said.value)


def test_a_caption_names_weights_and_not_where_they_lie(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stated_commands, "checked_experiment", lambda options: options)
    file, command = Path("table1_tasks.csv"), "mergebench table1 --backbone minilm --weights model"
    with pytest.raises(InputError) as said:
        stated_experiment(command, file, store=tmp_path, places=Places())
    assert str(said.value) == (
        "table1_tasks.csv: the caption names the weights `model`: say where they are with --weights"
    )
    given = stated_experiment(command, file, store=tmp_path, places=Places(weights="here/model"))
    assert given.weights == "here/model"
    Path("model").mkdir()
    assert stated_experiment(command, file, store=tmp_path, places=Places()).weights == "model"


def test_a_caption_names_plug_ins_and_not_where_they_lie(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stated_commands, "checked_experiment", lambda options: options)
    file, command = Path("table1_tasks.csv"), "mergebench table1 --plugin mine.py"
    with pytest.raises(InputError, match=r"csv: the caption names the plug-in `mine.py`: say whe"):
        stated_experiment(command, file, store=tmp_path, places=Places())
    with pytest.raises(InputError, match=r"^the caption names the plug-in `mine.py`: say where it"):
        stated_setting(command)
    lying = tmp_path / "elsewhere" / "mine.py"
    lying.parent.mkdir()
    lying.touch()
    given = stated_experiment(command, file, store=tmp_path, places=Places(plugins=(lying,)))
    assert given.plugin == [lying]
    Path("mine.py").touch()
    given = stated_experiment(command, file, store=tmp_path, places=Places())
    assert given.plugin == [Path("mine.py")]


def test_data_are_looked_for_where_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(stated_commands, "checked_experiment", lambda options: options)
    places = Places(data_root=Path("root"), cache=Path("kept"), data=(Path("here/shapes"),))

    def found(command, places=places):
        options = stated_experiment(command, tmp_path, store=tmp_path, places=places)
        return options.data_root, options.cache, options.partial, options.data

    assert found("mergebench table1") == (Path("root"), Path("kept"), False, [])
    own = (None, Path("kept"), False, [Path("here/shapes")])
    assert found("mergebench table1 --data shapes") == own
    assert found("mergebench table1", Places(partial=True)) == (None, None, True, [])
    assert found("mergebench table1 --partial", Places()) == (None, None, True, [])


def test_other_commands_of_entries_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"x\.json: its command `mergebench replay` makes none of"):
        stated_experiment("mergebench replay", Path("x.json"), store=tmp_path, places=Places())
