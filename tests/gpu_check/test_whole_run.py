"""gpu-check from the command line, on the CPU: tiny, and with what a GPU brings pretended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from miniature import FEW_IMAGES, PROTOCOL, SETTING
from pretended_gpu import pretended_gpu
from repository import ROOT

from mergebench import cli
from mergebench.errors import InputError
from mergebench.experiment import TABLE2
from mergebench.experiment import experiment as experiment_module
from mergebench.gpu_check import (
    Outcome,
    merge_columns,
    merge_times,
    prediction,
    running,
    sizes,
    speeds,
)
from mergebench.gpu_check.budget import Deadline
from mergebench.gpu_check.gpu_tests import run_gpu_tests
from mergebench.gpu_check.sizes import SIZES, TINY, TableSize
from mergebench.registry import registry


@pytest.fixture(autouse=True)
def _fresh() -> Any:
    registry.cache_clear()
    experiment_module._workbench.cache_clear()
    yield
    registry.cache_clear()
    experiment_module._workbench.cache_clear()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the verb on even less than `tiny`, and return its status and what it wrote."""
    registry().add_file(FEW_IMAGES)
    short = replace(SETTING, recipe=replace(SETTING.recipe, steps=4, batch_size=8))
    table = TableSize(setting=short, protocol=PROTOCOL, attacks=("ta@full",))
    less = replace(TINY, images={"mini_vit": 32}, updates=2, table=lambda setting: table)
    monkeypatch.setitem(SIZES, "tiny", less)  # type: ignore[index]
    for module in (speeds, prediction):
        monkeypatch.setattr(module, "get_setting", lambda backbone: short)
    monkeypatch.setattr(merge_times, "site_shapes", lambda backbone: {"a": (32, 48), "b": (32, 48)})
    passed = Outcome(test="test_a.py::test_b", outcome="passed")
    monkeypatch.setattr(running, "run_gpu_tests", lambda device, deadline: [passed])

    def run(*words: str) -> tuple[int, dict[str, Any], str]:
        command = ["gpu-check", "--device", "cpu", "--size", "tiny", "--results", str(tmp_path)]
        status = cli.main([*command, *words])
        (whole,) = (tmp_path / "gpu").glob("*-tiny.json")
        content: dict[str, Any] = json.loads(whole.read_text())
        return status, content, whole.with_suffix(".md").read_text()

    return run


def test_everything_runs_on_the_cpu(run, capsys) -> None:
    status, content, text = run()
    assert status == 0
    assert content["not_measured"] == []
    assert {one["column"] for one in content["merging"]} == set(merge_columns()) >= set(TABLE2)
    assert {(one["protection"], one["precision"]) for one in content["training"]} == {
        *(("none", "bf16"), ("trap2", "bf16"), ("none", "fp32"), ("trap2", "fp32"))
    }
    plain, trapped = (one["flop_per_step"] for one in content["training"][:2])
    assert trapped == pytest.approx(2 * plain)
    assert [one["precision"] for one in content["evaluation"]] == ["bf16", "fp32"]
    stages = {one["stage"]: (one["done"], one["wanted"]) for one in content["tables"]}
    assert stages == {"zero-shot": (1, 1), "adapters": (4, 4), "merges": (3, 3)}
    assert {one["table"] for one in content["predictions"]} == {1, 2}
    assert "no evidence" in text
    assert "wrote " in capsys.readouterr().out


@pytest.mark.slow
def test_speeds_and_merges_run_on_a_pretended_gpu(run) -> None:
    """Both devices merge; no tensor of the one meets one of the other on the way."""
    with pretended_gpu():
        status, content, text = run("--device", "cuda", "--parts", "speeds merging tables")
    assert status == 0
    assert content["not_measured"] == []
    assert content["machine"]["device"] == "pretended GPU"
    assert {one["device"] for one in content["merging"]} == {"cpu", "cuda"}
    assert [one["device"] for one in content["alphas"]] == ["cuda", "cpu"]
    assert all(one["peak_bytes"] is not None for one in content["training"])
    assert "| attack @ space | cuda: first | cuda: point | cuda: grid | cpu: first |" in text


def test_what_is_not_reached_or_fails_is_named(run, monkeypatch) -> None:
    def broken(*words: object) -> None:
        raise InputError("pytest is not installed")

    monkeypatch.setattr(running, "run_gpu_tests", broken)
    status, content, text = run("--budget", "1", "--parts", "tests speeds tables")
    missed = {one["what"]: one["why"] for one in content["not_measured"]}
    assert status == 0
    assert missed["tests marked gpu"] == "pytest is not installed"
    assert "- tests marked gpu (tests): pytest is not installed" in text
    assert {"table 2 of mini_vit", "the rest of table 2 of mini_vit"} & missed.keys()
    assert content["merging"] == []


def test_a_failed_test_is_status_1(run, monkeypatch) -> None:
    failed = Outcome(test="test_a.py::test_b", outcome="failed")
    monkeypatch.setattr(running, "run_gpu_tests", lambda device, deadline: [failed])
    status, _, text = run("--parts", "tests")
    assert status == 1
    assert "- failed: test_a.py::test_b" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--parts", "speed"], "unknown part 'speed'; did you mean speeds?"),
        (["--budget", "0"], "'0' is no whole number from 1"),
        (["--data-root", "somewhere"], "--data-root: give --weights of minilm too"),
        (["--size", "small"], "small"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_words_are_refused_before_anything_runs(words, message, tmp_path, capsys) -> None:
    command = ["gpu-check", "--device", "cpu", "--results", str(tmp_path / "results")]
    assert cli.main([*command, *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_the_full_size_is_of_the_papers_backbones() -> None:
    full = SIZES["full"]
    assert set(full.images) == {"vit_b32", "vit_l14", "convnext"}
    assert full.table(SETTING).attacks == TABLE2
    assert full.table(SETTING).tasks is None
    assert sizes.FULL.images_on("cpu", "vit_l14") == 16


@pytest.mark.slow
def test_the_tests_marked_gpu_pass_on_a_pretended_one() -> None:
    """What they hold against the CPU is then the CPU, with tensors that must not meet its own."""
    found = run_gpu_tests("pretended", Deadline(3600))
    assert {one.outcome for one in found} == {"passed", "skipped"}
    assert len(found) > 40


@pytest.mark.slow
def test_tiny_from_the_command_line(tmp_path: Path) -> None:
    """All of it, with the tests marked gpu on the CPU."""
    command = [sys.executable, "-m", "mergebench", "gpu-check", "--device", "cpu", "--size", "tiny"]
    command += ["--budget", "3600", "--results", str(tmp_path)]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (whole,) = (tmp_path / "gpu").glob("*-tiny.json")
    content = json.loads(whole.read_text())
    assert content["not_measured"] == []
    assert {one["outcome"] for one in content["tests"]} == {"passed", "skipped"}
    assert len(content["tests"]) > 40
