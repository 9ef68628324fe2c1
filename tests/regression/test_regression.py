"""The regression check: silent when nothing changed, loud when counts moved, strict updates."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
from miniature import FEW_IMAGES, PROTOCOL, SETTING
from repository import ROOT

from attacks.ties import Ties
from mergebench.cli import main
from mergebench.experiment import experiment as experiment_module
from mergebench.experiment.settings import SETTINGS
from mergebench.measure import merge_results
from mergebench.measure.protocols import PROTOCOLS
from mergebench.measure.search import search
from mergebench.regression import (
    Tolerance,
    read_baseline,
)

TOLERANCE = Tolerance(merges=1.0, training=5.0)
EXPERIMENT = {
    "backbone": "mini_vit",
    "tasks": ["mnist", "fashion"],
    "attacks": ["ties@core"],
    "protections": ["trap2"],
    "protocol": "paper",
    "seed": 0,
    "search_per_task": 6,
    "recipe": {"steps": 2, "evaluate_every": 2, "warmup_steps": 0, "learning_rate": 1e-2},
    "tolerance": {"merges": 1.0, "training": 5.0},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A measured baseline of few images and steps."""
    return measured(tmp_path_factory, EXPERIMENT)


@pytest.fixture(scope="module")
def unprotected(tmp_path_factory):
    """The same of unprotected updates alone, which takes half the time."""
    return measured(tmp_path_factory, EXPERIMENT | {"protections": []})


def measured(tmp_path_factory, experiment):
    folder = tmp_path_factory.mktemp("baseline")
    (folder / "small.json").write_text(json.dumps({"experiment": experiment}))
    with few_images():
        assert run("check", folder / "small.json", "--update") == 0
    return folder


class few_images(pytest.MonkeyPatch):  # noqa: N801
    """A context in which the backbone's setting and the protocol are the miniature ones."""

    def __enter__(self):
        self.setitem(SETTINGS, "mini_vit", SETTING)
        self.setitem(PROTOCOLS, "paper", replace(PROTOCOL, alphas=(2.0, 4.0, 8.0)))
        experiment_module._workbench.cache_clear()
        return self

    def __exit__(self, *error):
        self.undo()
        experiment_module._workbench.cache_clear()


def run(*words: object) -> int:
    experiment_module._workbench.cache_clear()
    return main([*map(str, words), "--plugin", str(FEW_IMAGES)])


@pytest.mark.slow  # `make regress` does it with the committed baseline
def test_a_check_of_unchanged_code_passes_exactly(folder, tmp_path, capsys):
    with few_images():
        status = run(
            "check",
            folder / "small.json",
            "--exact",
            "--junit",
            tmp_path / "j.xml",
            "--markdown",
            tmp_path / "m.md",
        )
    assert status == 0, capsys.readouterr().out
    outcomes = read_baseline(folder / "small.json").measured.outcomes
    assert f"{len(outcomes)} equal, 0 within tolerance, 0 moved" in (tmp_path / "m.md").read_text()
    assert {"zero-shot", "ties@core of mnist trap2", "mnist none alone, trained anew"} <= {
        *outcomes
    }


def test_a_changed_rule_is_seen_and_its_update_refused_without_a_version(
    unprotected, monkeypatch, capsys
):
    file = unprotected / "small.json"
    before = file.read_bytes()
    combine = Ties.combine
    monkeypatch.setattr(Ties, "combine", lambda self, stack, site: -3 * combine(self, stack, site))
    with few_images():
        assert run("check", file, "--exact") == 1
        assert "ties@core" in capsys.readouterr().out
        assert run("check", file, "--update") == 2
    assert "no version" in capsys.readouterr().err
    assert file.read_bytes() == before
    monkeypatch.setattr(Ties, "version", Ties.version + 1)
    with few_images():
        assert run("check", file, "--update") == 0
        more = json.loads(file.read_text())
        outcomes = more["measured"]["outcomes"]
        outcomes["dare@core of all unprotected"] = outcomes["ties@core of all unprotected"]
        file.write_text(json.dumps(more))
        assert run("check", file, "--exact") == 1
    assert "dare@core of all unprotected is of the baseline" in capsys.readouterr().out
    file.write_bytes(before)


