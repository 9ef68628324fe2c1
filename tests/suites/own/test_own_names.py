"""What classes of a user's data are called: by labels, by --names, of one task or of several."""

from __future__ import annotations

import json

import pytest
from own_data import load, options_of, pairs, write_pictures, write_texts

from mergebench.errors import InputError
from mergebench.suites import survey_suite

BOTH = {"mails": {"0": "ham", "1": "spam"}, "reviews": ["bad", "good"]}


@pytest.fixture
def files(tmp_path):
    """Two tasks whose labels are 0 and 1."""
    content = {name: [(f"{name} {n}", n % 2) for n in range(20)] for name in ("mails", "reviews")}
    return [write_texts(tmp_path / f"{name}.csv", own) for name, own in content.items()]


@pytest.fixture
def names(tmp_path):
    """Write a file of names, and return its place."""

    def write(content):
        file = tmp_path / "names.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    return write


def classes(tmp_path, *paths, tasks=None, **options):
    states = survey_suite("own", tasks, options_of(tmp_path, *paths, **options))
    return {state.row.name: state.classes for state in states}


def refused(tmp_path, *paths, **options):
    with pytest.raises(InputError) as caught:
        classes(tmp_path, *paths, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- several tasks --------------------------------------------------------------------------


def test_each_task_has_its_own_names(tmp_path, files, names):
    named = classes(tmp_path, *files, names=names(BOTH))
    assert named == {"mails": ("ham", "spam"), "reviews": ("bad", "good")}
    assert classes(tmp_path, *files, names=names(BOTH), tasks=["reviews"]) == {
        "reviews": ("bad", "good")
    }


@pytest.mark.parametrize("content", ["neg\npos\n", '["neg", "pos"]', {"0": "neg", "1": "pos"}])
def test_numbers_of_two_tasks_do_not_mean_the_same(tmp_path, files, names, content):
    message = refused(tmp_path, *files, names=names(content))
    assert "names the numbers of mails and reviews alike; name those of each task, in JSON" in (
        message
    )
    assert message.endswith('{"mails": {"0": "..."}, "reviews": {"0": "..."}}')
    assert "alike" in refused(
        tmp_path, *files, names=names(content), tasks=["mails", "reviews"]
    )  # whatever else there is
    alone = classes(tmp_path, *files, names=names(content), tasks=["mails"])
    assert alone == {"mails": ("neg", "pos")}


def test_numbers_of_two_tasks_of_images_do_not_mean_the_same(tmp_path, names):
    folders = [write_pictures(tmp_path / name, {"0": 5, "1": 5}) for name in ("a", "b")]
    with pytest.raises(InputError, match="names the numbers of a and b alike"):
        load(tmp_path, *folders, names=names(["off", "on"]))


def test_one_task_of_numbers_beside_others_needs_no_more_than_a_list(tmp_path, files, names):
    words = write_texts(tmp_path / "words.csv", pairs("all", {"yes": 5, "no": 5}))
    named = classes(tmp_path, files[0], words, names=names(["ham", "spam"]))
    assert named == {"mails": ("ham", "spam"), "words": ("no", "yes")}


def test_a_word_means_the_same_in_all_tasks(tmp_path, names):
    paths = [
        write_texts(tmp_path / f"{name}.csv", pairs(name, {"yes": 5, "no": 5})) for name in "ab"
    ]
    named = classes(tmp_path, *paths, names=names({"yes": "agrees"}))
    assert named == {"a": ("no", "agrees"), "b": ("no", "agrees")}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({**BOTH, "mail": ["a", "b"]}, "unknown task 'mail'; did you mean mails?"),
        ({**BOTH, "mails": {"0": "a", "1": "b", "2": "c"}}, "task mails: unknown label '2'; "),
        ({**BOTH, "2": "c"}, "has names of tasks, and '2' beside them; give each task an object"),
        ({**BOTH, "mails": []}, "task mails: names no class"),
        ({**BOTH, "mails": ["a", 7]}, "task mails: label '1' has no name"),
        ('{"mails": ["a", "b"], "mails": ["c", "d"]}', "names the task 'mails' twice; keep one"),
        ({"mails": ["ham", "spam"]}, "reviews.csv: has the label 0, a number without a name"),
    ],
)
def test_names_of_tasks_that_are_refused(tmp_path, files, names, content, message):
    assert message in refused(tmp_path, *files, names=names(content))


# --- labels ---------------------------------------------------------------------------------


@pytest.mark.parametrize("label", ["0.0", "1.", "-2.50"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_number_with_a_point_is_no_label_in_any_format(tmp_path, suffix, label):
    number = label if suffix == "csv" else float(label)
    texts = [("one", number), *((f"{n}", number) for n in range(3))]
    message = refused(tmp_path, write_texts(tmp_path / f"a.{suffix}", texts))
    assert message.endswith(f" has the label {float(label)}; expected a name or a whole number")


def test_a_name_with_a_point_is_a_name(tmp_path):
    file = write_texts(tmp_path / "a.csv", pairs("all", {"v1.0": 5, "1.0.2": 5}))
    assert classes(tmp_path, file) == {"a": ("1.0.2", "v1.0")}


def test_the_same_texts_of_two_spellings_of_a_class(tmp_path):
    texts = [(f"{label.lower()} {n}", label) for label in ("Good", "good", "bad") for n in range(9)]
    message = refused(tmp_path, write_texts(tmp_path / "a.csv", texts))
    assert "test has none of 'good'" in message
    assert "'good' and 'Good' look like two spellings of one class; spell it one way, or" in message
    apart = [(f"{text} {number}", label) for number, (text, label) in enumerate(texts)]
    assert len(classes(tmp_path, write_texts(tmp_path / "a.csv", apart))["a"]) == 3


def test_capitals_may_tell_classes_apart(tmp_path):
    content = [
        (f"{name} {n}", name[0]) for name in ("a small one", "A large one") for n in range(5)
    ]
    letters = write_texts(tmp_path / "letters.csv", content)
    assert classes(tmp_path, letters) == {"letters": ("A", "a")}


def test_two_unicode_forms_of_a_class(tmp_path, names):
    content = [(f"{n}", ("café", "cafe\u0301", "bar")[n % 3]) for n in range(15)]
    file = write_texts(tmp_path / "a.csv", content)
    message = refused(tmp_path, file)
    assert r"labels 'cafe\u0301' and 'caf\xe9' are two spellings of one class" in message
    assert classes(tmp_path, file, names=names({"café": "tea room"}))["a"][2] == "tea room"


# --- blank lines ----------------------------------------------------------------------------


def test_blank_lines_at_the_end_of_json_lines(tmp_path):
    file = write_texts(tmp_path / "a.jsonl", pairs("all", {"bad": 5, "good": 5}))
    before = survey_suite("own", None, options_of(tmp_path, file))[0].task
    file.write_text(file.read_text() + "\n \r\n\n")
    assert survey_suite("own", None, options_of(tmp_path, file))[0].task == before
    file.write_text(file.read_text() + json.dumps({"text": "a", "label": "bad"}))
    assert "a.jsonl, line 11: a blank line; delete it" in refused(tmp_path, file)
