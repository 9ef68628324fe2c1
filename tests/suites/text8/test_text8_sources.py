"""text8: the same task from every source and format, and which source is taken."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from repository import ROOT
from text8_data import (
    COMMIT,
    files_of,
    snapshot,
    write_json_lines,
    write_numbered,
    write_parquet,
)

from mergebench.errors import InputError
from mergebench.suites.text8 import TASKS, prompts_of, read_task, read_tasks, survey, task_rows

SIZES = {"train": 60, "test": 24}


def row_of(task: str):
    return task_rows([task])[0]


def mini(task: str, *sizes: dict[str, int]):
    """Return a task's row whose data set is published with these sizes."""
    row = row_of(task)
    form = row.forms[0]
    return replace(row, forms=tuple(replace(form, sizes=own) for own in sizes))


@pytest.mark.parametrize("task", [row.name for row in TASKS])
def test_every_source_gives_the_same_task(task, options, tmp_path, hub_cache):
    row, labels = row_of(task), prompts_of(task).labels
    classes = len(labels)
    files = files_of(task, {"train": 8 * classes, "test": 2 * classes})
    backwards = {file: pairs[::-1] for file, pairs in files.items()}
    shuffled = labels[::-1]
    writers = {
        "JSON lines": lambda folder: write_json_lines(folder, files),
        "label_text": lambda folder: write_json_lines(folder, files, label="label_text"),
        "other order": lambda folder: write_json_lines(folder, backwards),
        "Parquet": lambda folder: write_parquet(folder / "data", files, names=shuffled, shards=2),
        "names": lambda folder: write_parquet(folder, files, label="intent"),
        "hub": lambda folder: write_parquet(snapshot(hub_cache, row.hub[0]), files),
    }
    found = {}
    for name, write in writers.items():
        own = replace(options, data_root=tmp_path / name)
        write(own.data_root / task)
        found[name] = read_task(row, own)
    assert all(other.splits == found["JSON lines"].splits for other in found.values())
    assert found["Parquet"].source == "Parquet (partial)"
    for split in found["hub"].splits.values():
        assert set(split.labels) == set(range(classes))
        for text, label in zip(split.texts, split.labels, strict=True):
            assert (text, labels[label]) in [*files["train"], *files["test"]]


def test_numbers_without_names_are_read_where_their_order_is_published(options):
    files = files_of("trec", SIZES)
    write_json_lines(options.data_root / "trec", files)
    named = read_task(row_of("trec"), options)
    write_numbered(options.data_root / "trec", files, prompts_of("trec").labels)
    numbered = read_task(row_of("trec"), options)
    assert numbered.splits == named.splits
    note = "trec: labels are numbers without names, read as ABBR, ENTY, DESC, HUM, LOC, NUM."
    assert note in numbered.notes
    assert note not in named.notes
    write_numbered(
        options.data_root / "snips", files_of("snips", SIZES), prompts_of("snips").labels
    )
    assert "test.jsonl, line 1: has the label 0 without a name; give the names of the classes" in (
        survey(row_of("snips"), options).problem
    )


def test_local_copies_come_before_the_hub(options, hub_cache):
    row = row_of("emotion")
    write_parquet(snapshot(hub_cache, row.hub[0]), files_of("emotion", SIZES))
    assert (
        read_task(row, options).source
        == f"Parquet of cardiffnlp/tweet_eval@{COMMIT[:12]} (partial)"
    )
    write_parquet(options.data_root / "emotion", files_of("emotion", SIZES))
    assert read_task(row, options).source == "Parquet (partial)"
    write_json_lines(options.data_root / "emotion", files_of("emotion", SIZES))
    assert read_task(row, options).source == "JSON lines (partial)"


def test_splits_of_two_formats_are_refused(options):
    """The part that is read may be another form of the data set, as the test file of agnews is."""
    row, folder = row_of("agnews"), options.data_root / "agnews"
    write_json_lines(folder, files_of("agnews", {"test": 24}))
    assert read_task(row, options).source == "JSON lines (partial)"
    write_parquet(folder, files_of("agnews", {"test": 24}))
    assert read_task(row, options).source == "JSON lines (partial)"
    write_parquet(folder, files_of("agnews", {"train": 60}))
    assert survey(row, options).problem == (
        f"{folder}: has test.jsonl and train-00000-of-00001.parquet, splits of two formats; keep "
        "one format"
    )