def test_another_environment_may_choose_another_point(unprotected, monkeypatch, capsys):
    """There what moved with its point is compared at the baseline's; rules must still agree."""
    content = json.loads((unprotected / "small.json").read_text())
    content["measured"]["environment"]["cpu"] = "another"
    (unprotected / "elsewhere.json").write_text(json.dumps(content))
    (unprotected / "elsewhere").symlink_to(unprotected / "small")

    def choose_too_far(*words, **options):
        found = search(*words, **options)
        far = replace(found.chosen, alpha=1e4)
        return replace(found, chosen=far, points=(*found.points, far))

    monkeypatch.setattr(merge_results, "search", choose_too_far)
    # Few images prove little.
    monkeypatch.setattr(sys.modules["mergebench.regression.comparing"], "LEVEL", 1000)
    with few_images():
        assert run("check", unprotected / "small.json") == 1
        assert "alpha 10000" in capsys.readouterr().out
        assert run("check", unprotected / "elsewhere.json") == 0
        shown = capsys.readouterr().out
        assert "another point was chosen for ties@core of" in shown
        assert run("check", unprotected / "elsewhere.json", "--exact") == 1
    combine = Ties.combine
    monkeypatch.setattr(Ties, "combine", lambda self, stack, site: -3 * combine(self, stack, site))
    with few_images():
        assert run("check", unprotected / "elsewhere.json") == 1


def test_other_inputs_are_a_failure_that_names_them(folder, tmp_path, capsys):
    content = json.loads((folder / "small.json").read_text())
    content["measured"]["suite_sha256"] = "0" * 64
    (folder / "other.json").write_text(json.dumps(content))
    (folder / "other").symlink_to(folder / "small")
    with few_images():
        assert run("check", folder / "other.json", "--junit", tmp_path / "j.xml") == 1
    assert "suite is not the baseline's" in capsys.readouterr().out
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("failures") == "1"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "check what"),
        (["missing.json"], "cannot read baseline missing.json"),
        (["."], "baseline .: Is a directory; give a file as `mergebench check --update` writes it"),
        (["/dev/null"], "; give a file as `mergebench check --update` writes it"),
        (["--store", "a"], "two stores are needed"),
        (["--store", "a", "--against", "b", "c.json"], "not both"),
        (
            ["--store", "a", "--against", "b"],
            "--against b: has no folder cells; give one that measurements made",
        ),
    ],
)
def test_misuse_is_one_line(words, message, capsys):
    assert main(["check", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "x"}, "experiment.seed"),
        ({"steps": 3}, "experiment.steps"),
        ({"recipe": {"stepz": 4}}, "stepz"),
        ({"attacks": ["tiez@core"]}, "did you mean"),
    ],
)
def test_a_wrong_baseline_names_the_key(tmp_path, change, message, capsys):
    file = tmp_path / "b.json"
    file.write_text(json.dumps({"experiment": {**EXPERIMENT, **change}}))
    with few_images():
        assert run("check", file, "--update") == 2
    assert message in capsys.readouterr().err


def test_a_baseline_without_measurement_says_so(tmp_path, capsys):
    file = tmp_path / "b.json"
    file.write_text(json.dumps({"experiment": EXPERIMENT}))
    assert main(["check", str(file)]) == 2
    assert "--update" in capsys.readouterr().err


def test_the_committed_baseline_is_measured_and_has_its_adapters():
    file = ROOT / "results" / "baselines" / "mini_vit.json"
    baseline = read_baseline(file)
    assert baseline.measured is not None
    merges = [name for name in baseline.measured.outcomes if "@" in name]
    assert len(merges) == len(baseline.experiment.attacks) * (1 + len(baseline.experiment.tasks))
    for name in baseline.measured.updates:
        adapter = file.with_suffix("") / name.removeprefix("adapter ")
        assert (adapter / "adapter_model.safetensors").is_file()
