"""`mergebench audit`: what it prints and writes, and what it refuses in one line."""

from __future__ import annotations

import json
import re

import pytest
import torch
from audited import low_rank, write_adapter, write_task
from command_line import run
from repository import ROOT

from mergebench.updates import LowRank, Update

BROKEN = {
    "no correct": ("def model(): ...", "defines no function correct"),
    "no model": ("def correct(model, split): ...", "defines no function model"),
    "no function": ("model = correct = 3", "defines no function model"),
    "no module": ("def model(): return 3\ndef correct(m, s): ...", "model() returned int 3"),
    "raises": ("def model(): {}['a']\ndef correct(m, s): ...", "model(): KeyError: 'a'"),
    "exits": ("import sys\nsys.exit(3)", "SystemExit: 3"),
    "no Python": ("def model(:", "SyntaxError"),
}
CORRECT = """
from audited import network
calls = []

def model():
    return network()

def correct(model, split):
    calls.append(split)
    return {answer}
"""
ANSWERS = {
    "[1, 0, 1]": "correct(model, 'val') returned a list with int 1; return booleans",
    "[0.5]": "returned a list with float 0.5; return booleans",
    "0.75": "returned float 0.75; return a list of booleans",
    "None": "returned NoneType; return a list of booleans",
    "[]": "returned an empty list",
    "['yes']": "returned a list with str; return booleans",
    "__import__('torch').ones(3) > 0": "returned Tensor; return a list of booleans",
    "[True] * len(calls)": "returned 2 booleans, and 1 before",
    "model.third(split)": "AttributeError",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    own = low_rank(0)
    for name, update in (("adapter", own), ("peer", low_rank(1)), ("twin", own.scaled(0.97))):
        write_adapter(tmp_path / name, update)
    for rule in ("trapped", "plain"):
        write_task(tmp_path / f"{rule}.py", own, rule)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def complaint(folder, capsys):
    def refused(*words):
        assert run("audit", *words) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.count("\n") == 1, shown.err
        return shown.err

    return refused


def edit(adapter, **options):
    config = adapter / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **options}))


def test_words_first_then_numbers(folder, capsys):
    words = ["adapter", "--task", "trapped.py", "--with", "peer", "--json", "audit.json"]
    assert run("audit", *words, "--require", "kept<=0.2", "--require", "alone>=90") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith("Merged with one peer, this adapter keeps 0 % (0 to 0 %) of what it")
    for text in ("adapter alone", "who knows which one it is", "hold:ta", "wrote audit.json"):
        assert text in shown
    (found,) = json.loads((folder / "audit.json").read_text())["audits"]
    assert found["verdict"] in shown
    assert found["blind"]["denied"]["value"] == 1
    assert run("audit", *words) == 0  # it replaces its own


def test_a_page_has_the_verdict_and_escapes_what_comes_from_outside(folder, capsys):
    strange = folder / "<b>&adapter"
    (folder / "adapter").rename(strange)
    words = ["<b>&adapter", "twin", "--task", "plain.py", "--synthetic", 1, "--html", "audit.html"]
    assert run("audit", *words) == 0
    page = (folder / "audit.html").read_text()
    assert page.count("Merged with one synthetic peer, this adapter keeps 100 %") >= 2
    assert "&lt;b&gt;&amp;adapter" in page
    assert "<b>&adapter" not in page
    assert "--synthetic 1 --html audit.html" in page
    assert run("audit", *words) == 0  # it replaces its own
    (folder / "audit.html").write_text("somebody's")
    assert run("audit", *words) == 2


def test_a_requirement_that_is_not_met_is_status_1_and_a_line(capsys, folder):
    words = ["twin", "adapter", "--task", "trapped.py", "--synthetic", 1]
    assert run("audit", *words, "--require", "kept_informed<=0.2") == 1
    shown = capsys.readouterr()
    assert shown.out.count("Merged with one synthetic peer, ") == 2
    failures = [line for line in shown.err.splitlines() if "measuring" not in line]
    assert [line.split(":")[1] for line in failures] == [" twin", " adapter"]


@pytest.mark.parametrize("name", ["denied", "denied_informed.low", "denied_overall"])
def test_what_is_denied_takes_a_plain_twin(folder, complaint, name):
    words = ["adapter", "--task", "plain.py", "--synthetic", 1, "--require"]
    line = complaint(*words, f"{name}>=0.8")
    assert f"--require '{name}>=0.8': without a plain adapter of the same task {name} says" in line
    assert "give one by --plain, or require kept<=NUMBER instead" in line


def test_with_a_plain_twin_what_is_denied_can_be_required(folder, capsys):
    words = ["adapter", "--task", "plain.py", "--synthetic", 1, "--plain", "twin"]
    assert run("audit", *words, "--require", "denied>=0.8") == 1
    assert "denied>=0.8 is required, and denied is 0" in capsys.readouterr().err


@pytest.mark.parametrize("what", BROKEN)
def test_files_that_are_no_task(folder, complaint, what):
    text, message = BROKEN[what]
    (folder / "broken.py").write_text(text)
    line = complaint("adapter", "--task", "broken.py")
    assert "broken.py" in line
    assert message in line


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_that_are_no_booleans(folder, complaint, answer):
    (folder / "answering.py").write_text(CORRECT.format(answer=answer))
    line = complaint("adapter", "--task", "answering.py")
    assert "answering.py: correct(model, 'val')" in line
    assert ANSWERS[answer] in line