def test_local_copies_that_are_not_read_are_named(options):
    row, folder = row_of("trec"), options.data_root / "trec"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "head").write_text("")
    assert survey(row, options).absent
    for name in ("data/train.jsonl.gz", "test.csv", "trec_dev.jsonl", ".hidden"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    state = survey(row, options)
    expected = "expected train, val and test, or all, as .jsonl or .parquet"
    there = "data/train.jsonl.gz, test.csv, trec_dev.jsonl"
    assert state.problem == f"{folder}: has {there}; {expected}"
    assert not state.absent
    (folder / "validation.tsv").write_text("")
    assert survey(row, options).problem == f"{folder}: has {there}, ...; {expected}"
    write_json_lines(folder, files_of("trec", SIZES))
    assert survey(row, options).problem == ""


def test_pinned_revision_is_the_one_that_is_read(options, hub_cache):
    row = row_of("agnews")
    files = snapshot(hub_cache, row.hub[0])
    assert files.name == "eb185aade064a813bc0b7f42de02595523103ca4"
    write_parquet(files / "data", files_of("agnews", SIZES), names=prompts_of("agnews").labels)
    assert read_task(row, options).source.startswith("Parquet of fancyzhx/ag_news@eb185aade064 (")


def test_other_configurations_on_the_hub_are_not_read(options, hub_cache):
    files = snapshot(hub_cache, row_of("clinc150").hub[0])
    write_parquet(files, files_of("clinc150", {"train": 900, "test": 300}), label="intent")
    write_parquet(files.parent / "small", files_of("trec", SIZES), label="intent")
    assert read_task(row_of("clinc150"), options).splits["test"].texts


def test_a_copy_on_the_hub_that_cannot_be_used_gives_way_to_the_next(options, hub_cache):
    row = row_of("snips")
    write_numbered(
        snapshot(hub_cache, row.hub[0]), files_of("snips", SIZES), prompts_of("snips").labels
    )
    assert "without a name" in survey(row, options).problem
    write_parquet(snapshot(hub_cache, row.hub[1]), files_of("snips", SIZES), label="category")
    assert read_task(row, options).source.startswith("Parquet of benayas/snips@")


# --- sizes ----------------------------------------------------------------------------------


def test_a_source_has_one_of_the_published_sizes(options):
    complete = replace(options, partial=False)
    row = mini("trec", SIZES, {"train": 62, "test": 24})
    row = replace(row, forms=(row.forms[0], replace(row.forms[1], name="another")))
    write_json_lines(options.data_root / "trec", files_of("trec", SIZES))
    assert read_task(row, complete).source == "JSON lines (official files)"
    write_json_lines(options.data_root / "trec", files_of("trec", {"train": 62, "test": 24}))
    assert read_task(row, complete).source == "JSON lines (another)"
    write_json_lines(options.data_root / "trec", files_of("trec", {"train": 61}))
    expected = (
        f"JSON lines in {options.data_root / 'trec'}: has test 24, train 61 texts; expected test "
        "24, train 60 (official files) or test 24, train 62 (another); use the whole data set or "
        "--partial"
    )
    assert survey(row, complete).problem == expected
    assert read_task(row, options).source == "JSON lines (partial)"


UNPINNED = [
    pytest.param(row.name, copy, id=copy.repository)
    for row in TASKS
    for copy in row.hub
    if len(copy.revisions[0]) != len(COMMIT)
]


@pytest.mark.parametrize(("task", "copy"), UNPINNED)
def test_a_copy_of_no_fixed_revision_is_held_to_its_counts_and_classes(
    task, copy, options, hub_cache
):
    """What a branch of the hub holds by now may be another data set."""
    labels = prompts_of(task).labels
    sizes = {"train": 8 * len(labels), "test": 2 * len(labels)}
    row, complete = replace(mini(task, sizes), hub=(copy,)), replace(options, partial=False)
    folder, files = snapshot(hub_cache, copy), files_of(task, sizes)

    def told(train: list[tuple[str, str]]) -> str:
        write_parquet(folder, {**files, "train": train})
        return survey(row, complete).problem or ""

    assert told(files["train"]) == ""
    assert f"train {sizes['train'] - 1:,} texts; expected" in told(files["train"][1:])
    (text, _), *others = files["train"]
    assert "another" in told([(text, "another"), *others])
    lacking = [(text, labels[1] if label == labels[0] else label) for text, label in files["train"]]
    assert labels[0] in told(lacking)


def test_which_copies_have_no_fixed_revision_is_said():
    said = (ROOT / "docs" / "text8.md").read_text().partition("**Not pinned**")[2]
    paragraph = said.partition("\n\n")[0]
    assert {copy.repository for copy in (param.values[1] for param in UNPINNED)} == {
        *re.findall(r"`([\w-]+/\w+)`", paragraph)
    }


def test_everything_missing_is_named_at_once(options):
    write_json_lines(options.data_root / "trec", files_of("trec", SIZES))
    with pytest.raises(
        InputError, match=r"^7 missing: banking77: not found \(1\.1 MB\): "
    ) as caught:
        read_tasks(options=options)
    folder = options.data_root / "snips"
    assert str(caught.value).endswith(
        f"snips: not found (0.6 MB): `mergebench data fetch --suite text8 snips`, or copy it to "
        f"{folder}"
    )
    assert [task.name for task in read_tasks(["trec"], options=options)] == ["trec"]
    with pytest.raises(InputError, match="unknown task 'tric'; did you mean trec"):
        read_tasks(["tric"], options=options)