def test_models_that_no_update_can_be_added_to(folder, complaint):
    quantised = "model.first.weight = torch.nn.Parameter(model.first.weight.to(torch.int8), False)"
    tied = "model.third = torch.nn.Linear(40, 48); model.third.weight = model.first.weight"
    meta = "model = model.to('meta')"
    text = "import torch\nfrom audited import network\ndef model():\n  model = network()\n  {}\n"
    text += "  return model\ndef correct(model, split): return [True]"
    for change, message in (
        (quantised, "is quantised (first is Linear)"),
        (tied, "site first shares its weights with third.weight"),
        (meta, "the weights of first are not in memory"),
    ):
        (folder / "odd.py").write_text(text.format(change))
        assert message in complaint("adapter", "--task", "odd.py")


def test_adapters_that_do_not_fit(folder, complaint):
    task = ["--task", "plain.py"]
    write_adapter(folder / "other", low_rank(3), base="someone/another-model")
    write_adapter(folder / "mine", low_rank(4), base="someone/model")
    line = complaint("mine", *task, "--with", "other")
    assert "other: base_model_name_or_path is 'someone/another-model'" in line
    assert "--other-base" in line
    edit(folder / "mine", base_model_name_or_path="someone/model-bnb-4bit")
    assert "mine: its base 'someone/model-bnb-4bit' is quantised" in complaint("mine", *task)
    assert "is the audited adapter adapter itself" in complaint(
        "adapter", *task, "--with", "adapter"
    )
    assert "--plain adapter is the audited adapter" in complaint(
        "adapter", *task, "--plain", "adapter"
    )
    sites = {"third": low_rank(0).sites["first"]}
    write_adapter(folder / "foreign", Update(sites=sites))
    assert ": model() of plain.py has no site 'third'" in complaint("foreign", *task)
    one = {"first": low_rank(5).sites["first"]}
    write_adapter(folder / "small", Update(sites=one))
    assert "--missing zero" in complaint("adapter", *task, "--with", "small")
    assert run("audit", "adapter", *task, "--with", "small", "--missing", "zero") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["adapter"], "say what the adapter is for: --backbone NAME"),
        (["adapter", "--task", "nowhere.py"], "--task nowhere.py: no such file\n"),
        (
            ["adapter", "--task", "adapter"],
            "--task adapter: no such file; it is a file (.py) here, and a task of a suite is --tar",
        ),
        (
            ["adapter", "--task", "flags"],
            "--task flags: no such file; flags is a task of a suite: give --target flags with "
            "--backbone mini_vit|mini_convnext\n",
        ),
        (["nowhere", "--task", "plain.py"], "nowhere: no such adapter folder"),
        (["adapter", "adapter", "--task", "plain.py"], "adapter is named twice"),
        (["adapter", "--task", "plain.py", "--backbone", "mini_vit"], "--backbone: --task says"),
        (
            ["adapter", "--backbone", "mini_vit", "--task", "flags"],
            "--task flags: not a Python file (.py); for a task of the suite give --target flags",
        ),
        (["adapter", "--backbone", "mini_vit"], "needs --data PATH, or --target TASK"),
        (
            ["adapter", "--backbone", "mini_vit", "--data", "a", "--target", "mnist"],
            "--data a and --target mnist both say what the adapter is for; leave one out",
        ),
        (
            ["adapter", "--backbone", "mini_vit", "--data", "a", "--data", "b"],
            "argument --data: a and b are given, and one is taken: leave the other out; see",
        ),
        (
            ["adapter", "--task", "plain.py", "--plain", "peer", "--plain", "twin"],
            "argument --plain: peer and twin are given, and one is taken: leave the other out",
        ),
        (["adapter", "--task", "plain.py", "--store", "runs"], "--store: --task says"),
        (["adapter", "--backbone", "mini_vat", "--target", "mnist"], "did you mean mini_vit"),
        (["adapter", "--task", "plain.py", "--require", "denies>1"], "did you mean denied"),
        (["adapter", "--task", "plain.py", "--with", "peer", "--synthetic", "2"], "leave one out"),
        (["adapter", "--task", "plain.py", "--synthetic", "-1"], "no whole number from 0 to 64"),
        (["adapter", "--task", "plain.py", "--json", "plain.py"], "would replace plain.py"),
        (["adapter", "--task", "plain.py", "--json", "plain.pt"], "not as this command writes it"),
        (
            ["adapter", "--task", "plain.py", "--html", "a.htm"],
            "expected a name that ends in .html",
        ),
        (
            ["adapter", "--task", "plain.py", "--html", "a.html", "--json", "a.html"],
            "--json's file",
        ),
    ],
)
def test_wrong_words(complaint, words, message):
    assert message in complaint(*words)


PROJECT = """
import torch
from torch import nn


def load_model(file):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


def load_data(split):
    torch.manual_seed(len(split))
    return torch.randn(30, 6), torch.randint(3, (30,))
"""


def test_the_task_file_of_the_page_runs_as_it_is_printed(folder, monkeypatch, capsys):
    page = (ROOT / "docs" / "audit.md").read_text()
    task, python = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    (folder / "my_task.py").write_text(task)
    (folder / "my_project.py").write_text(PROJECT)
    monkeypatch.syspath_prepend(str(folder))
    for number, name in enumerate(("my_adapter", "other_1", "other_2")):
        draws = torch.Generator().manual_seed(number)
        up, down = torch.randn(5, 2, generator=draws), torch.randn(2, 6, generator=draws)
        write_adapter(folder / name, Update(sites={"0": LowRank(up=up, down=down)}))
    exec(python, {})
    verdict = capsys.readouterr().out
    assert verdict.startswith(("Merged with two peers, ", "Alone, "))
    words = re.findall(r"^mergebench (audit my_adapter --task .+)$", page, re.MULTILINE)[0]
    assert run(*words.split()) == 0
    assert " ".join(verdict.split()) in " ".join(capsys.readouterr().out.split())
